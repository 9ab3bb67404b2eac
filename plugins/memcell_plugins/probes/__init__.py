"""Probes: measurements during training that leave it as it is."""
