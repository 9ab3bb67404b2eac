"""Heads: what stands between the memory and the linear readout."""
