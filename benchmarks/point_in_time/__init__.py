"""Speed of the feature store beside its rivals: `python -m benchmarks.point_in_time`."""
