"""Amplitudes of recordings against each other: wrong units, other gains, devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from memcell.applications.checking import DataFinding, Severity
from memcell_data.checks.outliers import (
    ALPHA,
    FEWEST,
    apart_from_most,
    levels,
    listed,
    microvolts,
    names_where,
    outlying,
    these,
    times,
)
from memcell_data.checks.summary import SignalSummary

#: Factor between neighbouring amplitudes that no two people have; one that is worth saying.
UNIT, GAIN = 10.0, 1.25
#: Devices that are told apart by the steps between values; the step of values that have none.
MOST_DEVICES, _UNKNOWN = 4, -99.0


def units(found: Sequence[SignalSummary], gain_matters: bool = True) -> list[DataFinding]:
    """Find recordings whose amplitude is not of the others' kind, and channels that are not beside others."""
    if len(found) < FEWEST:
        return []
    lines: list[DataFinding] = []
    level = levels(found)
    apart = apart_from_most(level, np.log10(UNIT))
    if apart.any():
        factor = 10 ** (np.median(level[apart]) - np.median(level[~apart]))
        lines.append(
            DataFinding(
                check="units",
                severity="serious",
                sentence=f"{these(found, apart)} {times(factor)} the amplitude of the others "
                f"({microvolts(level[apart])} against {microvolts(level[~apart])}): a wrong unit or gain",
                advice="look at the unit in its header; with all of one unit in a folder of their own, type "
                "--data.unit all:uV (all:mV, all:V)",
                where=listed(names_where(found, apart)),
            )
        )
    kept = np.flatnonzero(~apart)
    for i in kept[outlying(level[kept])]:
        factor = 10 ** (level[i] - np.median(np.delete(level, i)))
        if max(factor, 1 / factor) >= GAIN:
            lines.append(
                _gain(
                    f"{found[i].name} has {times(factor)} the amplitude of the others, who are alike among "
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
        apart = apart_from_most(beside[:, c], np.log10(UNIT))
        if apart.any():
            factor = 10 ** (np.median(beside[apart, c]) - np.median(beside[~apart, c]))
            lines.append(
                DataFinding(
                    check="units",
                    severity="warning",
                    sentence=f"channel {channel} has, beside the other channels, {times(factor)} the "
                    f"amplitude in {listed(names_where(found, apart))} that it has elsewhere: a wrong unit, "
                    "a bad contact, or another signal?",
                    advice="look at them; choose other channels with --channels, or leave them out",
                    where=listed(names_where(found, apart)),
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
                    f"the {len(names[b])} recordings {what[1]} have {times(factor)} the amplitude of the "
                    f"{len(names[a])} {what[0]}: two devices of different gain?",
                    listed(names[b]),
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
