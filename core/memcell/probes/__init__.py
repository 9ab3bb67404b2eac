"""Probes: measurements taken while a network trains, which never change the training.

One probe a file; `catalogue` lists them without importing torch.
"""
