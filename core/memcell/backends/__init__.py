"""The time loop: which lanes restart when, how a layer runs over a window, and the stack of layers."""

from memcell.backends.layer import Layer, Unrolled
from memcell.backends.stack import RecurrentStack
from memcell.backends.step_masks import WindowMarks
from memcell.backends.stepper import Stepper

__all__ = ["Layer", "RecurrentStack", "Stepper", "Unrolled", "WindowMarks"]
