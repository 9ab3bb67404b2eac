"""The contract of gradient modes: how long windows are, where the next begins, how gradients flow."""

from __future__ import annotations

from memcell.training.gradients.mode import GradientMode

__all__ = ["GradientMode"]
