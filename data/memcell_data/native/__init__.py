"""Passes over samples in C, and what numpy and scipy do in their place where there is no compiler."""
