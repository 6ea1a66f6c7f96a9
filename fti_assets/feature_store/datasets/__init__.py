"""Training datasets: cut, described, cut again, compared."""
