"""The time loop: which lanes restart when, how a layer runs over a window, and the stack of layers."""

from memcell.unroll.layer import Layer, Unrolled
from memcell.unroll.marks import WindowMarks
from memcell.unroll.stack import RecurrentStack
from memcell.unroll.stepper import Stepper

__all__ = ["Layer", "RecurrentStack", "Stepper", "Unrolled", "WindowMarks"]
