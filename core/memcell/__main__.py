"""``python -m memcell``."""

from memcell.cli.main import main

main()
