"""What recurrent memory is made of: cells, normalizers, starts and state policies."""

from memcell.recurrent.cell import Cell
from memcell.recurrent.identity import identity_norm
from memcell.recurrent.normalizer import Normalizer, NormWindow
from memcell.recurrent.policy import Memory, Remembered, StatePolicy
from memcell.recurrent.start import Start, ZeroStart
from memcell.recurrent.state import State, detach, where, zeros

__all__ = [
    "Cell",
    "Memory",
    "NormWindow",
    "Normalizer",
    "Remembered",
    "Start",
    "State",
    "StatePolicy",
    "ZeroStart",
    "detach",
    "identity_norm",
    "where",
    "zeros",
]
