"""The programs that are measured beside ours, each a process of its own."""
