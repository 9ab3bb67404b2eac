"""Recurrent layers for one's own PyTorch model, and what carries their memory through a loop of one's own.

`Recurrent` takes any cell and any normalizer and is called like `torch.nn.LSTM`; `Windows` gives batches in
the order of any sampler, `Policy` what each of them begins with.
"""

from memcell.nn.policy import Policy
from memcell.nn.recurrent import Recurrent
from memcell.nn.state import RecurrentState
from memcell.nn.windows import LoopBatch, Windows

__all__ = ["LoopBatch", "Policy", "Recurrent", "RecurrentState", "Windows"]
