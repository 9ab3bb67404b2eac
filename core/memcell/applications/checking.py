"""What ``memcell data check`` finds in a file, and what a data package has to offer so that it can.

A data set whose spec names a ``checker`` says which files a path stands for and what each of them is. The
engine chooses the checker, goes through the files and prints; it knows no file format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from memcell import escape

Status = Literal["usable", "usable with remarks", "refused"]
#: How much a finding weighs, the worst first. "serious": scores will mean something else than they say.
#: "warning": look at it before you train. "note": good to know. "nothing": looked for and not found.
Severity = Literal["serious", "warning", "note", "nothing"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
#: The file of a run folder that has all findings, and its columns.
CHECKS = "checks.tsv"
CHECK_COLUMNS = ("severity", "check", "where", "finding", "what to do")
#: Lines that a screen shows before training.
MOST_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class DataFinding:
    """What a check found in several recordings together, or in what a run will make of them.

    Args:
        check: What was looked at, in a word or two.
        severity: How much it weighs.
        sentence: What was found, with the numbers.
        advice: What to do or to type; may be empty.
        where: The recordings or people that it concerns; empty for all.
    """

    check: str
    severity: Severity
    sentence: str
    advice: str = ""
    where: str = ""

    def __str__(self) -> str:
        if not self.advice:
            return self.sentence
        stop = "" if self.sentence.endswith("?") else "."
        return f"{self.sentence}{stop} {self.advice[0].upper()}{self.advice[1:]}"


def worst_first(findings: Sequence[DataFinding]) -> list[DataFinding]:
    """Return findings by severity; those of one severity stay in order."""
    return sorted(findings, key=lambda f: SEVERITIES.index(f.severity))


def checks_table(findings: Sequence[DataFinding]) -> str:
    """Return ``checks.tsv``: a line for each finding, the worst first."""
    rows = [
        (f.severity, f.check, f.where or "all", f.sentence, f.advice or "n/a")
        for f in worst_first(findings)
    ]
    return escape.table([CHECK_COLUMNS, *rows])


def checks_shown(findings: Sequence[DataFinding]) -> list[str]:
    """Return findings for the screen before training: the worst few, and how many there are beside."""
    counts = {s: sum(f.severity == s for f in findings) for s in SEVERITIES[:3]}
    findings_to_report = [f for f in worst_first(findings) if f.severity != "nothing"]
    if not findings_to_report:
        return [f"checks before training: nothing found ({CHECKS} in the run folder)"]
    listed = ", ".join(
        f"{n} {word}{'s' if n > 1 and word != 'serious' else ''}" for word, n in counts.items() if n
    )
    lines = [f"checks before training: {listed}; {CHECKS} in the run folder has all"]
    lines += [f"  {f.severity}: {f}" for f in findings_to_report[:MOST_SHOWN]]
    if len(findings_to_report) > MOST_SHOWN:
        lines.append(f"  ... {len(findings_to_report) - MOST_SHOWN} more")
    return lines


@dataclass(frozen=True, kw_only=True)
class CheckedChannel:
    """One channel of a file.

    Args:
        name: As the file has it, without padding.
        kind: ``"eeg"``, ``"eog"``, ``"emg"``, ``"ecg"`` or ``"misc"``.
        unit: As the file has it; empty where it has none.
        rate: Samples a second, Hz.
    """

    name: str
    kind: str
    unit: str
    rate: float


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """What one file is, what is wrong with it, and whether it can be used.

    Nothing of what a header says about the person is in it.

    Args:
        path: The file.
        format: What it is, in a word or two; empty where nobody can tell.
        channels: In the order of the file.
        seconds: From the first sample to the last, gaps included; None where that is not known.
        gaps: Onset and length of each interruption, seconds; a length of 0 is a break whose length the
            file does not tell.
        annotations: How many there are of each description.
        findings: What is wrong or odd, one line each, with its consequence.
        refused: Why it cannot be used; empty where it can.
        samples_read: Whether the samples were looked at too.
        compared: What a checker keeps of the file to hold it against others (`Comparing`); not in `facts`.
    """

    path: Path
    format: str = ""
    channels: tuple[CheckedChannel, ...] = ()
    seconds: float | None = None
    gaps: tuple[tuple[float, float], ...] = ()
    annotations: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    refused: str = ""
    samples_read: bool = False
    compared: Any = field(default=None, repr=False, compare=False)

    @property
    def status(self) -> Status:
        """Whether it can be used."""
        if self.refused:
            return "refused"
        return "usable with remarks" if self.findings else "usable"

    def facts(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {
            "path": str(self.path),
            "status": self.status,
            "refused": self.refused,
            "format": self.format,
            "seconds": self.seconds,
            "channels": [vars(c) for c in self.channels],
            "gaps": [list(gap) for gap in self.gaps],
            "annotations": dict(self.annotations),
            "findings": list(self.findings),
            "samples_read": self.samples_read,
        }


class Checker(Protocol):
    """Looks into files. Built without arguments from what `memcell.DatasetSpec.checker` names."""

    def files(self, typed: str) -> Sequence[Path]:
        """Return the files that a path stands for.

        Args:
            typed: A file, a folder or a glob, as a person typed it.

        Raises:
            UsageError: There is nothing, or nothing to look into; says what was looked for.
        """

    def check(
        self,
        path: Path,
        *,
        samples: bool,
        channels: Sequence[str] = (),
        unit: str = "",
        labels: str = "",
    ) -> FileReport:
        """Look into one file; whatever is wrong with it comes back as a report.

        Args:
            path: One of `files`.
            samples: Read the samples too, not only the headers.
            channels: Look at these only; one that is not there or cannot be used refuses the file. Empty
                looks at all, and a channel that cannot be used is a finding while others can.
            unit: Of channels that do not name their own; handed over only where it was typed.
            labels: A label file, or a folder of label files; handed over only where it was typed.
        """


@runtime_checkable
class Comparing(Protocol):
    """A checker that finds what only several files together show; it is optional."""

    def compare(self, reports: Sequence[FileReport]) -> Sequence[DataFinding]:
        """Return what differs between files that can be used.

        Args:
            reports: Of `Checker.check`, of this checker alone.
        """
