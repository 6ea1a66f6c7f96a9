"""The point-in-time join."""
