"""The labels of all recordings, read before any signal so that errors in them show first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from memcell.errors import DataError
from memcell_data.recording import Labels, Recording
from memcell_eeg.left_out import LABEL, LABELS, LeftOut
from memcell_eeg.targets.labels import check_marks
from memcell_eeg.targets.protocols import LabelProtocol, Protocols


@dataclass(frozen=True, kw_only=True)
class ResolvedLabels:
    """Recordings whose labels have been read.

    Args:
        recordings: Those whose labels can be used, and those without any; labels no longer read from files.
        protocol: What counts as which class in all of them.
        notes: Notes on the choice of the protocol.
        warnings: What is odd about the labels, one line each.
    """

    recordings: tuple[Recording, ...]
    protocol: LabelProtocol
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def read_labels(
    recordings: Sequence[Recording],
    requested: str,
    protocols: Protocols,
    left_out: LeftOut | None = None,
) -> ResolvedLabels:
    """Read the labels of all recordings and find the protocol for them.

    Args:
        recordings: All of a data set.
        requested: The option ``protocol``.
        protocols: What it chooses from.
        left_out: Takes recordings whose labels cannot be used, and labels that cannot.

    Raises:
        DataError: No labels of any recording can be used, or one's cannot and nothing may be left out; names
            the file.
    """
    left_out = left_out or LeftOut()
    warnings: list[str] = []
    found: list[tuple[Recording, Labels | None]] = []
    for recording in recordings:
        try:
            found.append((recording, recording.labels()))
        except DataError as error:
            left_out.add(recording, LABELS, str(error))
    protocol, message = protocols.choose(
        requested, [labels for _, labels in found if labels is not None]
    )
    kept: list[Recording] = []
    labelled: list[Recording] = []
    for recording, labels in found:
        if labels is not None:
            try:
                check_marks(protocol.apply(labels), f"recording '{recording.name}'")
            except DataError as error:
                left_out.add(recording, LABELS, str(error))
                continue
            warnings += labels.warnings
            for line in labels.left_out:
                left_out.add(recording, LABEL, line)
            labelled.append(recording)
        kept.append(replace(recording, labels=_Kept(labels)))
    left_out.refuse_if_nothing_is_left(labelled)
    return ResolvedLabels(
        recordings=tuple(kept),
        protocol=protocol,
        notes=(message,) if message else (),
        warnings=tuple(warnings),
    )


@dataclass(frozen=True)
class _Kept:
    labels: Labels | None

    def __call__(self) -> Labels | None:
        return self.labels
