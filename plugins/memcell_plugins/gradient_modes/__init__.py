"""Gradient modes: how long windows are, where the next begins, and how gradients flow inside one."""
