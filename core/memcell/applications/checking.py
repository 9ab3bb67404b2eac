"""What ``memcell data check`` finds in a file, and what a data package has to offer so that it can.

A data set whose spec names a ``checker`` says which files a path stands for and what each of them is. The
engine chooses the checker, goes through the files and prints; it knows no file format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Status = Literal["usable", "usable with remarks", "refused"]


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
