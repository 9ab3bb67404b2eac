"""Fourier transforms of many windows at once, in C, with the bits of scipy's."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from memcell_data.native.library import address

#: Of single precision.
_BYTES = 4


class Transform:
    """What `powers` of one length needs beside the windows.

    Args:
        native: The functions of `memcell_data.native.library.functions`.
        length: Numbers that are transformed, windows being followed by zeros.
        factors: Of the length, in the order of the passes.
    """

    def __init__(self, native: Any, length: int, factors: list[int]) -> None:
        self._native, self.length = native, length
        self._plan = np.array([len(factors), *factors], dtype=np.int64)
        parts, m = [np.empty(0)], 1
        for factor in factors:
            turns = np.outer(np.arange(1, factor), np.arange(1, (m - 1) // 2 + 1))
            angles = turns * (2 * np.pi * (length // (m * factor)) / length)
            part = np.zeros((factor - 1, m - 1))
            part[:, : 2 * angles.shape[1] : 2] = np.cos(angles)
            part[:, 1 : 2 * angles.shape[1] : 2] = np.sin(angles)
            parts.append(part.ravel())
            m *= factor
        self._twiddles = np.concatenate(parts).astype(np.float32)

    def powers(
        self,
        samples: NDArray[np.float32],
        taper: NDArray[np.float32],
        starts: NDArray[np.int64],
        stop: int,
    ) -> NDArray[np.float32]:
        """Return sums of the squares of spectra over bands, ``[k, C, n_bands]``.

        Args:
            samples: ``[k, C, w]``, a step of the last axis being one number; windows may overlap in memory.
            taper: ``[w]``.
            starts: Where each band begins among the real and imaginary parts, side by side.
            stop: Where the last one ends.
        """
        k, channels, width = samples.shape
        row, channel, one = (stride // _BYTES for stride in samples.strides)
        if one != 1 or row < 1 or width > self.length:
            samples = np.ascontiguousarray(samples)
            row, channel, _ = (stride // _BYTES for stride in samples.strides)
        hop = max(1, min(row, width))
        # of the call, since a transform is shared by threads
        work = np.empty(
            32 * (self.length + 2) + 16 + hop * (16 + (width - 1) // hop), dtype=np.float32
        )
        out = np.empty((k, channels, len(starts)), dtype=np.float32)
        starts = np.ascontiguousarray(starts, dtype=np.int64)
        self._native.powers(
            int(samples.__array_interface__["data"][0]),
            *(k, max(1, row), channels, channel, width),
            *(address(taper), self.length, address(self._plan), address(self._twiddles)),
            *(address(starts), len(starts), stop, address(work), address(out)),
        )
        return out


@lru_cache(maxsize=64)
def transform(native: Any, length: int) -> Transform | None:
    """Return the transform of a length; None where it is not made of 2, 3 and 5, or scipy's bits are others.

    Args:
        native: The functions of `memcell_data.native.library.functions`.
        length: At least 2.
    """
    factors: list[int] = []
    rest = length
    for factor in (4, 2, 3, 5):
        while rest % factor == 0:
            # a single 2 is scipy's last pass
            factors.insert(0 if factor == 2 else len(factors), factor)
            rest //= factor
    if rest != 1 or length < 2:
        return None
    found = Transform(native, length, factors[::-1])
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 1, length), dtype=np.float32)
    parts = np.ascontiguousarray(fft.rfft(x, axis=2)).view(np.float32)
    starts = np.arange(parts.shape[2])
    ones = np.ones(length, dtype=np.float32)
    same = np.array_equal(found.powers(x, ones, starts, len(starts)), parts * parts)
    return found if same else None
