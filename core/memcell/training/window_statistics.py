"""What is counted of the windows of an update or an epoch: class totals, and gradients of the readout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memcell.sequences import Batch
from memcell.sequences.targets import Classes, TargetKind
from memcell.sequences.time_series import TimeSeries
from memcell.sequences.windows import WindowTable


def class_totals(
    sequences: Sequence[TimeSeries],
    weights: Sequence[NDArray[np.float32]] | None,
    table: WindowTable,
    order: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return ``[n_classes]`` the sum of the loss weights of each class over an order, class weights aside.

    Args:
        sequences: What the table was made of.
        weights: Loss weights ``[n_steps]`` of each sequence; None for 1 at each labelled step.
        table: The windows.
        order: Rows of the table, any shape; -1 for none.
    """
    times = np.bincount(order[order >= 0].ravel(), minlength=len(table)).astype(np.float64)
    if weights is None:
        return np.asarray(times @ table.label_counts)
    totals = np.zeros(table.label_counts.shape[1])
    first = table.start + table.counted_from
    stop = table.start + table.length
    for i, (sequence, weight) in enumerate(zip(sequences, weights, strict=True)):
        rows = table.sequence == i
        for k in range(len(totals)):
            mine = np.where(sequence.classes == k, weight, 0.0)
            until = np.concatenate([[0.0], np.cumsum(mine, dtype=np.float64)])
            totals[k] += float(times[rows] @ (until[stop[rows]] - until[first[rows]]))
    return totals


@torch.no_grad()
def readout_gradients(
    target: TargetKind,
    logits: Tensor,
    hidden: Tensor,
    batch: Batch,
    class_weights: Tensor | None,
) -> Tensor:
    """Return the gradient of each lane's mean loss to weights and biases of the readout.

    Args:
        target: What a step's target is.
        logits: ``[T, B, n_outputs]``.
        hidden: ``[T, B, H]`` what the readout was given.
        batch: Targets and weights.
        class_weights: Weights of the loss by group of steps, or None.

    Returns:
        ``[B, n_outputs * (H + 1)]`` float32; zeros for a lane without a label.
    """
    weight = batch.weight / batch.weight.sum(0).clamp_min(1e-12)
    if isinstance(target, Classes):
        y = batch.y.long().clamp_min(0)
        one_hot = nn.functional.one_hot(y, logits.shape[-1]).to(torch.float32)
        if class_weights is not None:
            weight = weight * class_weights[y]
        error = (logits.float().softmax(-1) - one_hot) * weight.unsqueeze(-1)
    else:
        with torch.enable_grad():
            outputs = logits.detach().float().requires_grad_()
            losses = target.losses(outputs, batch.y, class_weights) * weight
            (error,) = torch.autograd.grad(losses.sum(), outputs)
    ones = torch.ones_like(hidden[..., :1], dtype=torch.float32)
    given = torch.cat([hidden.float(), ones], -1)
    return torch.einsum("tbc,tbh->bch", error, given).flatten(1)
