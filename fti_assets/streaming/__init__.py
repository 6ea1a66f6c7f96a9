"""Events as they happen: into the online store at once, into the lake in small batches."""
