"""A memory that overflowed: predictions that are not finite, refused or counted as knowing nothing.

A cell without bounds (a rectifier whose weight of itself is above 1) can be trained in windows and still
overflow when it is carried through hours. From there on its predictions are NaN, which is below every
threshold.
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

#: What to type where memory overflowed: which cells stay bounded.
TRAIN_BOUNDED = "train a --cell whose memory stays bounded (lstm, gru; indrnn with --cell.bound 1)"

#: What to type where predictions are not finite though memory is short, or there is none.
TRAIN_SMALLER = "train with a smaller --learning-rate, or another --cell"


def refuse_overflow(predictions: NDArray[np.float32], first_step: int, policy: str) -> None:
    """Refuse a recording's predictions ``[n, n_outputs]`` where one is not finite.

    Args:
        predictions: Of consecutive steps.
        first_step: Number of the first of them in the recording.
        policy: Inference policy that made them.

    Raises:
        DataError: One is not; says from which step on.
    """
    wrong = _not_finite(predictions)
    if wrong.any():
        raise DataError(
            f"the network's predictions are not finite from step {first_step + int(wrong.argmax())} on: its "
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
    """Return `memcell.inference.inference.probabilities`, those of outputs of 0 where they were not finite.

    Outputs of 0 are equal chances of classes: such a step is scored as one that nothing is known of, and the
    scores under the other inference policy stand beside it.

    Args:
        network: As there, and all others too.
        sequences: The sequences.
        policy: The inference policy.
        time_steps: The window of ``"reset"``.
        mixed: The recurrent layers in bfloat16.

    Returns:
        The predictions of each sequence, and a sentence where some were not finite; else empty.
    """
    found = probabilities(network, sequences, policy, time_steps, mixed)
    wrong = [_not_finite(each) for each in found]
    of, steps = sum(each.size for each in wrong), sum(int(each.sum()) for each in wrong)
    if not steps:
        return found, ""
    nothing = network.target.predictions(torch.zeros(network.target.n_outputs)).numpy()
    known = [
        np.where(at[:, None], nothing.astype(each.dtype), each)
        for at, each in zip(wrong, found, strict=True)
    ]
    return known, (
        f"{OVERFLOWED}: predictions of {steps:,} of {of:,} steps are not finite with memory: {policy}, "
        f"and count as if nothing were known of them; {_instead(policy)}"
    )


def without_overflow(note: str) -> str:
    """Return a row's note without the sentence of `probabilities_without_overflow`, which ends it."""
    return note.partition(OVERFLOWED)[0].removesuffix("; ")


def pooled_overflow(notes: Sequence[str], policy: str) -> str:
    """Return the sentence for several runs together: in how many of them memory overflowed; empty for none.

    Args:
        notes: Of a network's row in each run.
        policy: The inference policy of the row.
    """
    runs = sum(OVERFLOWED in note for note in notes)
    if not runs:
        return ""
    return (
        f"{OVERFLOWED} in {runs} of {len(notes)} runs: predictions of steps that are not finite with memory: "
        f"{policy} count as if nothing were known of them; {_instead(policy)}"
    )


def _not_finite(predictions: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which of the steps ``[n, n_outputs]`` has a prediction that is not finite, ``[n]``."""
    return np.asarray(~np.isfinite(predictions).all(axis=1))


def _instead(policy: str) -> str:
    return TRAIN_SMALLER if policy == "reset" else f"take --eval-policy reset, or {TRAIN_BOUNDED}"
