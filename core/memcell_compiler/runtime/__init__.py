"""A compiled program on tensors: plans, buffers, threads, autograd."""
