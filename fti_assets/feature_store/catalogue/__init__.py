"""What there is to be found: features, their statistics and their readers."""
