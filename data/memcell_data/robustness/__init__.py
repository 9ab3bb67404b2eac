"""How reading stands up to files that are damaged; run with ``python -m memcell_data.robustness``."""
