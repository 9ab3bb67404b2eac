"""What differs between recordings that should be alike: units and gains, channels, rates.

Recordings are held against each other by their `SignalSummary`. People's EEG differs by factors of two and
three in amplitude, so that a gain of 1.4 in one recording cannot be told from a person; what is said rests on

- amplitudes with a gap of a factor of `UNIT` between them: a unit or a gain is wrong;
- one recording far from all others, by a test that knows how far apart the others are (studentized deleted
  residual, Bonferroni over recordings);
- devices (recordings of one rate and one smallest step between values) whose people differ in amplitude on
  the whole (Welch's t over people, Bonferroni over devices);
- a channel whose spectrum and whose likeness to the other channels fit another channel's place much better;
- a channel with the spectrum of noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from memcell.applications.checking import DataFinding
from memcell_data.checks.channels import mains, noise, places, references
from memcell_data.checks.gains import UNIT, devices, units
from memcell_data.checks.outliers import FEWEST, apart_from_most, levels, listed
from memcell_data.checks.summary import SignalSummary


def between(found: Sequence[SignalSummary], gain_matters: bool = True) -> list[DataFinding]:
    """Return what differs between recordings.

    Args:
        found: One a recording; channels of one name are held against each other.
        gain_matters: What is made of the signal depends on its gain.
    """
    shared = _shared(found)
    apart = apart_from_most(levels(shared), np.log10(UNIT))
    alike = [s for s, odd in zip(shared, apart, strict=True) if not odd]
    lines = [
        *rates(found),
        *units(shared, gain_matters),
        *devices(alike, gain_matters),
        *noise(found),
        *mains(alike),
        *references(alike),
        *places(alike),
    ]
    if lines or len(shared) < FEWEST:
        return lines
    return [
        DataFinding(
            check="signals",
            severity="nothing",
            sentence=f"{len(shared)} recordings have signals of one kind (amplitudes, spectra, channels)",
        )
    ]


def _shared(found: Sequence[SignalSummary]) -> list[SignalSummary]:
    """Return summaries of the channels that all have, in one order."""
    if not found:
        return []
    keys = [{_key(c): i for i, c in enumerate(s.channels)} for s in found]
    names = [c for c in found[0].channels if all(_key(c) in k for k in keys)]
    out = []
    for s, key in zip(found, keys, strict=True):
        at = np.array([key[_key(c)] for c in names], dtype=np.int64)
        if len(at):
            out.append(
                replace(
                    s, channels=tuple(names), powers=s.powers[at], amplitude=s.amplitude[at],
                    resolution=s.resolution[at], mains=s.mains[at], likeness=s.likeness[np.ix_(at, at)],
                )
            )  # fmt: skip
    return out


def _key(channel: str) -> str:
    return channel.strip().rstrip(".").casefold()


def rates(found: Sequence[SignalSummary]) -> list[DataFinding]:
    """Say which sampling rates there are, where they differ."""
    of: dict[float, list[str]] = {}
    for s in found:
        of.setdefault(s.rate, []).append(s.name)
    if len(of) < 2:
        return []
    by_rate = ", ".join(f"{rate:g} Hz in {len(names)}" for rate, names in sorted(of.items()))
    slowest = min(of)
    return [
        DataFinding(
            check="rates",
            severity="note",
            sentence=f"sampling rates differ ({by_rate} recordings)",
            advice=f"all are brought to one rate, {slowest:g} Hz or less, and nothing above "
            f"{0.45 * slowest:.3g} Hz is used",
            where=listed(of[slowest]),
        )
    ]
