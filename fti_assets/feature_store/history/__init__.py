"""The states of the lake: snapshots, their tags, and what holds them."""
