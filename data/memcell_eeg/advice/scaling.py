"""A scale that takes away what is asked for: what is constant in a recording is lost in scaling by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memcell.applications.checking import DataFinding
from memcell.sequences.time_series import TimeSeries

#: Share of the spread of labels that lies between recordings, from which on it is what there is to learn.
BETWEEN = 0.5
#: Share of a recording that a class fills, from which on the scale is that class's; share of such recordings.
FILLED, MANY = 0.98, 0.5


def between_recordings(sequences: Sequence[TimeSeries]) -> float:
    """Return the share of the labels' variance that lies between recordings: 0 alike, 1 one class each."""
    parts = [np.asarray(s.targets[s.labelled], dtype=np.float64) for s in sequences]
    parts = [y for y in parts if len(y)]
    if not parts:
        return 0.0
    whole = np.concatenate(parts)
    about = float(((whole - whole.mean()) ** 2).sum())
    between = sum(len(y) * (float(y.mean()) - float(whole.mean())) ** 2 for y in parts)
    return between / about if about else 0.0


def longest_state(sequences: Sequence[TimeSeries]) -> float:
    """Return how long the rarer class lasts where it is, s: the length of a run, the mean over its steps."""
    total = sum(int((s.targets == 1).sum()) for s in sequences)
    known = sum(int(s.labelled.sum()) for s in sequences)
    rarer = 1 if 2 * total <= known else 0
    squares = length = 0.0
    for s in sequences:
        own = np.asarray(s.targets[s.labelled] == rarer).astype(np.int8)
        edges = np.flatnonzero(np.diff(own, prepend=0, append=0))
        lasting = (edges[1::2] - edges[::2]) * s.step_seconds
        squares, length = squares + float((lasting**2).sum()), length + float(lasting.sum())
    return squares / length if length else 0.0


def hidden(sequences: Sequence[TimeSeries], normalization: str, memory: float) -> list[DataFinding]:
    """Return what a scale by the recording itself hides.

    Args:
        sequences: A whole recording each, with both classes among them.
        normalization: ``"causal"``, ``"recording"``, ``"training"`` or ``"none"``.
        memory: Time constant of the causal one, s.
    """
    if normalization not in ("causal", "recording"):
        return [
            DataFinding(
                check="scale",
                severity="nothing",
                sentence=f"normalization {normalization} keeps what is constant in a recording",
            )
        ]
    shares = [float(np.mean(s.targets[s.labelled] == 1)) for s in sequences if s.labelled.any()]
    filled = sum(max(p, 1 - p) >= FILLED for p in shares)
    between, lasting = between_recordings(sequences), longest_state(sequences)
    advice = "type --normalization training, or leave the option out"
    if filled and filled >= MANY * len(shares):
        return [
            DataFinding(
                check="scale",
                severity="serious",
                sentence=f"in {filled} of {len(shares)} recordings one class fills the whole recording, and "
                f"normalization {normalization} takes away what is constant in a recording",
                advice=advice,
            )
        ]
    if between >= BETWEEN:
        return [
            DataFinding(
                check="scale",
                severity="serious",
                sentence=f"{100 * between:.0f} % of the labels' spread lies between recordings, and "
                f"normalization {normalization} takes away how recordings differ",
                advice=advice,
            )
        ]
    if normalization == "causal" and lasting > memory:
        return [
            DataFinding(
                check="scale",
                severity="warning",
                sentence=f"the rarer class lasts {lasting:.0f} s where it is, and the running scale forgets "
                f"within {memory:g} s, so that it takes the state itself away",
                advice=f"{advice}; or --normalization-memory {10 * np.ceil(lasting / 10) * 3:g}",
            )
        ]
    return [
        DataFinding(
            check="scale",
            severity="note",
            sentence=f"normalization {normalization} takes away the level of the features in a recording",
            advice="type --normalization training, which keeps it, and compare",
        )
    ]
