"""One step of a cell and its gradient as a graph of torch operations."""
