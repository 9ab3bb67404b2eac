"""What a data set is to the engine: a card, a way to get it, and recordings that an app understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from memcell.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a person must know of a data set before using it.

    Args:
        name: The word typed after ``--data``.
        title: Its full name.
        source: Who publishes it and where (an address of the publisher, never of a mirror).
        licence: The licence, with how it is known.
        citation: What to cite.
        checksum: Checksum of the published files where the publisher gives one, else how the
            fetching library verifies them.
        simulated: Made by a program; a score on it is not a result about people.
    """

    name: str
    title: str
    source: str
    licence: str
    citation: str
    checksum: str = ""
    simulated: bool = False


class DataUnavailable(DataError):
    """A data set that cannot be fetched here; the message says how to hand over a local copy."""


class DataSet(Protocol):
    """A data set built from its config."""

    @property
    def card(self) -> Card:
        """What it is."""

    def get(self, folder: Path | None = None) -> Path:
        """Make the data set present on this machine and return its folder.

        Args:
            folder: Where to put it; None for the user's data folder.

        Raises:
            DataUnavailable: It cannot be fetched. Says what was wanted from where, and what to type
                when there is a local copy.
        """

    def recordings(self) -> Sequence[Any]:
        """Return its recordings, described and not yet read."""
