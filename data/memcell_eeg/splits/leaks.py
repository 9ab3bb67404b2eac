"""What would let a network see in training what it is tested on; run on every task, before training.

Refused by name:

- the same person in two parts of a split by subject, also where only the spelling of the name differs;
- two parts of one recording so close that the same samples go into both: through the window of past
  signal, the resampler, and the filters' ringing (`Reach`);
- recordings of one person whose parts overlap by the clock, where the files say when they were made;
- one recording under two names in two parts: features that are the same but for rounding, so that an
  export in another format is found too, and copies that are padded, cut, shifted or scaled
  (`memcell_eeg.splits.copies`).

The running mean and spread of the causal normalization, and the means of the past that are features
(``--context``), reach further back (minutes); they carry no label and exist as well when a detector is used,
so they are no leak.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.sequences.time_series import TimeSeries
from memcell_data.formats.measurement_date import measured_from
from memcell_data.recording import Recording
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal import filters, resample
from memcell_eeg.splits.copies import find_copies
from memcell_eeg.splits.split import PARTS, Split

#: A filter has faded when so little of the variance of its output (of a white input) comes from further back.
FADED = 1e-4
#: Mean difference, in spreads of a feature, under which two recordings are one.
SAME_SIGNAL = 0.02
#: Values of each recording that are compared before all are.
SAMPLED = 32

_WORDS = {"train": "training", "valid": "validation", "test": "test"}


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far apart two parts of a recording must be so that no sample goes into both.

    Args:
        back: Seconds of signal before a step's end that its features are made of, ringing included.
        ahead: Seconds after a step's end, likewise; 0 for a causal pipeline.
    """

    back: float = 0.0
    ahead: float = 0.0

    @classmethod
    def of(cls, pipeline: Pipeline, native: float) -> Reach:
        """Return the reach of a pipeline on recordings of ``native`` Hz."""
        ringing = _ringing(filters.band_pass(pipeline.low, pipeline.high, pipeline.rate), pipeline)
        smear = resample.delay(native, pipeline.rate)
        if pipeline.phase == "zero":
            return cls(back=pipeline.window + ringing + smear, ahead=ringing + smear)
        return cls(back=pipeline.window + ringing + 2 * smear)


def check(
    parts: Split,
    recordings: Sequence[Recording],
    reach: Reach,
    copies: Set[tuple[str, str]] | None = None,
) -> tuple[str, ...]:
    """Refuse a split that leaks, and return what must be said of one that does not.

    Args:
        parts: The split.
        recordings: What its sequences were made of.
        reach: Of their pipeline.
        copies: Names of recordings that hold the same signal, as `copied_names` finds them; None to look for
            them among the sequences.

    Raises:
        DataError: Names the recordings or the person, and says what to type.
    """
    if parts.kind == "time":
        _check_times(parts, reach)
        _check_clocks(parts, recordings)
    else:
        _check_people(parts)
    return _check_copies(parts, copies)


def check_folds(
    sequences: Sequence[TimeSeries], copies: Set[tuple[str, str]] = frozenset()
) -> None:
    """Refuse recordings that would leak in some fold, where each subject is left out in turn.

    Args:
        sequences: A whole recording each.
        copies: As in `check`.

    Raises:
        DataError: Two subjects differ only in spelling, or hold the same signal; names both.
    """
    spelled: dict[str, str] = {}
    for subject in sorted({s.subject for s in sequences}):
        before = spelled.setdefault(subject.strip().casefold(), subject)
        if before != subject:
            raise DataError(
                f"subjects '{before}' and '{subject}' differ only in spelling; are they one person? Name "
                "both alike, or more differently."
            )
    by_name = {s.name: s for s in sequences}
    alike: dict[tuple[int, ...], list[_Placed]] = defaultdict(list)
    for s in sequences:
        alike[s.features.shape].append(("", s))
    pairs = [(one, other) for group in alike.values() for (_, one), (_, other) in _copies(group)]
    pairs += [(by_name[a], by_name[b]) for a, b in sorted(copies) if a in by_name and b in by_name]
    for one, other in pairs:
        if one.subject != other.subject:
            raise DataError(
                f"recordings '{one.name}' (subject '{one.subject}') and '{other.name}' (subject "
                f"'{other.subject}') hold the same signal: one recording under two names? Leave one of them "
                "out."
            )


def _ringing(sections: NDArray[np.float64], pipeline: Pipeline) -> float:
    from scipy import signal

    pulse = np.zeros(int(20 * pipeline.rate / pipeline.low))
    pulse[0] = 1.0
    energy = np.cumsum(signal.sosfilt(sections, pulse)[::-1] ** 2)[::-1]
    return float(np.argmax(energy <= FADED * energy[0]) / pipeline.rate)


def _check_people(parts: Split) -> None:
    seen: dict[str, tuple[str, str]] = {}
    for part in PARTS:
        for subject in sorted({s.subject for s in parts.part(part)}):
            before, name = seen.setdefault(subject.strip().casefold(), (part, subject))
            if before == part:
                continue
            if name == subject:
                raise DataError(
                    f"subject '{subject}' is in the {_WORDS[before]} and in the {_WORDS[part]} split; "
                    "every person belongs in one of them: type --split subject."
                )
            raise DataError(
                f"subjects '{name}' ({_WORDS[before]}) and '{subject}' ({_WORDS[part]}) differ only in "
                "spelling; are they one person? Name both alike, or more differently."
            )


def _check_times(parts: Split, reach: Reach) -> None:
    pieces: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    step = 0.0
    for part in PARTS:
        for s in parts.part(part):
            step = max(step, s.step_seconds)
            pieces[_recording(s, part)].append((*_span(s), part))
    for name, found in pieces.items():
        found.sort()
        for (_, end, one), (start, _, other) in pairwise(found):
            # The first step's window ends with the step, so it begins that much later.
            apart = start - end
            needed = max(0.0, reach.back - step) + reach.ahead
            if one != other and apart < needed - 1e-6:
                raise DataError(
                    f"recording '{name}': the {_WORDS[one]} and the {_WORDS[other]} part are {apart:g} s "
                    f"apart, and windows and filters reach over {needed:.2f} s; type --split-gap "
                    f"{np.ceil(10 * needed) / 10:g} or more."
                )


def _check_clocks(parts: Split, recordings: Sequence[Recording]) -> None:
    """Refuse parts of two recordings of one person that were made at the same time."""
    known = {r.name: r for r in recordings}
    of: dict[str, list[tuple[str, str, TimeSeries]]] = defaultdict(list)
    for part in PARTS:
        for s in parts.part(part):
            of[s.subject].append((_recording(s, part), part, s))
    for subject, own in of.items():
        if len({name for name, _, _ in own}) < 2:
            continue
        began = {name: _began(known.get(name)) for name, _, _ in own}
        for (a, in_a, one), (b, in_b, other) in combinations(own, 2):
            first, second = began[a], began[b]
            if a == b or in_a == in_b or first is None or second is None:
                continue
            (from_a, to_a), (from_b, to_b) = _span(one), _span(other)
            if min(first + to_a, second + to_b) - max(first + from_a, second + from_b) > 1e-6:
                raise DataError(
                    f"subject '{subject}': the {_WORDS[in_a]} part of recording '{a}' and the "
                    f"{_WORDS[in_b]} part of '{b}' were recorded at the same time; leave one of the two "
                    "recordings out."
                )


def _began(recording: Recording | None) -> float | None:
    if recording is None or recording.path is None or not recording.path.exists():
        return None
    return measured_from(recording.path)


def _check_copies(parts: Split, copies: Set[tuple[str, str]] | None) -> tuple[str, ...]:
    alike: dict[tuple[int, int], list[_Placed]] = defaultdict(list)
    placed: list[_Placed] = [(part, s) for part in PARTS for s in parts.part(part)]
    for part, s in placed:
        alike[s.features.shape].append((part, s))
    pairs = [pair for group in alike.values() for pair in _copies(group)]
    if copies is None:
        found = find_copies([s for _, s in placed])
        pairs += [(placed[i], placed[j]) for i, j in found]
    elif copies:
        of: dict[str, list[_Placed]] = defaultdict(list)
        for part, s in placed:
            of[_recording(s, part)].append((part, s))
        pairs += [(x, y) for a, b in sorted(copies) for x in of[a] for y in of[b]]
    notes = []
    for (in_a, one), (in_b, other) in pairs:
        a, b = _recording(one, in_a), _recording(other, in_b)
        if a == b:
            continue
        if in_a != in_b:
            raise DataError(
                f"recordings '{a}' ({_WORDS[in_a]}) and '{b}' ({_WORDS[in_b]}) hold the same signal: "
                "one recording under two names? Leave one of them out."
            )
        notes.append(f"recordings '{a}' and '{b}' hold the same signal, both in {_WORDS[in_a]}")
    return tuple(dict.fromkeys(notes))


_Placed = tuple[str, TimeSeries]


def _copies(group: Sequence[_Placed]) -> Iterator[tuple[_Placed, _Placed]]:
    """Yield the pairs of sequences of one shape whose features are the same but for rounding."""
    if len(group) < 2:
        return
    n, width = group[0][1].features.shape
    rows = np.linspace(0, n - 1, SAMPLED).round().astype(np.int64)
    columns = np.arange(SAMPLED) % width
    spread = np.mean([np.std(s.features, axis=0, dtype=np.float64) for _, s in group], axis=0)
    varies = spread > 1e-9  # a feature that never changes tells no recordings apart
    if not varies.any():
        return
    sampled = np.array([s.features[rows, columns] for _, s in group], dtype=np.float64)
    scale = np.where(varies, spread, np.inf)
    sampled /= scale[columns]
    for i, row in enumerate(sampled):
        near = np.abs(sampled[i + 1 :] - row).mean(axis=1) < 5 * SAME_SIGNAL
        for j in (i + 1 + np.flatnonzero(near)).tolist():
            apart = np.abs(group[i][1].features - group[j][1].features) / scale
            if float(apart.mean()) * len(varies) / varies.sum() < SAME_SIGNAL:
                yield group[i], group[j]


def _recording(sequence: TimeSeries, part: str) -> str:
    """Return the recording's name: a split by time has put the part behind it."""
    return sequence.name.removesuffix(f"@{part}")


def _span(sequence: TimeSeries) -> tuple[float, float]:
    return float(sequence.times[0]), float(sequence.times[-1]) + sequence.step_seconds
