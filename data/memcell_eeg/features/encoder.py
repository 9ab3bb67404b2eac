"""From a step's features to the cell's input, each step by itself; `build` chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from memcell.errors import ConfigError
from memcell_eeg.config import EegConfig
from memcell_eeg.features.context import is_mean
from memcell_eeg.features.extractors import extractors
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.precomputed import is_precomputed
from memcell_eeg.features.raw import Raw


def build(config: EegConfig, n_features: int, facts: Mapping[str, Any]) -> nn.Module:
    """Return the encoder that the options ask for.

    Args:
        config: The options.
        n_features: F.
        facts: Of the task: ``pipeline``, which says where raw samples stand among the features, and
            ``feature_names``.

    Raises:
        ConfigError: Raw samples are needed, and the features have none.
    """
    if config.encoder == "linear":
        return LinearEncoder(n_features, config.encoder_size)
    if config.encoder == "step":
        names = list(facts.get("feature_names", ()))
        columns = [k for k, name in enumerate(names) if not is_mean(name)]
        return StepEncoder(columns) if len(columns) < len(names) else NoEncoder(n_features)
    if config.encoder == "none":
        return NoEncoder(n_features)
    pipeline = facts.get("pipeline")
    if not pipeline or is_precomputed(pipeline):
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


class StepEncoder(nn.Module):
    """The features of the step itself, without means of its past: ``[T, B, F] -> [T, B, len(columns)]``.

    The means stay in the linear path around the recurrent layers, which have a memory of their own.
    """

    columns: torch.Tensor

    def __init__(self, columns: Sequence[int]) -> None:
        super().__init__()
        self.output_size = len(columns)
        self.register_buffer("columns", torch.tensor(columns), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the columns."""
        return x.index_select(-1, self.columns)


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


FILTERS = (16, 32, 32)
KERNELS = (9, 5, 5)


class RawCnn(nn.Module):
    """A small convolutional network over the raw samples behind each step, each step by itself.

    ``[T, B, F] -> [T, B, size + F - n_channels * width]``; other features bypass it. Three convolutions over
    time, the channels of the recording being those of the first; then the mean and the largest value of each
    filter over the window, since when within the window a wave comes does not matter. After the CNN of
    Malafeev et al. 2021, much smaller, for what lies further back is the memory's business.

    Args:
        n_features: F.
        n_channels: C, channels of the recording.
        width: Samples of each in a step's window.
        first: The column where the samples begin, all of the first channel, then of the next.
        size: Outputs made of the samples.
    """

    def __init__(
        self, n_features: int, n_channels: int, width: int, first: int = 0, size: int = 32
    ) -> None:
        super().__init__()
        self.n_channels, self.width = n_channels, width
        self.first, self.stop = first, first + n_channels * width
        self.others = n_features - n_channels * width
        self.output_size = size + self.others
        layers: list[nn.Module] = []
        before = n_channels
        for filters, kernel in zip(FILTERS, KERNELS, strict=True):
            layers += [nn.Conv1d(before, filters, kernel, stride=2, padding=kernel // 2), nn.ReLU()]
            before = filters
        self.layers = nn.Sequential(*layers)
        self.linear = nn.Linear(2 * before, size)

    def forward(self, x: Tensor) -> Tensor:
        """Return the encoded steps, other features behind the learned ones."""
        steps, lanes = x.shape[0], x.shape[1]
        samples = x[:, :, self.first : self.stop]
        h = self.layers(samples.reshape(steps * lanes, self.n_channels, self.width))
        pooled = torch.cat([h.mean(dim=2), h.amax(dim=2)], dim=1)
        out = torch.tanh(self.linear(pooled)).reshape(steps, lanes, -1)
        if self.others == 0:
            return out
        return torch.cat([out, x[:, :, : self.first], x[:, :, self.stop :]], dim=2)
