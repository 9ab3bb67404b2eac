"""Channels, filters and resampling, causal with carried state or zero-phase and named so."""
