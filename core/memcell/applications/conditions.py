"""What an app gives so that a trained network is scored on test recordings under other conditions too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from memcell.applications.app import Probabilities, Row, Task
from memcell.sequences.time_series import TimeSeries


@dataclass(frozen=True, kw_only=True)
class Changed:
    """The test recordings under a condition.

    Args:
        sequences: Of those that can be used so, under their own names.
        refused: A line for each of the others, with the reason.
    """

    sequences: tuple[TimeSeries, ...]
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Something that may happen to a recording when a network is used.

    Args:
        name: ``"gain x 0.7"``.
        make: Reads the test recordings again, under it.
    """

    name: str
    make: Callable[[], Changed]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A baseline that is held beside the network under every condition.

    Args:
        row: Its row as recorded; under each condition it decides as there.
        model: Probabilities of a sequence.
    """

    row: Row
    model: Callable[[TimeSeries], Probabilities]


@runtime_checkable
class Disturbing(Protocol):
    """An app that can read its recordings as another device would have them; it is optional."""

    @property
    def compared(self) -> Sequence[str]:
        """The scores that are told under every condition, the main one first."""

    def why_undisturbed(self, task: Task) -> str:
        """Return why a run is not scored so of its own accord; empty where it is."""

    def conditions(self, task: Task) -> Sequence[Condition]:
        """Return the conditions for a task's test recordings; none where nothing can happen to them."""

    def peer(self, task: Task, rows: Sequence[Row]) -> Peer | None:
        """Return a strong baseline that is quickly made again, of those in a run's table; None for none."""
