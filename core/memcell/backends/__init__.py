"""How a layer is run over time: the backends, the layer that asks them, the stack, and the stepper."""

from memcell.backends.backend import Backend, BackendWarning
from memcell.backends.layer import Layer
from memcell.backends.stack import RecurrentStack
from memcell.backends.stepper import Stepper
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import WindowCall, WindowOutput

__all__ = [
    "Backend",
    "BackendWarning",
    "Layer",
    "RecurrentStack",
    "StepMasks",
    "Stepper",
    "WindowCall",
    "WindowOutput",
]
