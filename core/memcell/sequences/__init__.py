"""Sequences, their windows, the batches made of them, and the samplers that order them."""

from memcell.sequences.batch import Batch, collate
from memcell.sequences.sampler import Sampler
from memcell.sequences.time_series import UNLABELLED, Sequence
from memcell.sequences.windows import Ends, WindowTable, window_table

__all__ = [
    "UNLABELLED",
    "Batch",
    "Ends",
    "Sampler",
    "Sequence",
    "WindowTable",
    "collate",
    "window_table",
]
