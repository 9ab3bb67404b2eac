"""The memory's outputs beside a leaky mean of them: m_t = m_{t-1} + (h_t - m_{t-1}) / n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from memcell import Cell, HeadPlace, Norm
from memcell_template.configs import LeakyMeanConfig


class LeakyMeanState(NamedTuple):
    """m ``[B, H]``."""

    m: Tensor


class LeakyMean(Cell):
    """``[h_t, m_t]``; the mean is a state, so it is carried, reset and streamed as memory is.

    Args:
        place: Where it stands.
        config: The time constant n.
    """

    state_type = LeakyMeanState

    def __init__(self, place: HeadPlace, config: LeakyMeanConfig) -> None:
        super().__init__(place.width, 2 * place.width)
        self.rate = 1 / config.steps

    @property
    def state_spec(self) -> Mapping[str, tuple[int, ...]]:
        """Width of the mean."""
        return {"m": (self.input_size,)}

    def project(self, x: Tensor) -> Tensor:
        """Return the memory's outputs as they are."""
        return x

    def step(self, p: Tensor, state: LeakyMeanState, norm: Norm) -> tuple[Tensor, LeakyMeanState]:
        """Do one step."""
        m = state.m + self.rate * (p - state.m)
        return torch.cat((p, m), dim=-1), LeakyMeanState(m)
