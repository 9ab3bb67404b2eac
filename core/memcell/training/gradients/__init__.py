"""Gradient modes: how long a window is, where the next begins, and how gradients flow inside it."""

from __future__ import annotations

from memcell.training.config import TrainingConfig
from memcell.training.gradients.artbp import ARTBP
from memcell.training.gradients.mode import GradientMode
from memcell.training.gradients.random_length import RandomLength
from memcell.training.gradients.tbptt import TBPTT

MODES: dict[str, type[GradientMode]] = {
    "window": GradientMode,
    "tbptt": TBPTT,
    "random_length": RandomLength,
    "artbp": ARTBP,
}


def gradient_mode(config: TrainingConfig) -> GradientMode:
    """Return the mode that ``--gradient`` names."""
    return MODES[config.gradient](config)


__all__ = ["MODES", "GradientMode", "gradient_mode"]
