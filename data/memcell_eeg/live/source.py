"""What a source of live samples gives, whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class SampleChunk:
    """Samples that came together.

    Args:
        values: ``[C, n]`` uV, the model's channels in its order, n at least 1; NaN where one is missing.
        stamps: ``[n]`` seconds, by the source's clock.
        arrived: When the last of them was there, seconds of `time.perf_counter`.
        begins: The source knows that the first of them begins a segment.
    """

    values: NDArray[np.float64]
    stamps: NDArray[np.float64]
    arrived: float
    begins: bool = False


@dataclass(frozen=True, kw_only=True)
class Silent:
    """Nothing comes; it is waited for.

    Args:
        why: In words.
    """

    why: str


class LiveSource(Protocol):
    """Samples as they come."""

    @property
    def name(self) -> str:
        """What results are called; fit for a file's name."""

    @property
    def rate(self) -> float:
        """Samples a second, Hz."""

    @property
    def zero(self) -> float:
        """Reading of the source's clock that results count from, s; known from the first chunk on."""

    @property
    def described(self) -> str:
        """What it is, in a line."""

    @property
    def trusted(self) -> bool:
        """Whether who reads it has checked units and amplitudes already."""

    def items(self, stop: Callable[[], bool]) -> Iterator[SampleChunk | Silent | None]:
        """Yield what comes, and None at least twice a second while nothing does, until the end or ``stop``.

        Raises:
            DataError: The source cannot be used, or has changed since it was opened.
        """

    def close(self) -> None:
        """Let go of it."""
