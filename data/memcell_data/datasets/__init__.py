"""Data sets by name, and finding the recordings below a path."""
