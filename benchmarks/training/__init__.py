"""Speed and memory of training: `python -m benchmarks.training`."""
