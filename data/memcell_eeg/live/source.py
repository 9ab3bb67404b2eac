"""The interface of a source of live samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memcell_eeg.live.channels import LiveChannels


@dataclass(frozen=True, kw_only=True)
class SampleChunk:
    """Samples that arrived together.

    Args:
        values: ``[C, n]`` uV, those of the model's channels that the source has, in the model's order, n at
            least 1; NaN if missing.
        stamps: ``[n]`` seconds, by the source's clock.
        arrived: Time of arrival of the last of them, seconds of `time.perf_counter`.
        begins: Whether the source knows that a segment begins with the first of them.
    """

    values: NDArray[np.float64]
    stamps: NDArray[np.float64]
    arrived: float
    begins: bool = False


@dataclass(frozen=True, kw_only=True)
class Silent:
    """Report of a silent source, which is waited for.

    Args:
        why: The reason, for the terminal.
    """

    why: str


class LiveSource(Protocol):
    """A source of live samples."""

    @property
    def name(self) -> str:
        """Name of the results, valid as a file name."""

    @property
    def rate(self) -> float:
        """Sampling rate, Hz."""

    @property
    def zero(self) -> float:
        """Time of the source's clock that onsets count from, s; known from the first chunk on."""

    @property
    def described(self) -> str:
        """Description of the source in one line."""

    @property
    def channels(self) -> LiveChannels:
        """Which of the model's channels it has: the rows of its samples."""

    @property
    def trusted(self) -> bool:
        """Whether units and amplitudes are already checked, as those of a recording are."""

    def items(self, stop: Callable[[], bool]) -> Iterator[SampleChunk | Silent | None]:
        """Yield chunks as they arrive, and None at least twice a second meanwhile, until the end or ``stop``.

        Raises:
            DataError: The source cannot be used, or has changed since it was opened.
        """

    def close(self) -> None:
        """Release the source."""
