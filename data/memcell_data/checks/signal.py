"""The check of one recording: its header, its labels and, where asked, the samples of every channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memcell.applications.checking import CheckedChannel, FileReport
from memcell.errors import DataError
from memcell_data import channel_lookup as lookup
from memcell_data import channels as names_of
from memcell_data.checks.alignment import LabelCover
from memcell_data.checks.labels import labels_of
from memcell_data.checks.samples import look_at
from memcell_data.checks.summary import SignalSummary
from memcell_data.formats.edf.reading import EdfFile
from memcell_data.formats.reader import SignalFile, marked_bad, signal_file
from memcell_data.recording import Channel
from memcell_data.tables.bids import described

VOLTAGES = ("eeg", "eog", "emg", "ecg")
SHORT = 300.0
SLOW = 80.0


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What is kept of a recording to hold it against others.

    Args:
        summary: Of its EEG channels; None where samples were not read or cannot be used.
        cover: Where its labels lie; None where it has none.
    """

    summary: SignalSummary | None
    cover: LabelCover | None


def plain(path: Path, line: str) -> str:
    """Return a line without the file's name before it: the report has it already."""
    for before in (f"{path}: ", f"{path.name}: ", f"{path} ", f"{path.name} "):
        line = line.removeprefix(before)
    return " ".join(line.split())


def report_of(
    path: Path,
    *,
    samples: bool,
    requested: Sequence[str] = (),
    unit: str = "",
    labels: str = "",
) -> FileReport:
    """Return the report of a recording.

    Args:
        path: The file.
        samples: Read the samples too.
        requested: The channels that matter; empty for all that are voltages of a body.
        unit: Of EDF channels whose own is blank or unknown.
        labels: A label file, or a folder of label files; empty looks beside the recording.

    Raises:
        DataError: It cannot be used at all; names the file and the reason.
    """
    file = signal_file(path, unit=unit)
    channels, table = file.channels(), described(path)
    if table is not None:
        channels = table.apply(channels)
    problems = {name: plain(path, why) for name, why in file.problems().items()}
    chosen, missing, measured = _chosen(path, channels, requested)
    bad = {c.name: problems[c.name] for c in chosen if c.name in problems}
    messages = [*(plain(path, line) for line in file.remarks()), *measured]
    if isinstance(file, EdfFile):
        messages += file.doubles()
    marked = marked_bad(path, file.channels(), [c.name for c in chosen])
    messages += [plain(path, line) for line in marked]
    gaps = file.gaps()
    summary: SignalSummary | None = None
    if samples:
        good = [c for c in chosen if c.name not in bad]
        seen = look_at(file, good)
        # the rate that most channels have
        summary = max(seen.summaries, key=lambda s: len(s.channels), default=None)
        bad |= {name: plain(path, why) for name, why in seen.refused.items()}
        messages += [plain(path, line) for line in seen.remarks]
        if (
            good
            and not seen.refused
            and len({c.rate for c in good}) == 1
            and (requested or len(good) == 1)
        ):
            gaps = tuple(
                seen.gaps
            )  # what is flat, saturated or missing too: all of them are used together
    seen_labels = labels_of(path, file, labels)
    usable = [c for c in chosen if c.name not in bad]
    findings = [*messages, *bad.values(), *_of_header(file, gaps, usable), *seen_labels.findings]
    return FileReport(
        path=path,
        format=file.format(),
        channels=tuple(
            CheckedChannel(name=c.name, kind=c.kind, unit=c.unit, rate=c.rate) for c in channels
        ),
        seconds=file.duration(),
        gaps=gaps,
        annotations=Counter(seen_labels.descriptions),
        findings=tuple(dict.fromkeys(findings)),
        refused=_refused(requested, missing, chosen, bad),
        samples_read=samples,
        compared=Compared(summary=summary, cover=seen_labels.cover),
    )


def _chosen(
    path: Path, channels: Sequence[Channel], requested: Sequence[str]
) -> tuple[list[Channel], str, list[str]]:
    """Return the channels that matter, what is wrong with the names that were asked for, and what is odd."""
    if not requested:
        return [c for c in channels if c.kind in VOLTAGES], "", []
    names = [c.name for c in channels]
    found: list[Channel] = []
    measured: list[str] = []
    for word in requested:
        if word.lower() in VOLTAGES:
            found += [c for c in channels if c.kind == word.lower()]
            continue
        try:
            channel = channels[lookup.find(word, names, str(path))]
        except DataError as error:
            return found, plain(path, str(error)), measured
        found.append(channel)
        if line := names_of.taken(word, channel.name):
            measured.append(f"channel {line}: not the same reference")
    return list(dict.fromkeys(found)), "", measured


def _refused(
    requested: Sequence[str], missing: str, chosen: Sequence[Channel], bad: dict[str, str]
) -> str:
    """Return why the file cannot be used, or nothing where it can."""
    if missing:
        return missing
    if not chosen:
        return "has no EEG, EOG, EMG or ECG channel"
    if requested and bad:
        return next(iter(bad.values()))
    if len(bad) == len({c.name for c in chosen}):
        rest = f" (and {len(bad) - 1} more channels)" if len(bad) > 1 else ""
        return f"no channel can be used: {next(iter(bad.values()))}{rest}"
    return ""


def _of_header(
    file: SignalFile, gaps: Sequence[tuple[float, float]], usable: Sequence[Channel]
) -> list[str]:
    lines = []
    if gaps:
        known = sum(seconds for _, seconds in gaps)
        lost = f" of {known:g} s in all" if known else ""
        lines.append(
            f"{len(gaps)} gap{'s' if len(gaps) > 1 else ''}{lost}, the first at {gaps[0][0]:g} s: memory "
            "restarts after each, and no event spans one"
        )
    rates = sorted({c.rate for c in usable})
    if len(rates) > 1:
        lines.append(
            f"channels have different rates ({', '.join(f'{r:g}' for r in rates)} Hz): choose channels of "
            "one rate"
        )
    eeg = [c for c in usable if c.kind == "eeg"]
    if usable and not eeg:
        lines.append("no EEG channel can be used: choose others by name with --channels")
    if eeg and max(c.rate for c in eeg) < SLOW:
        rate = max(c.rate for c in eeg)
        lines.append(f"EEG at {rate:g} Hz contains no frequency above {rate / 2:g} Hz")
    if file.duration() < SHORT:
        lines.append(
            f"lasts {file.duration():.3g} s: little to remember; the scale of --normalization causal would "
            f"need about {SHORT:g} s to settle"
        )
    return lines
