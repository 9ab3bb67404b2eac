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
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from memcell.applications.checking import DataFinding, Severity
from memcell_data.checks.summary import BANDS, SignalSummary

Array = NDArray[np.float64]

#: Recordings from which on they are held against each other.
FEWEST = 3
#: Factor between neighbouring amplitudes that no two people have; one that is worth saying.
UNIT, GAIN = 10.0, 1.25
#: Chance of a false alarm that each test may have.
ALPHA = 0.01
#: uV from which on mains in one recording and not in the others is said, and how many times theirs.
MAINS, MAINS_TIMES = 10.0, 5.0
#: log10 of power a Hz, most over least of the bands: under the first a spectrum is flat, as that of noise is
#: and no EEG's (muscles raise its upper end, and leave the lower); over the second it is not.
FLAT, NOT_FLAT = 0.35, 0.8
_WIDTHS = np.log10([high - low for low, high in BANDS])
#: Least spreads by which channels are told apart: log10 of power, and of a correlation's Fisher z.
SPREADS = (0.12, 0.12)
#: Devices that are told apart by the steps between values; the step of values that have none.
MOST_DEVICES, _UNKNOWN = 4, -99.0
#: Spreads by which a channel must differ before it is tried in another's place, and recordings that are many.
FAR, MANY = 3.0, 16
#: Change of the mean correlation between channels that is worth saying.
LIKENESS = 0.25
#: Channels whose places are tried; names that a sentence lists.
MOST_CHANNELS, MOST_NAMED = 32, 5


def between(found: Sequence[SignalSummary], gain_matters: bool = True) -> list[DataFinding]:
    """Return what differs between recordings.

    Args:
        found: One a recording; channels of one name are held against each other.
        gain_matters: What is made of the signal depends on its gain.
    """
    shared = _shared(found)
    apart = _apart(_levels(shared), np.log10(UNIT))
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
    listed = ", ".join(f"{rate:g} Hz in {len(names)}" for rate, names in sorted(of.items()))
    slowest = min(of)
    return [
        DataFinding(
            check="rates",
            severity="note",
            sentence=f"sampling rates differ ({listed} recordings)",
            advice=f"all are brought to one rate, {slowest:g} Hz or less, and nothing above "
            f"{0.45 * slowest:.3g} Hz is used",
            where=_listed(of[slowest]),
        )
    ]


def units(found: Sequence[SignalSummary], gain_matters: bool = True) -> list[DataFinding]:
    """Find recordings whose amplitude is not of the others' kind, and channels that are not beside others."""
    if len(found) < FEWEST:
        return []
    lines: list[DataFinding] = []
    level = _levels(found)
    apart = _apart(level, np.log10(UNIT))
    if apart.any():
        factor = 10 ** (np.median(level[apart]) - np.median(level[~apart]))
        lines.append(
            DataFinding(
                check="units",
                severity="serious",
                sentence=f"{_these(found, apart)} {_times(factor)} the amplitude of the others "
                f"({_microvolts(level[apart])} against {_microvolts(level[~apart])}): a wrong unit or gain",
                advice="look at the unit in its header; with all of one unit in a folder of their own, type "
                "--data.unit all:uV (all:mV, all:V)",
                where=_listed(_names(found, apart)),
            )
        )
    kept = np.flatnonzero(~apart)
    for i in kept[_outlying(level[kept])]:
        factor = 10 ** (level[i] - np.median(np.delete(level, i)))
        if max(factor, 1 / factor) >= GAIN:
            lines.append(
                _gain(
                    f"{found[i].name} has {_times(factor)} the amplitude of the others, who are alike among "
                    "themselves: another gain?",
                    found[i].name,
                    gain_matters,
                )
            )
    return [*lines, *_channel_gains([s for s, odd in zip(found, apart, strict=True) if not odd])]


def _channel_gains(found: Sequence[SignalSummary]) -> list[DataFinding]:
    """Find a channel that is much larger or smaller beside its neighbours than in other recordings."""
    if len(found) < FEWEST or len(found[0].channels) < 2:
        return []
    beside = np.array([s.amplitude - np.median(s.amplitude) for s in found])
    lines = []
    for c, channel in enumerate(found[0].channels):
        apart = _apart(beside[:, c], np.log10(UNIT))
        if apart.any():
            factor = 10 ** (np.median(beside[apart, c]) - np.median(beside[~apart, c]))
            lines.append(
                DataFinding(
                    check="units",
                    severity="warning",
                    sentence=f"channel {channel} has, beside the other channels, {_times(factor)} the "
                    f"amplitude in {_listed(_names(found, apart))} that it has elsewhere: a wrong unit, a "
                    "bad contact, or another signal?",
                    advice="look at them; choose other channels with --channels, or leave them out",
                    where=_listed(_names(found, apart)),
                )
            )
    return lines


def devices(found: Sequence[SignalSummary], gain_matters: bool = True) -> list[DataFinding]:
    """Find devices whose people differ in amplitude on the whole."""
    steps = {
        round(float(np.median(s.resolution)) * 50) for s in found if np.isfinite(s.resolution).all()
    }
    if len(steps) > MOST_DEVICES:  # files that were each written at a scale of their own
        found = [replace(s, resolution=np.full_like(s.resolution, np.nan)) for s in found]
    of: dict[tuple[float, float], dict[str, list[float]]] = {}
    names: dict[tuple[float, float], list[str]] = {}
    for s in found:
        step = float(np.median(s.resolution))
        key = (s.rate, round(step * 50) / 50 if np.isfinite(step) else _UNKNOWN)
        of.setdefault(key, {}).setdefault(s.subject or s.name, []).append(
            float(np.median(s.amplitude))
        )
        names.setdefault(key, []).append(s.name)
    groups = {k: np.array([np.mean(v) for v in people.values()]) for k, people in of.items()}
    groups = {k: v for k, v in groups.items() if len(v) >= 3}
    pairs = [
        (a, b)
        for a, b in combinations(sorted(groups), 2)
        if (a[0] != b[0] or _UNKNOWN not in (a[1], b[1]))
        and max(groups[a].std(), groups[b].std()) > 1e-6
    ]
    lines = []
    for a, b in pairs:
        from scipy.stats import ttest_ind

        p = float(ttest_ind(groups[a], groups[b], equal_var=False).pvalue)
        factor = 10 ** (groups[b].mean() - groups[a].mean())
        if p * len(pairs) <= ALPHA and max(factor, 1 / factor) >= GAIN:
            what = _device(a, b)
            lines.append(
                _gain(
                    f"the {len(names[b])} recordings {what[1]} have {_times(factor)} the amplitude of the "
                    f"{len(names[a])} {what[0]}: two devices of different gain?",
                    _listed(names[b]),
                    gain_matters,
                )
            )
    return lines


def _device(a: tuple[float, float], b: tuple[float, float]) -> tuple[str, str]:
    if a[0] != b[0]:
        return f"of {a[0]:g} Hz", f"of {b[0]:g} Hz"
    return f"in steps of {10 ** a[1]:.2g} uV", f"in steps of {10 ** b[1]:.2g} uV"


def _gain(sentence: str, where: str, matters: bool) -> DataFinding:
    severity: Severity = "warning" if matters else "note"
    return DataFinding(
        check="gains",
        severity=severity,
        sentence=sentence,
        advice="type --features relative (the default), which does not depend on the gain"
        if matters
        else "nothing: relative features do not depend on the gain (--features bandpower would)",
        where=where,
    )


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
            sentence=f"channel {channel} has the flat spectrum of noise in {_listed(names)}, and no slow "
            "waves: is the electrode connected?",
            advice="leave these recordings out, or choose other channels with --channels",
            where=_listed(names),
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
                sentence=f"{_these(found, at)} mains of up to {most:.2g} uV in {_listed(channels)}, "
                f"{MAINS_TIMES:g} times the others' and more",
                advice="it reaches no band; a bad contact that brings it in may bring in more",
                where=_listed(_names(found, at)),
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
    for i in _outlying(np.arctanh(np.clip(alike, -0.99, 0.99))):
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


def _levels(found: Sequence[SignalSummary]) -> Array:
    """Return ``[n]``: the amplitude of each recording, the median of its channels."""
    return np.array([float(np.median(s.amplitude)) for s in found])


def _apart(values: Array, gap: float) -> NDArray[np.bool_]:
    """Return which values are on the smaller side of a gap; none where there is none."""
    order = np.argsort(values)
    out = np.zeros(len(values), dtype=np.bool_)
    if len(values) < FEWEST:
        return out
    cuts = np.flatnonzero(np.diff(values[order]) >= gap) + 1
    if len(cuts) == 0:
        return out
    groups = np.split(order, cuts)
    out[:] = True
    out[max(groups, key=len)] = False
    return out


def _outlying(values: Array) -> NDArray[np.int64]:
    """Return which values lie further from all others than those differ among themselves."""
    from scipy.stats import t as student

    n = len(values)
    found: list[int] = []
    if n < FEWEST + 1:
        return np.array(found, dtype=np.int64)
    for i in range(n):
        others = np.delete(values, i)
        spread = max(float(others.std(ddof=1)), 0.02) * np.sqrt(1 + 1 / (n - 1))
        far = abs(float(values[i] - others.mean())) / spread
        if 2 * n * float(student.sf(far, n - 2)) <= ALPHA:
            found.append(i)
    return np.array(found, dtype=np.int64)


def _names(found: Sequence[SignalSummary], which: NDArray[np.bool_]) -> list[str]:
    return [s.name for s, own in zip(found, which, strict=True) if own]


def _these(found: Sequence[SignalSummary], which: NDArray[np.bool_]) -> str:
    names = _names(found, which)
    return (
        f"{names[0]} has" if len(names) == 1 else f"{len(names)} recordings ({_listed(names)}) have"
    )


def _times(factor: float) -> str:
    return f"{factor:.3g} times" if factor >= 1 else f"1/{1 / factor:.3g} of"


def _microvolts(level: Array) -> str:
    low, high = 10 ** float(level.min()), 10 ** float(level.max())
    return f"{low:.3g} uV" if high / low < 1.05 else f"{low:.3g} to {high:.3g} uV"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join([*names[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])
