"""The lake itself: its catalogue, its files, the connection to them and the right to write."""
