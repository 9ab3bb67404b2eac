"""The checks of ``memcell data check``: labels, samples, headers."""
