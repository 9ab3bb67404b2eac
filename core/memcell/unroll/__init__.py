"""The time loop: which lanes restart when, how a layer runs over a window, and the stack of layers."""

from memcell.unroll.layer import Layer, Unrolled
from memcell.unroll.marks import WindowMarks
from memcell.unroll.stack import RecurrentStack

__all__ = ["Layer", "RecurrentStack", "Unrolled", "WindowMarks"]
