"""Channels of recordings against each other: noise, hum of the mains, another reference, exchanged places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from memcell.applications.checking import DataFinding
from memcell_data.checks.outliers import FEWEST, Array, listed, names_where, outlying, these
from memcell_data.checks.summary import BANDS, SignalSummary

#: uV from which on mains in one recording and not in the others is said, and how many times theirs.
MAINS, MAINS_TIMES = 10.0, 5.0
#: log10 of power a Hz, most over least of the bands: under the first a spectrum is flat, as that of noise is
#: and no EEG's (muscles raise its upper end, and leave the lower); over the second it is not.
FLAT, NOT_FLAT = 0.35, 0.8
_WIDTHS = np.log10([high - low for low, high in BANDS])
#: Least spreads by which channels are told apart: log10 of power, and of a correlation's Fisher z.
SPREADS = (0.12, 0.12)
#: Spreads by which a channel must differ before it is tried in another's place, and recordings that are many.
FAR, MANY = 3.0, 16
#: Change of the mean correlation between channels that is worth saying.
LIKENESS = 0.25
#: Channels whose places are tried.
MOST_CHANNELS = 32


def noise(found: Sequence[SignalSummary]) -> list[DataFinding]:
    """Find channels whose spectrum is that of noise, with no slow waves above it."""
    of: dict[str, list[str]] = {}
    ranges = [np.ptp(s.powers - _WIDTHS, axis=1) for s in found]
    for i, s in enumerate(found):
        others = [r for j, r in enumerate(ranges) if j != i]
        if not others or not np.nanmedian(np.concatenate(others)) > NOT_FLAT:
            continue
        for channel, value in zip(s.channels, ranges[i], strict=True):
            if value < FLAT:
                of.setdefault(channel, []).append(s.name)
    return [
        DataFinding(
            check="channels",
            severity="warning",
            sentence=f"channel {channel} has the flat spectrum of noise in {listed(names)}, and no slow "
            "waves: is the electrode connected?",
            advice="leave these recordings out, or choose other channels with --channels",
            where=listed(names),
        )
        for channel, names in of.items()
    ]


def mains(found: Sequence[SignalSummary]) -> list[DataFinding]:
    """Find recordings with mains that the others do not have."""
    if len(found) < FEWEST:
        return []
    size = np.array([s.mains.max(axis=1) for s in found])  # [recordings, channels]
    lines = []
    known = np.isfinite(size).all(axis=1)
    loud = np.zeros_like(size, dtype=np.bool_)
    for i in np.flatnonzero(known):
        others = size[known & (np.arange(len(size)) != i)]
        if len(others) >= FEWEST - 1:
            usual = np.median(others, axis=0)
            loud[i] = (size[i] >= np.log10(MAINS)) & (size[i] >= usual + np.log10(MAINS_TIMES))
    if loud.any():
        at: NDArray[np.bool_] = np.any(loud, axis=1, keepdims=False)
        columns = np.flatnonzero(loud.any(axis=0))
        channels = [found[0].channels[c] for c in columns]
        most = 10 ** float(size[loud].max())
        lines.append(
            DataFinding(
                check="mains",
                severity="note",
                sentence=f"{these(found, at)} mains of up to {most:.2g} uV in {listed(channels)}, "
                f"{MAINS_TIMES:g} times the others' and more",
                advice="it reaches no band; a bad contact that brings it in may bring in more",
                where=listed(names_where(found, at)),
            )
        )
    return lines


def references(found: Sequence[SignalSummary]) -> list[DataFinding]:
    """Find recordings whose channels are as a whole more or less alike than the others'."""
    if len(found) < FEWEST + 1 or len(found[0].channels) < 2:
        return []
    pairs = np.triu_indices(len(found[0].channels), 1)
    alike = np.array([np.mean(s.likeness[pairs]) for s in found])
    lines = []
    for i in outlying(np.arctanh(np.clip(alike, -0.99, 0.99))):
        usual = float(np.median(np.delete(alike, i)))
        if abs(alike[i] - usual) >= LIKENESS:
            lines.append(
                DataFinding(
                    check="channels",
                    severity="warning",
                    sentence=f"the channels of {found[i].name} correlate by {alike[i]:.2f} in the mean, "
                    f"those of the others by {usual:.2f}: another reference, or a bridge of gel?",
                    advice="look at its reference; bring all to one before training, or leave it out",
                    where=found[i].name,
                )
            )
    return lines


def places(found: Sequence[SignalSummary]) -> list[DataFinding]:
    """Find recordings in which two channels have each other's spectrum and likeness to the rest."""
    if len(found) < FEWEST + 1 or not 2 <= len(found[0].channels) <= MOST_CHANNELS:
        return []
    channels = found[0].channels
    bands = np.isfinite(np.array([s.powers for s in found])).all(axis=(0, 1))
    powers = np.array([s.powers[:, bands] for s in found])
    powers = powers - powers.mean(axis=1, keepdims=True)
    alike = np.arctanh(np.clip(np.array([s.likeness for s in found]), -0.98, 0.98))
    alike[:, np.arange(len(channels)), np.arange(len(channels))] = 0.0
    lines = []
    usual: list[tuple[Array, Array]] | None = None
    for i, s in enumerate(found):
        # one of many moves no median
        others = np.arange(len(found)) != (i if len(found) < MANY else -1)
        best: tuple[float, int, int] | None = None
        if usual is None or len(found) < MANY:
            usual = [(np.median(v[others], axis=0), _spread(v[others])) for v in (powers, alike)]
        far = [
            _distance(
                [((v - m) / d)[[c]] for v, (m, d) in zip((powers[i], alike[i]), usual, strict=True)]
            )
            for c in range(len(channels))
        ]
        for a, b in combinations(range(len(channels)), 2):
            if max(far[a], far[b]) <= FAR:
                continue
            order = np.arange(len(channels))
            order[[a, b]] = order[[b, a]]
            parts = [powers[i], alike[i]]
            swapped = [powers[i][order], alike[i][np.ix_(order, order)]]
            at = [a, b]
            now, then = (
                _distance([((v - m) / d)[at] for v, (m, d) in zip(w, usual, strict=True)])
                for w in (parts, swapped)
            )
            if now > FAR and then < 2 and then < now / 2 and (best is None or now / then > best[0]):
                best = (float(now / then), a, b)
        if best is not None:
            first, second = channels[best[1]], channels[best[2]]
            lines.append(
                DataFinding(
                    check="channels",
                    severity="warning",
                    sentence=f"channels {first} and {second} of {s.name} look as if they were exchanged: "
                    "each has the spectrum that the other has in all other recordings",
                    advice="look at it; if so, exchange their names in its header, or leave it out",
                    where=s.name,
                )
            )
    return lines


def _distance(parts: Sequence[Array]) -> float:
    """Return the root mean square of deviations, each part weighing the same."""
    return float(np.sqrt(np.mean([np.mean(part**2) for part in parts])))


def _spread(values: Array) -> Array:
    """Return a robust spread over recordings, at least what people differ by."""
    least = SPREADS[0] if values.shape[-1] <= len(BANDS) else SPREADS[1]
    middle = np.median(values, axis=0)
    return np.maximum(1.4826 * np.median(np.abs(values - middle), axis=0), least)
