"""Channel selection, filtering and resampling, causal with carried state or zero-phase."""
