"""Speed and steadiness of the online half beside its rivals: `python -m benchmarks.serving`."""
