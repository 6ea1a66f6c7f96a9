"""One module for each code location that `workspace.yaml` lists; each is a program of its own."""
