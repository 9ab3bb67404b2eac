"""Features of each step, made causally from a window of past signal."""
