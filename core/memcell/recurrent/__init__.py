"""What recurrent memory is made of: cells, normalizers, starts and state policies."""

from typing import TYPE_CHECKING

from memcell.old_paths import renamed_in
from memcell.recurrent.cell import Cell, identity_norm
from memcell.recurrent.normalizer import Normalizer, NormWindow
from memcell.recurrent.policy import CarriedState, Memory, StatePolicy
from memcell.recurrent.start import Start, ZeroStart
from memcell.recurrent.state import State, detach, where, zeros

__all__ = [
    "CarriedState",
    "Cell",
    "Memory",
    "NormWindow",
    "Normalizer",
    "Start",
    "State",
    "StatePolicy",
    "ZeroStart",
    "detach",
    "identity_norm",
    "where",
    "zeros",
]

if not TYPE_CHECKING:
    __getattr__ = renamed_in(__name__)  # names of version 0.1
