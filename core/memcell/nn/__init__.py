"""Recurrent layers for one's own PyTorch model: any cell, any normalizer, called like `torch.nn.LSTM`."""

from memcell.nn.recurrent import Recurrent
from memcell.nn.state import RecurrentState

__all__ = ["Recurrent", "RecurrentState"]
