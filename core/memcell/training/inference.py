"""Inference over whole sequences, with memory carried through them or restarted every window."""

from __future__ import annotations

from collections.abc import Sequence as ListOf

import numpy as np
import torch
from numpy.typing import NDArray

from memcell.network import Network
from memcell.recurrent.policy import Remembered
from memcell.sequences.sequence import Sequence

#: Steps run at once. Fixed, so that a recording gives the same bits however it is handed over.
CHUNK = 256


@torch.no_grad()
def probabilities(
    network: Network, sequences: ListOf[Sequence], policy: str, time_steps: int
) -> list[NDArray[np.float32]]:
    """Return class probabilities ``[n_steps, n_outputs]`` of each sequence.

    Each sequence is run by itself, so that its result does not depend on which others there are.

    Args:
        network: The network; put into inference mode for the call.
        sequences: The sequences.
        policy: ``"carry"``: memory runs from a sequence's start to its end, restarting at gaps;
            ``"reset"``: it restarts every ``time_steps`` steps as well.
        time_steps: The window of ``"reset"``.
    """
    was_training = network.training
    network.eval()
    try:
        return [_one(network, sequence, policy, time_steps) for sequence in sequences]
    finally:
        network.train(was_training)


def _one(network: Network, sequence: Sequence, policy: str, time_steps: int) -> NDArray[np.float32]:
    device = network.device
    starts = sequence.starts
    if policy == "reset":
        starts = starts | (np.arange(sequence.n_steps) % time_steps == 0)
    fresh = network.fresh(1)
    remembered = Remembered(fresh, torch.zeros(1, dtype=torch.int64, device=device))
    pieces = []
    for begin in range(0, sequence.n_steps, CHUNK):
        x = torch.from_numpy(np.array(sequence.features[begin : begin + CHUNK])).unsqueeze(1)
        marks = torch.from_numpy(starts[begin : begin + CHUNK]).unsqueeze(1).to(device)
        steps = len(x)
        ran = network(x.to(device), remembered, fresh, marks, torch.ones_like(marks), keep=(steps,))
        remembered = ran.states[steps]
        pieces.append(torch.softmax(ran.logits[:, 0].float(), dim=-1).cpu().numpy())
    return np.concatenate(pieces).astype(np.float32)


def mean_loss(
    probability: ListOf[NDArray[np.float32]],
    sequences: ListOf[Sequence],
    class_weights: tuple[float, ...] | None,
) -> float:
    """Return the mean cross-entropy (nats) over labelled steps, weighted by class; NaN without any."""
    total, weight = 0.0, 0.0
    for p, sequence in zip(probability, sequences, strict=True):
        known = sequence.labelled
        y = np.asarray(sequence.targets[known], dtype=np.int64)
        w = np.ones(len(y)) if class_weights is None else np.asarray(class_weights)[y]
        chosen = p[known, y].astype(np.float64).clip(1e-12)
        total += float(-(w * np.log(chosen)).sum())
        weight += float(w.sum())
    return total / weight if weight else float("nan")
