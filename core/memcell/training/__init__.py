"""Training: the loop, its checkpoints, the run folder, and inference under a policy of its own."""
