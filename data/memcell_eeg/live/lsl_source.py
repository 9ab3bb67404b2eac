"""A stream of the lab streaming layer (LSL) as a live source, through mne-lsl.

Time stamps are those of the sender, mapped to this machine's clock (``clocksync``) and otherwise unchanged:
smoothing them (``dejitter``) would hide the gaps that `memcell_eeg.live.gaps` finds. A stream that stops is
searched again; one that returns, the same or a new one of the same name, begins a segment.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError, MemcellError
from memcell_data.channels import taken
from memcell_data.renaming import NOTHING, Renaming
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.live.channels import LiveChannels
from memcell_eeg.live.matching import Matched, match
from memcell_eeg.live.source import SampleChunk, Silent
from memcell_eeg.signal.absent import absent_lines
from memcell_eeg.signal.references import References

#: Longest wait for a sample before the stop request is checked, s.
_WAIT = 0.2
#: Duration of one search for a lost stream, s.
_LOOK = 0.5
#: Length of LSL's buffer, s.
_BUFFER = 60


class LSLSource:
    """Reads an LSL stream by its name.

    Args:
        name: The stream's.
        pipeline: The pipeline of the run.
        timeout: Seconds within which it has to be found.
        silence: Seconds without a sample after which the connection counts as lost.
        unit: Unit of channels that name none, from ``--unit``.
        stop: Whether the user asked to stop the search.
        say: Called with each warning about the stream.
        renaming: Other names for its channels.
        optional: Of a model that was trained to do without some of its channels; None for one that needs all.

    Raises:
        KeyboardInterrupt: The user asked to stop before it was found.
        MemcellError: The extra ``live`` is not installed.
        DataError: There is no such stream (the available ones are listed), there are several, or it
            lacks something that the model needs.
    """

    trusted = False

    def __init__(
        self,
        name: str,
        pipeline: Pipeline,
        timeout: float,
        silence: float,
        unit: str = "",
        stop: Callable[[], bool] = bool,
        say: Callable[[str], object] = str,
        renaming: Renaming = NOTHING,
        optional: References | None = None,
    ) -> None:
        if find_spec("mne_lsl") is None:
            raise MemcellError("streams need mne-lsl: pip install 'memcell-rnn[live]'")
        self._stream_name, self._pipeline, self._unit = name, pipeline, unit
        self._silence, self._renaming, self._optional = silence, renaming, optional
        self.zero = 0.0
        self.name = re.sub(r"[^\w.-]+", "_", name) or "stream"
        self._say = say
        self._inlet: Any = None
        self._uid = ""
        self._stamp: float | None = None  # the last one
        self._unstamped = False
        found, until = find_streams(name, _LOOK), time.perf_counter() + timeout
        while not found and time.perf_counter() < until:
            if stop():
                raise KeyboardInterrupt
            found = find_streams(name, _LOOK)
        if not found:
            raise DataError(
                f"no stream '{name}' was found in {timeout:g} s. {_listed()} Check the name and that the "
                "sender runs, or type a longer --timeout."
            )
        # the search ends with the first stream that answers
        try:
            self._open(find_streams(name, _LOOK, 2) or found)
        except (TimeoutError, RuntimeError) as error:
            raise DataError(f"stream '{name}' was found but does not answer: {error}") from error

    def _open(self, found: list[Any]) -> None:
        """Connect, and check that the stream has what the model needs."""
        from mne_lsl.lsl import StreamInlet

        if len(found) > 1:
            hosts = ", ".join(f"{s.stype or 'no type'} from {s.hostname}" for s in found)
            raise DataError(
                f"there are {len(found)} streams '{self._stream_name}' ({hosts}); stop all but one."
            )
        inlet = StreamInlet(
            found[0], max_buffered=_BUFFER, recover=False, processing_flags=["clocksync"]
        )
        inlet.open_stream(timeout=10)
        info = inlet.get_sinfo(timeout=10)
        if info.dtype == "string":
            raise DataError(f"stream '{self._stream_name}' contains text, not a signal.")
        before = getattr(self, "rate", None)
        matched = match(
            self._stream_name,
            float(info.sfreq),
            info.get_channel_names(),
            info.get_channel_units(),
            self._pipeline,
            self._unit,
            self._renaming,
            self._optional,
        )
        if before is not None and matched.left_out != self.matched.left_out:
            raise DataError(
                f"stream '{self._stream_name}' came back with the channels "
                f"{', '.join(matched.names)} instead of {', '.join(self.matched.names)}."
            )
        self.matched: Matched = matched
        if before is not None and before != float(info.sfreq):
            raise DataError(
                f"stream '{self._stream_name}' came back with {info.sfreq:g} Hz instead of {before:g} Hz."
            )
        self.rate = float(info.sfreq)
        self.described = (
            f"stream '{self._stream_name}', {self.rate:g} Hz, "
            f"channels {', '.join(self.matched.names)}"
        )
        self._inlet, self._uid = inlet, info.uid
        needed = [c for c in self._pipeline.channels if c not in matched.left_out]
        for requested, name in zip(needed, self.matched.names, strict=True):
            if line := taken(requested, name):
                self._say(f"note: channel {line}: not the same reference")

    @property
    def channels(self) -> LiveChannels:
        """Which of the model's channels it has."""
        found = self.matched
        lines = absent_lines(found.left_out)
        return LiveChannels.of(self._pipeline.channels, found.names, found.left_out, lines)

    def items(self, stop: Callable[[], bool]) -> Iterator[SampleChunk | Silent | None]:
        """Yield the stream's samples as they arrive, until ``stop``."""
        last, lost, first = time.perf_counter(), False, True
        reported = ""
        while not stop():
            chunk = self._pulled()
            if chunk is not None:
                if first:
                    self.zero, first = float(chunk.stamps[0]), False
                yield chunk if not lost else replace(chunk, begins=True)
                last, lost, reported = chunk.arrived, False, ""
                continue
            if time.perf_counter() - last >= self._silence:
                if not lost:
                    yield Silent(
                        why=f"nothing from stream '{self._stream_name}' for {self._silence:g} s"
                    )
                lost = True
                problem = self._look_again()
                if problem and problem != reported:
                    yield Silent(why=problem)
                reported = problem or reported
            yield None

    def _pulled(self) -> SampleChunk | None:
        """Return the available samples, after a short wait for the first one."""
        if self._inlet is None:
            return None
        try:
            # wait for the first sample, then take all others that arrived: no polling delay
            one, at = self._inlet.pull_chunk(timeout=_WAIT, max_samples=1)
            if len(at) == 0:
                return None
            more, stamps = self._inlet.pull_chunk(timeout=0, max_samples=1 << 14)
        except RuntimeError:
            self._let_go()  # the sender has disconnected
            return None
        arrived = time.perf_counter()
        rows = np.concatenate([one, more]) if len(stamps) else one
        values = rows[:, self.matched.rows].T.astype(np.float64) * self.matched.microvolts[:, None]
        stamps = self._stamped(np.concatenate([at, stamps]))
        return SampleChunk(values=values, stamps=stamps, arrived=arrived)

    def _stamped(self, stamps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return stamps in which non-finite ones are replaced by the one before plus a sample's duration."""
        bad = np.flatnonzero(~np.isfinite(stamps))
        if len(bad):
            stamps = stamps.copy()
            for i in bad:
                before = stamps[i - 1] if i else self._stamp
                stamps[i] = _now() if before is None else before + 1 / self.rate
            if not self._unstamped:
                self._unstamped = True
                self._say(
                    f"note: stream '{self._stream_name}' sends samples without a time stamp; samples "
                    "lost there cannot be detected"
                )
        self._stamp = float(stamps[-1])
        return stamps

    def _look_again(self) -> str:
        """Connect to a new stream of the same name, if there is one.

        Returns:
            Why it cannot be used, if it lacks something that the model needs; the search then continues.
        """
        found = find_streams(self._stream_name, _LOOK)
        if not found or found[0].uid == self._uid:
            return ""
        self._let_go()
        try:
            self._open(find_streams(self._stream_name, _LOOK, 2) or found)
        except DataError as error:
            self._let_go()
            return str(error)
        except (TimeoutError, RuntimeError):
            self._let_go()  # lost again: the search continues
        return ""

    def _let_go(self) -> None:
        if self._inlet is not None:
            self._inlet.close_stream()
        self._inlet, self._uid = None, ""

    def close(self) -> None:
        """Disconnect."""
        self._let_go()


def find_streams(name: str, timeout: float, minimum: int = 1) -> list[Any]:
    """Return what is known of the streams of a name; the search ends with the first ``minimum`` of them."""
    from mne_lsl.lsl import resolve_streams

    if "'" in name:  # a quote would end LSL's query
        return [s for s in resolve_streams(timeout=timeout) if s.name == name]
    return list(resolve_streams(timeout=timeout, name=name, minimum=minimum))


def _now() -> float:
    """Return the clock of LSL on this machine, s."""
    from mne_lsl.lsl import local_clock

    return float(local_clock())


def _listed() -> str:
    from mne_lsl.lsl import resolve_streams

    found = sorted(
        {
            f"'{s.name}' ({s.n_channels} channels, {s.sfreq:g} Hz)"
            for s in resolve_streams(timeout=1)
        }
    )
    return f"There are: {', '.join(found)}." if found else "There are no streams."
