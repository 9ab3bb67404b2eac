"""Sequences, their windows, the batches made of them, and the samplers that order them."""

from typing import TYPE_CHECKING

from memcell.old_paths import renamed_in
from memcell.sequences.batch import Batch, collate
from memcell.sequences.sampler import Sampler
from memcell.sequences.time_series import UNLABELLED, TimeSeries
from memcell.sequences.windows import Ends, WindowTable, window_table

__all__ = [
    "UNLABELLED",
    "Batch",
    "Ends",
    "Sampler",
    "TimeSeries",
    "WindowTable",
    "collate",
    "window_table",
]

if not TYPE_CHECKING:
    __getattr__ = renamed_in(__name__)  # names of version 0.1
