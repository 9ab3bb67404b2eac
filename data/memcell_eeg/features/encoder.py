"""From a step's features to the cell's input, each step by itself; `build` chooses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from memcell.errors import ConfigError
from memcell_eeg.config import EegConfig
from memcell_eeg.features.extractors import extractors
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.raw import Raw
from memcell_eeg.features.raw_cnn import RawCnn


def build(config: EegConfig, n_features: int, facts: Mapping[str, Any]) -> nn.Module:
    """Return the encoder that the options ask for.

    Args:
        config: The options.
        n_features: F.
        facts: Of the task: ``pipeline``, which says where raw samples stand among the features.

    Raises:
        ConfigError: Raw samples are needed, and the features have none.
    """
    if config.encoder == "linear":
        return LinearEncoder(n_features, config.encoder_size)
    if config.encoder == "none":
        return NoEncoder(n_features)
    pipeline = facts.get("pipeline") or {"ready": True}
    if pipeline.get("ready"):
        raise ConfigError(
            "'encoder' got 'raw_cnn', which learns from the samples of a signal, and the data set's features "
            "are precomputed; type --encoder linear or none."
        )
    first = 0
    made = Pipeline.from_facts(pipeline)
    for extractor in extractors(made):
        if isinstance(extractor, Raw):
            width = len(extractor.names) // len(made.channels)
            return RawCnn(n_features, len(made.channels), width, first, config.encoder_size)
        first += len(extractor.names)
    raise ConfigError(
        f"'encoder' got 'raw_cnn' and the features are {', '.join(made.features)}; type --features raw, or "
        "raw beside others."
    )


class NoEncoder(nn.Module):
    """The features as they are: ``[T, B, F] -> [T, B, F]``."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.output_size = n_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features."""
        return x


class LinearEncoder(nn.Module):
    """A learned projection of each step, ``tanh(W x + b)``: ``[T, B, F] -> [T, B, size]``.

    Args:
        n_features: F.
        size: Outputs.
    """

    def __init__(self, n_features: int, size: int) -> None:
        super().__init__()
        self.output_size = size
        self.linear = nn.Linear(n_features, size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the projection."""
        return torch.tanh(self.linear(x))
