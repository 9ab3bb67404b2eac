"""How reading stands up to files that are damaged; run with ``python -m tests.campaigns.damaged_files``."""
