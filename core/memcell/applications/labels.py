"""What ``memcell labels`` and ``memcell review`` ask of a data package.

A data set whose spec names ``labels`` converts label files, compares them and lets a person correct them. The
engine goes through what it returns and prints; it knows no format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from memcell.errors import UsageError
from memcell.plugins.registry import Registry


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """How label files are read, and where results go.

    Args:
        recordings: A recording, or a folder of those that the labels are of; empty looks beside the labels.
        epoch: Seconds of a line of a hypnogram; 0 takes what the file says.
        hypnogram: What the numbers of a hypnogram mean; ``"auto"`` where they are plain.
        overwrite: Files that are there are replaced.
    """

    recordings: str = ""
    epoch: float = 0.0
    hypnogram: str = "auto"
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class LabelsWritten:
    """One label file that was written, or why it was not.

    Args:
        source: What it was made of.
        called: What a person calls it, where that is not the name of the file.
        path: Where it is; None where nothing was written.
        labels: How many labels it holds.
        summary: What happened to it, in a few words.
        notes: What a person has to know of it, one line each.
        refused: Why nothing was written; empty where it was, or there was nothing to do.
        next: What to do with it, one line each.
    """

    source: Path
    called: str = ""
    path: Path | None = None
    labels: int = 0
    summary: str = ""
    notes: tuple[str, ...] = ()
    refused: str = ""
    next: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called on a screen."""
        return self.called or self.source.name


@dataclass(frozen=True, kw_only=True)
class AgreementRow:
    """How well two people agree on one class of one recording, or of all.

    Args:
        recording: Its name; empty for all together.
        label: The class; empty for all classes.
        hours: That both scored.
        agreement: Share of the steps on which they agree; nan where there is none.
        kappa: Cohen's kappa over steps.
        event_f1: F1 over events, matched one to one where they overlap; nan for all classes.
        event_kappa: Cohen's kappa over the stretches that either marks and the pauses between them.
        events: How many events each has, and how many match.
    """

    recording: str
    label: str
    hours: float
    agreement: float
    kappa: float
    event_f1: float
    event_kappa: float
    events: tuple[int, int, int]

    def facts(self) -> dict[str, Any]:
        """Return everything as plain values; what is not defined is None."""
        numbers = ("hours", "agreement", "kappa", "event_f1", "event_kappa")
        own = {name: value if (value := getattr(self, name)) == value else None for name in numbers}
        keys = ("events_a", "events_b", "events_matched")
        names = {"recording": self.recording or "all", "label": self.label or "all"}
        return {**names, **own, **dict(zip(keys, self.events, strict=True))}


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well two people agree.

    Args:
        rows: By recording and class, all together last.
        step: Seconds of a step.
        notes: What a person has to know of it.
        alone: Label files without a partner.
        failed: Why recordings could not be compared, that have two.
    """

    rows: tuple[AgreementRow, ...]
    step: float
    notes: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReviewRequest:
    """What to do with the events that were found.

    Args:
        found: The folder of a prediction, or the events of one recording.
        using: ``"mne"``, ``"edfbrowser"``, or ``"auto"`` for MNE's browser where it can open.
        back: Corrected files to read back; empty to open or write them out.
        out: The folder for corrected labels; empty for one beside the prediction.
        only: Names of recordings; empty for all.
        unchanged: Events that nobody changed count as reviewed too.
        options: How label files are read.
    """

    found: str
    using: str = "auto"
    back: str = ""
    out: str = ""
    only: tuple[str, ...] = ()
    unchanged: bool = False
    options: LabelOptions = field(default_factory=LabelOptions)


class LabelTool(Protocol):
    """Reads, writes and compares label files. Built without arguments from `memcell.DatasetSpec.labels`."""

    @property
    def formats(self) -> Mapping[str, str]:
        """What labels can be converted to, each with what it is."""

    def convert(
        self, typed: Sequence[str], to: str, out: str, options: LabelOptions
    ) -> Iterator[LabelsWritten]:
        """Write label files anew in another format, one after the other.

        Raises:
            UsageError: A path does not exist or holds no labels.
        """

    def compare(
        self, a: str, b: str, options: LabelOptions, step: float, background: str
    ) -> Agreement:
        """Hold the labels of two people against each other.

        Args:
            a: A label file or a folder of them.
            b: Likewise.
            options: How they are read.
            step: Seconds; 0 for the longest step on whose grid all labels lie.
            background: The class of time that nobody labelled; empty for none.

        Raises:
            UsageError: There is nothing to compare.
        """

    def review(self, request: ReviewRequest) -> Iterator[LabelsWritten]:
        """Let a person correct what was found, or read the corrections back.

        Raises:
            UsageError: There is nothing that was found, or no way to look at it.
        """


def find_label_tool(registry: Registry) -> LabelTool:
    """Return what reads and writes label files.

    Raises:
        UsageError: Nothing installed does.
        PluginError: It cannot be built; names the plugin.
    """
    for entry in registry.entries("dataset"):
        found: LabelTool | None = entry.build_label_tool()
        if found is not None:
            return found
    raise UsageError("no installed data set reads label files")
