"""A small convolutional network over the raw samples behind each step, each step by itself.

Three convolutions over time, the channels of the recording being those of the first; then the mean and the
largest value of each filter over the window, since when within the window a wave comes does not matter.
After the CNN of Malafeev et al. 2021, much smaller, for what lies further back is the memory's business.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FILTERS = (16, 32, 32)
KERNELS = (9, 5, 5)


class RawCnn(nn.Module):
    """``[T, B, F] -> [T, B, size + F - n_channels * width]``: other features pass by as they are.

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
