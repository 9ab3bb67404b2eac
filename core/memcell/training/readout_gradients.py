"""Each window's own gradient, of the readout only: what balancing samplers compare windows by.

The readout is the last linear layer, so a window's gradient to its weights is a sum over steps of
(probability - target) times output, and needs no backward pass of its own. The gradients of all weights of
each window apart would cost as many backward passes as there are lanes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memcell.sequences import Batch


@torch.no_grad()
def readout_gradients(
    logits: Tensor, hidden: Tensor, batch: Batch, class_weights: Tensor | None
) -> Tensor:
    """Return the gradient of each lane's mean loss to weights and biases of the readout.

    Args:
        logits: ``[T, B, n_classes]``.
        hidden: ``[T, B, H]`` what the readout was given.
        batch: Targets and weights.
        class_weights: ``[n_classes]`` weights of the loss, or None.

    Returns:
        ``[B, n_classes * (H + 1)]`` float32; zeros for a lane without a label.
    """
    target = batch.y.long().clamp_min(0)
    wanted = nn.functional.one_hot(target, logits.shape[-1]).to(torch.float32)
    weight = batch.weight / batch.weight.sum(0).clamp_min(1e-12)
    if class_weights is not None:
        weight = weight * class_weights[target]
    error = (logits.float().softmax(-1) - wanted) * weight.unsqueeze(-1)
    ones = torch.ones_like(hidden[..., :1], dtype=torch.float32)
    given = torch.cat([hidden.float(), ones], -1)
    return torch.einsum("tbc,tbh->bch", error, given).flatten(1)
