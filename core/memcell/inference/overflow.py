"""A memory that overflowed: predictions that are no numbers, refused or counted as knowing nothing.

A cell without bounds (a rectifier whose weight of itself is above 1) can be trained in windows and still
overflow when it is carried through hours. From there on it says NaN, which are below every threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.inference.inference import probabilities
from memcell.network.network import Network
from memcell.sequences.time_series import TimeSeries

#: What the sentence on a network's row begins with.
OVERFLOWED = "memory overflowed"


def refuse_overflow(predictions: NDArray[np.float32], first_step: int, policy: str) -> None:
    """Refuse a recording's predictions ``[n, n_outputs]`` where one is no number.

    Args:
        predictions: Of consecutive steps.
        first_step: Number of the first of them in the recording.
        policy: Inference policy that made them.

    Raises:
        DataError: One is none; says from which step on.
    """
    # one number is read; it is none where one of them is none
    if np.isfinite(predictions.sum()):
        return
    wrong = np.flatnonzero(~np.isfinite(predictions).all(axis=1))
    if len(wrong):
        raise DataError(
            f"the network's predictions are no numbers from step {first_step + int(wrong[0])} on: its "
            f"memory overflowed (memory: {policy}); expected one that stays bounded over a whole recording; "
            + _instead(policy)
        )


def probabilities_without_overflow(
    network: Network,
    sequences: Sequence[TimeSeries],
    policy: str,
    time_steps: int,
    mixed: bool = False,
) -> tuple[list[NDArray[np.float32]], str]:
    """Return `memcell.inference.inference.probabilities`, those of outputs of 0 where they were no numbers.

    Outputs of 0 are equal chances of classes: such a step is scored as one that nothing is known of, and the
    scores under the other inference policy stand beside it.

    Args:
        network: As there, and all others too.
        sequences: The sequences.
        policy: The inference policy.
        time_steps: The window of ``"reset"``.
        mixed: The recurrent layers in bfloat16.

    Returns:
        The predictions of each sequence, and a sentence where some were no numbers; else empty.
    """
    found = probabilities(network, sequences, policy, time_steps, mixed)
    if all(np.isfinite(each.sum()) for each in found):
        return found, ""
    nothing = network.target.predictions(torch.zeros(network.target.n_outputs)).numpy()
    wrong = [np.asarray(~np.isfinite(each).all(axis=1)) for each in found]
    of, steps = sum(each.size for each in wrong), sum(int(each.sum()) for each in wrong)
    known = [
        np.where(at[:, None], nothing.astype(each.dtype), each)
        for at, each in zip(wrong, found, strict=True)
    ]
    if not steps:  # finite numbers that add up to too much
        return found, ""
    return known, (
        f"{OVERFLOWED}: predictions of {steps:,} of {of:,} steps are no numbers with memory: {policy}, "
        f"and count as if nothing were known of them; {_instead(policy)}"
    )


def _instead(policy: str) -> str:
    if policy == "reset":
        return "train with a smaller --learning-rate, or another --cell"
    return "take --eval-policy reset, or train a --cell with gates, or one with a smaller bound"
