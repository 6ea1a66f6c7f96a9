"""A system whose events come as a stream."""
