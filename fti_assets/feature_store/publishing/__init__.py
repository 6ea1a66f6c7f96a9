"""How rows get into the lake: contracts, drafts, publications, corrections, and what they replaced."""
