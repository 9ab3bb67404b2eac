"""Polyphase resampling, causal with carried state or zero-phase.

``y[m] = sum_k h[k] u[m*down - k]`` where ``u`` is ``x`` with ``up - 1`` zeros between its samples and
``h`` a linear-phase low-pass (Kaiser 5, 20 max(up, down) + 1 taps, as ``scipy.signal.resample_poly``).
In the causal form ``y[m]`` needs no sample later than its own time and the signal comes out `delay`
seconds late; the zero-phase form takes that delay away by looking as far ahead.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from memcell_data.native.library import address, functions


def ratio(source: float, target: float) -> tuple[int, int]:
    """Return (up, down) with ``source * up / down == target``.

    >>> ratio(128, 100)
    (25, 32)
    """
    exact = (Fraction(target).limit_denominator(1000)) / (Fraction(source).limit_denominator(1000))
    return exact.numerator, exact.denominator


def taps(up: int, down: int) -> NDArray[np.float64]:
    """Return the low-pass ``[20 max(up, down) + 1]`` at ``up`` times the source's rate.

    Each of its ``up`` polyphase branches sums to 1, so that a constant stays exactly constant: without
    it an electrode's offset of 4000 uV leaves a ripple of .4 uV in the pass-band.
    """
    return _designed(up, down).copy()


@lru_cache(maxsize=64)
def _designed(up: int, down: int) -> NDArray[np.float64]:
    wide = max(up, down)
    low_pass = signal.firwin(20 * wide + 1, 1 / wide, window=("kaiser", 5.0))
    for branch in range(up):
        low_pass[branch::up] /= low_pass[branch::up].sum()
    return np.asarray(low_pass, dtype=np.float64)


def delay(source: float, target: float) -> float:
    """Return the delay of the causal form in seconds; 0 if the rate does not change."""
    up, down = ratio(source, target)
    return 0.0 if up == down else 10 * max(up, down) / (source * up)


class CausalResampler:
    """A causal resampler for a segment in chunks; the chunks do not affect the result.

    Output m stands at ``m / target`` seconds, input n at ``n / source``, both from the segment's
    start. Before the segment the first sample is taken to have stood for ever.

    Args:
        source: Rate of the input, Hz.
        target: Rate of the output, Hz.
    """

    def __init__(self, source: float, target: float) -> None:
        self.up, self.down = ratio(source, target)
        self._taps = np.ones(1) if self.up == self.down else taps(self.up, self.down)
        # Of each phase its taps, the latest sample's last.
        wide = -(-len(self._taps) // self.up)
        padded = np.zeros(wide * self.up)
        padded[: len(self._taps)] = self._taps
        self._phases = np.ascontiguousarray(padded.reshape(wide, self.up).T[:, ::-1])
        self._past: NDArray[np.float64] | None = None
        # Samples before the first new one that an output may need, in whole turns of the polyphase
        # pattern, so that every chunk starts at the same phase.
        needed = -(-len(self._taps) // self.up)
        self._history = -(-needed // self.down) * self.down

    def push(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the outputs ``[C, m]`` that the next inputs ``[C, n]`` complete."""
        if self.up == self.down or values.shape[1] == 0:
            return values
        if self._past is None:
            self._past = np.repeat(values[:, :1], self._history, axis=1)
        joined = np.concatenate([self._past, values], axis=1)
        # `joined` starts at a multiple of `down` inputs, so output 0 of it is an output of the whole;
        # those that were complete before, or still lean on what lies before `joined`, are cut off.
        done = self._outputs(self._past.shape[1])
        ready = self._outputs(joined.shape[1])
        out = self._resampled(joined, done, ready)
        drop = (joined.shape[1] - self._history) // self.down * self.down
        self._past = joined[:, drop:].copy()
        return out

    def _resampled(self, joined: NDArray[np.float64], done: int, ready: int) -> NDArray[np.float64]:
        """Return outputs ``done`` to ``ready - 1`` of samples that begin `_history` before the first."""
        native = functions()
        if native is None:
            whole = signal.upfirdn(self._taps, joined, self.up, self.down, axis=1)
            return np.asarray(whole[:, done:ready], dtype=np.float64)
        channels, length = joined.shape
        out = np.empty((channels, ready - done))
        work = np.empty(length + self.down)
        taps_of = (address(self._phases), self._phases.shape[1])
        native.resample(
            address(joined),
            channels,
            length,
            self.up,
            self.down,
            *taps_of,
            done,
            ready - done,
            address(work),
            address(out),
        )
        return out

    def _outputs(self, inputs: int) -> int:
        """Return the number of outputs that are complete before the next input."""
        return -(-inputs * self.up // self.down)


def zero_phase(values: NDArray[np.float64], source: float, target: float) -> NDArray[np.float64]:
    """Return ``[C, m]`` at the target rate: no delay, but it uses `delay` seconds of future samples."""
    up, down = ratio(source, target)
    if up == down:
        return values
    # resample_poly multiplies the taps that it is handed by `up`.
    out = signal.resample_poly(values, up, down, axis=1, window=taps(up, down) / up, padtype="line")
    return np.asarray(out, dtype=np.float64)
