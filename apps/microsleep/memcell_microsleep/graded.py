"""The labels of all recordings, read once and before any signal: what is wrong with them shows first."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as ListOf
from dataclasses import dataclass, replace

from memcell_data.recording import Labels, Recording
from memcell_microsleep.protocols import LabelProtocol, protocol_for


@dataclass(frozen=True, kw_only=True)
class Graded:
    """Recordings whose labels are at hand.

    Args:
        recordings: The same, their labels no longer read from files.
        protocol: What counts as which class in all of them.
        notes: What must be said about the choice of the protocol.
    """

    recordings: tuple[Recording, ...]
    protocol: LabelProtocol
    notes: tuple[str, ...]


def read_labels(recordings: ListOf[Recording], asked: str, warn: Callable[[str], object]) -> Graded:
    """Read the labels of all recordings and find the protocol for them.

    Args:
        recordings: All of a data set.
        asked: The option ``protocol``.
        warn: Told each line of what is odd about the labels.

    Raises:
        DataError: Labels cannot be read; names the file.
    """
    found = [r.labels() for r in recordings]
    there = [labels for labels in found if labels is not None]
    for labels in there:
        for line in labels.warnings:
            warn(line)
    protocol, said = protocol_for(asked, there)
    kept = (replace(r, labels=_Kept(f)) for r, f in zip(recordings, found, strict=True))
    return Graded(recordings=tuple(kept), protocol=protocol, notes=(said,) if said else ())


@dataclass(frozen=True)
class _Kept:
    labels: Labels | None

    def __call__(self) -> Labels | None:
        return self.labels
