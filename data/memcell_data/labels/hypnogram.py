"""A hypnogram as text: a sleep stage a line, as YASA, DREAMS and many scripts write it.

Stages are words or numbers. What the text leaves open is asked for and never guessed: the number 4 means
another stage to YASA than to Rechtschaffen and Kales, and lines may last 30 s, 20 s or 5 s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from memcell.errors import DataError
from memcell_data.labels.words import is_stage, is_unscored
from memcell_data.recording import Interval
from memcell_data.tables.label_tables import TableRead
from memcell_data.tables.label_times import Clock

#: Seconds of an epoch where nothing says otherwise, and lengths that others have.
USUAL = 30.0
_OTHERS = (1.0, 2.0, 4.0, 5.0, 10.0, 15.0, 20.0, 60.0)
UNSCORED = "?"
_YASA = {0: "W", 1: "N1", 2: "N2", 3: "N3", 4: "REM", -1: "artefact", -2: UNSCORED}
_RK = {0: "W", 1: "N1", 2: "N2", 3: "N3", 4: "N4", 5: "REM", 6: "movement"}
_RK |= dict.fromkeys((7, 8, 9, -1, -2), UNSCORED)
_DREAMS = {5: "W", 4: "REM", 3: "N1", 2: "N2", 1: "N3", 0: "N4", -1: "movement"}
_DREAMS |= dict.fromkeys((-2, -3), UNSCORED)
#: What numbers may mean, by the word that a person types.
NUMBERS = {"yasa": _YASA, "rk": _RK, "dreams": _DREAMS}
_LETTERS = {"r": "REM", "m": "movement", "a": "artefact", "u": UNSCORED}
#: The first line of a hypnogram of the DREAMS databases, whose epochs last 5 s and whose 5 is wake.
_OF_DREAMS = "[hypnogram]"
_HEADS = ("stage", "stages", "sleep stage", "hypno", "hypnogram", "sleep_stage", "staging")
_EPOCH = re.compile(r"epoch\D*?(\d+(?:[.,]\d+)?)\s*(?:s|sec|secs|seconds)?\b", re.IGNORECASE)
_NUMBER = re.compile(r"^[+-]?\d+(?:\.0*)?$")
#: Share of lines that have to be stages for a text to be a hypnogram.
_MOSTLY = 0.8


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """What a person says of a hypnogram because its text leaves it open.

    Args:
        seconds: Length of a line; 0 takes that of the text, else 30 s where that fits the recording.
        numbers: What its numbers mean: ``"yasa"``, ``"rk"`` or ``"dreams"``; ``"auto"`` where they are plain.
    """

    seconds: float = 0.0
    numbers: str = "auto"


@dataclass(frozen=True, kw_only=True)
class _Text:
    """The lines of a hypnogram.

    Args:
        stages: Line number and stage as written.
        seconds: Length of an epoch, as the text says it; 0 where it does not.
        numbers: What numbers mean, as the text says it.
    """

    stages: tuple[tuple[int, str], ...]
    seconds: float = 0.0
    numbers: str = ""


def is_hypnogram(lines: Sequence[str]) -> bool:
    """Whether lines are a hypnogram: nearly each is a sleep stage and nothing else."""
    stages = [word for _, word in _split(lines).stages if word]
    known = sum(_is_stage_number(word) or bool(_word(word)) for word in stages)
    return bool(stages) and known >= _MOSTLY * len(stages)


def read_hypnogram(
    path: Path,
    lines: Sequence[str],
    clock: Clock,
    gaps: Sequence[tuple[float, float]] = (),
    said: Epochs | None = None,
) -> TableRead:
    """Read a hypnogram.

    Args:
        path: The file, for messages.
        lines: Its lines.
        clock: How long the recording is.
        gaps: Onset and length of its interruptions, s.
        said: What a person says of it.

    Raises:
        DataError: Numbers may mean two things, or lines of 30 s do not fit the recording; says what to type.
    """
    said = said or Epochs()
    text = _split(lines)
    for number, word in text.stages:
        if not word:
            raise DataError(
                f"{path}: line {number} is empty, so nobody knows whether an epoch is missing there: write "
                f"{UNSCORED} for an epoch without a score, or take the line out"
            )
    names = _numbers(path, text, said)
    epoch, joined, remarks = _length(path, len(text.stages), text, said, clock.seconds, gaps)
    rows, bad = [], []
    for k, (number, word) in enumerate(text.stages):
        label = names.get(_whole(word), "") if _NUMBER.match(word) else _word(word)
        if not label:
            bad.append(f"line {number}: '{word[:40]}' is no sleep stage; its epoch has no class")
        onset = k * epoch
        interval = Interval(onset=onset, duration=epoch, label=label or UNSCORED)
        rows.append((f"line {number}", interval))
    if any(_NUMBER.match(word) for _, word in text.stages):
        used = sorted({_whole(w) for _, w in text.stages if _NUMBER.match(w)} & set(names))
        shown = ", ".join(f"{n} {names[n]}" for n in used)
        remarks.append(f"numbers are read as {shown}")
    return TableRead(rows=tuple(rows), bad=tuple(bad), remarks=tuple(remarks), joined=joined)


def stage_of_number(text: str) -> str:
    """Return the stage of Profusion's numbers (0 wake, 1 to 4, 5 REM); what is none of them is unscored."""
    return _RK.get(_whole(text), UNSCORED) if _NUMBER.match(text.strip()) else UNSCORED


def _is_stage_number(word: str) -> bool:
    return bool(_NUMBER.match(word)) and -3 <= _whole(word) <= 9


def _whole(word: str) -> int:
    return int(float(word))


def _word(word: str) -> str:
    """Return the label that a word of a hypnogram stands for; empty for none."""
    if word.casefold() in _LETTERS:
        return _LETTERS[word.casefold()]
    return word if is_stage(word) or is_unscored(word) else ""


def _split(lines: Sequence[str]) -> _Text:
    """Return the stages of a text, one a line, without header, comments and epoch numbers."""
    seconds, numbers = 0.0, ""
    rows: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text.startswith(("#", "%", "//")) or (not rows and text.casefold() in _HEADS):
            found = _EPOCH.search(text)
            seconds = float(found[1].replace(",", ".")) if found else seconds
        elif not rows and text.casefold() == _OF_DREAMS:
            seconds, numbers = seconds or 5.0, "dreams"
        elif text or rows:
            rows.append((number, text))
    while rows and not rows[-1][1]:
        rows.pop()
    return _Text(stages=tuple(_without_epoch_numbers(rows)), seconds=seconds, numbers=numbers)


def _without_epoch_numbers(rows: Sequence[tuple[int, str]]) -> Iterable[tuple[int, str]]:
    """Return lines of an epoch's number and its stage as the stage alone, where they count without a gap."""
    pairs = [re.split(r"[\t;, ]+", text, maxsplit=1) for _, text in rows]
    if pairs and len(pairs[0]) == 2 and pairs[0][0].strip('"').casefold() in ("epoch", "", '""'):
        rows, pairs = rows[1:], pairs[1:]
    if not pairs or any(len(p) != 2 or not p[0].isdigit() for p in pairs):
        return rows
    first = int(pairs[0][0])
    if first > 1 or any(int(p[0]) != first + k for k, p in enumerate(pairs)):
        return rows
    return [(number, p[1].strip(' "')) for (number, _), p in zip(rows, pairs, strict=True)]


def _numbers(path: Path, text: _Text, said: Epochs) -> dict[int, str]:
    """Return what the numbers of a hypnogram mean."""
    chosen = text.numbers if said.numbers == "auto" else said.numbers
    if chosen:
        return NUMBERS[chosen]
    used = {_whole(word) for _, word in text.stages if _NUMBER.match(word)}
    if 4 in used and 5 not in used:
        raise DataError(
            f"{path}: a hypnogram of numbers in which 4 occurs and 5 does not: 4 is REM to YASA and stage "
            "4 to Rechtschaffen and Kales: type --data.hypnogram yasa or --data.hypnogram rk (memcell "
            "labels: --hypnogram)"
        )
    return _RK


def _length(
    path: Path,
    n: int,
    text: _Text,
    said: Epochs,
    duration: float,
    gaps: Sequence[tuple[float, float]],
) -> tuple[float, bool, list[str]]:
    """Return the length of an epoch, whether epochs leave out the gaps, and what to say of that."""
    epoch = said.seconds or text.seconds
    without = duration - sum(length for _, length in gaps)
    if not duration:
        epoch = epoch or USUAL
        return epoch, False, [f"{n} lines are read as epochs of {epoch:g} s"]
    if not epoch:
        epoch = USUAL
        rest = duration - n * epoch
        fitting = [e for e in _OTHERS if abs(n * e - duration) < e]
        fitting.sort(key=lambda e: abs(n * e - duration))
        if rest < -epoch or (rest > epoch and fitting and not _fits(n * epoch, without, epoch)):
            hint = f"--data.epoch {fitting[0]:g} would fit" if fitting else "--data.epoch SECONDS"
            raise DataError(
                f"{path}: {n} lines of {epoch:g} s last {_clock(n * epoch)}, and the recording "
                f"{_clock(duration)}: type how long a line is ({hint}; memcell labels: --epoch), or give "
                "the hypnogram of this recording"
            )
    remarks = [f"{n} lines are read as epochs of {epoch:g} s"]
    joined = (
        bool(gaps) and _fits(n * epoch, without, epoch) and not _fits(n * epoch, duration, epoch)
    )
    if joined:
        remarks.append(
            "they are as many as the signal without its gaps has, so they leave the gaps out"
        )
    elif duration - n * epoch > epoch:
        remarks.append(f"the hypnogram ends {_clock(duration - n * epoch)} before the recording")
    return epoch, joined, remarks


def _fits(seconds: float, duration: float, epoch: float) -> bool:
    return abs(seconds - duration) <= epoch


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
