"""A small causal convolutional network along the steps: what another kind of network makes of the features.

Three convolutions of 3 steps, dilated by 1, 2 and 4, so that a step sees itself and the 14 before it (van den
Oord et al. 2016, "WaveNet"; Bai, Kolter & Koltun 2018, "An empirical evaluation of generic convolutional and
recurrent networks for sequence modeling"). Padded with zeros where a segment begins: nothing is seen over a
gap. It sees the features of the steps alone, without means of the past where the run has such: on five people
these made it learn the people (AUC .64 with them, .88 without). A fixed number of updates with noise on the
inputs, dropout and weight decay; nothing is chosen on validation but the threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from torch import nn

from memcell.applications.app import Task
from memcell.sequences.time_series import UNLABELLED, TimeSeries
from memcell_eeg.baselines.fitted import (
    Fitted,
    step_alone,
    step_columns,
    steps_of,
    two,
    weight_odds,
)

FILTERS = 8
DILATIONS = (1, 2, 4)
UPDATES = 60
#: Steps of a training window, and windows of an update.
WINDOW, LANES = 128, 16
LEARNING_RATE, WEIGHT_DECAY, NOISE, DROPOUT = 0.003, 0.01, 1.0, 0.5


class CausalCnn(nn.Module):
    """``[B, F, T] -> [B, 2, T]``, each step from itself and steps before it.

    Args:
        n_features: F.
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        widths = (n_features, *(FILTERS for _ in DILATIONS))
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, 3, dilation=d)
            for a, b, d in zip(widths[:-1], widths[1:], DILATIONS, strict=True)
        )
        self.drop, self.out = nn.Dropout(DROPOUT), nn.Conv1d(FILTERS, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        for layer, dilation in zip(self.layers, DILATIONS, strict=True):
            x = torch.relu(layer(nn.functional.pad(x, (2 * dilation, 0))))
        out: torch.Tensor = self.out(self.drop(x))
        return out


def causal_cnn(task: Task, seed: int) -> Fitted:
    """Return the network, trained on the windows of the training split that have a label.

    Args:
        task: Its training split and class weights.
        seed: Of weights, windows and noise; torch's own random numbers are left as they were.
    """
    columns = step_columns(task)
    scaler = StandardScaler().fit(steps_of(task.train, step_alone(task)).x)
    windows = [w for s in task.train for w in _windows(s, columns, scaler)]
    x = torch.stack([a for a, _ in windows])
    y = torch.stack([b for _, b in windows])
    weights = None
    if task.class_weights is not None:
        weights = torch.tensor(task.class_weights, dtype=torch.float32)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = CausalCnn(len(columns))
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
        )
        for _ in range(UPDATES):
            rows = torch.randperm(len(x))[:LANES]
            noisy = x[rows] + NOISE * torch.randn(x[rows].shape)
            loss = nn.functional.cross_entropy(
                network(noisy), y[rows], weight=weights, ignore_index=UNLABELLED
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
    network.eval()

    @torch.no_grad()
    def model(sequence: TimeSeries) -> NDArray[np.float32]:
        parts = [
            network(part.unsqueeze(0))[0].softmax(0)[1]
            for part in _segments(sequence, columns, scaler)
        ]
        return two(torch.cat(parts).double().numpy())

    return Fitted(
        name="causal CNN",
        model=model,
        odds=weight_odds(task),
        note=f"15 steps, {UPDATES} updates",
    )


def _segments(
    sequence: TimeSeries, columns: NDArray[np.int64], scaler: StandardScaler
) -> Iterator[torch.Tensor]:
    """Yield ``[F, T]`` of each segment."""
    edges = [0, *sequence.breaks, sequence.n_steps]
    for start, stop in pairwise(edges):
        values = scaler.transform(np.asarray(sequence.features[start:stop][:, columns], np.float64))
        yield torch.from_numpy(values.T.astype(np.float32).clip(-10, 10))


def _windows(
    sequence: TimeSeries, columns: NDArray[np.int64], scaler: StandardScaler
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield features and targets of windows of `WINDOW` steps that have a label, the last one filled up."""
    at = 0
    for x in _segments(sequence, columns, scaler):
        y = torch.from_numpy(np.asarray(sequence.targets[at : at + x.shape[1]], dtype=np.int64))
        at += x.shape[1]
        for start in range(0, x.shape[1], WINDOW):
            part, own = x[:, start : start + WINDOW], y[start : start + WINDOW]
            missing = WINDOW - part.shape[1]
            if bool((own != UNLABELLED).any()):
                yield (
                    nn.functional.pad(part, (0, missing)),
                    nn.functional.pad(own, (0, missing), value=UNLABELLED),
                )
