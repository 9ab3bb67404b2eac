"""Cells put together at random, through generated C against the eager loop.

``python -m memcell.testing.random_cells --count 10000 --seed 0 --jobs 2`` runs as many as are wanted; each is
made of its number alone, and a difference is printed as Python source that reproduces it.
"""

from memcell.testing.random_cells.drawing import RandomCell, draw
from memcell.testing.random_cells.trial import Case, TrialOutcome, compare, tried

__all__ = ["Case", "RandomCell", "TrialOutcome", "compare", "draw", "tried"]
