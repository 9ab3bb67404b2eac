"""A stream of the lab streaming layer (LSL) as a live source, through mne-lsl.

Stamps are those of the sender, mapped to this machine's clock (``clocksync``) and otherwise as they are:
smoothing them (``dejitter``) would hide the gaps, which `memcell_eeg.live.gaps` finds. A stream that
falls silent is looked for again; one that comes back, as the same or as a new one of the same name, begins
a segment.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError, MemcellError
from memcell_data.channels import taken
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.live.matching import Matched, match
from memcell_eeg.live.source import SampleChunk, Silent

#: Longest wait for a sample before the person is asked whether to stop, s.
_WAIT = 0.2
#: How long a silent stream is looked for at a time, s.
_LOOK = 0.5
#: Samples kept while nobody reads, s.
_BUFFER = 60


class LSLSource:
    """Reads a stream by its name.

    Args:
        name: The stream's.
        pipeline: Of the run.
        timeout: Seconds in which it has to be found.
        silence: Seconds without a sample after which it is said to be lost.
        unit: The person's word for channels without a unit.
        stop: Whether the person asked to stop looking.
        say: Told what is odd about it.

    Raises:
        KeyboardInterrupt: The person asked to stop before it was found.
        MemcellError: The extra ``live`` is not installed.
        DataError: There is no such stream (those that there are, are listed), there are several, or it
            lacks what the model needs.
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
    ) -> None:
        if find_spec("mne_lsl") is None:
            raise MemcellError("streams need mne-lsl: pip install 'memcell-rnn[live]'")
        self._wanted, self._pipeline, self._unit = name, pipeline, unit
        self._silence = silence
        self.zero = 0.0
        self.name = re.sub(r"[^\w.-]+", "_", name) or "stream"
        self._say = say
        self._inlet: Any = None
        self._uid = ""
        self._stamp: float | None = None  # the last one
        self._unstamped = False
        found, until = _find(name, _LOOK), time.perf_counter() + timeout
        while not found and time.perf_counter() < until:
            if stop():
                raise KeyboardInterrupt
            found = _find(name, _LOOK)
        if not found:
            raise DataError(
                f"no stream '{name}' was found in {timeout:g} s. {_listed()} Check the name and that the "
                "sender runs, or type a longer --timeout."
            )
        # looking ends with the first one that answers
        try:
            self._open(_find(name, _LOOK, 2) or found)
        except (TimeoutError, RuntimeError) as error:
            raise DataError(f"stream '{name}' was found but does not answer: {error}") from error

    def _open(self, found: list[Any]) -> None:
        """Connect, and see whether the stream is what the model needs."""
        from mne_lsl.lsl import StreamInlet

        if len(found) > 1:
            hosts = ", ".join(f"{s.stype or 'no type'} from {s.hostname}" for s in found)
            raise DataError(
                f"there are {len(found)} streams '{self._wanted}' ({hosts}); end all but one."
            )
        inlet = StreamInlet(
            found[0], max_buffered=_BUFFER, recover=False, processing_flags=["clocksync"]
        )
        inlet.open_stream(timeout=10)
        info = inlet.get_sinfo(timeout=10)
        if info.dtype == "string":
            raise DataError(f"stream '{self._wanted}' holds text and no signal.")
        before = getattr(self, "rate", None)
        self.matched: Matched = match(
            self._wanted,
            float(info.sfreq),
            info.get_channel_names(),
            info.get_channel_units(),
            self._pipeline,
            self._unit,
        )
        if before is not None and before != float(info.sfreq):
            raise DataError(
                f"stream '{self._wanted}' came back with {info.sfreq:g} Hz instead of {before:g} Hz."
            )
        self.rate = float(info.sfreq)
        self.described = (
            f"stream '{self._wanted}', {self.rate:g} Hz, channels {', '.join(self.matched.names)}"
        )
        self._inlet, self._uid = inlet, info.uid
        for wanted, name in zip(self._pipeline.channels, self.matched.names, strict=True):
            if line := taken(wanted, name):
                self._say(f"note: channel {line}: not the same reference")

    def items(self, stop: Callable[[], bool]) -> Iterator[SampleChunk | Silent | None]:
        """Yield the stream's samples as they come, until ``stop``."""
        last, lost, first = time.perf_counter(), False, True
        said = ""
        while not stop():
            chunk = self._pulled()
            if chunk is not None:
                if first:
                    self.zero, first = float(chunk.stamps[0]), False
                yield chunk if not lost else SampleChunk(**{**vars(chunk), "begins": True})
                last, lost, said = chunk.arrived, False, ""
                continue
            if time.perf_counter() - last >= self._silence:
                if not lost:
                    yield Silent(
                        why=f"nothing from stream '{self._wanted}' for {self._silence:g} s"
                    )
                lost = True
                why = self._look_again()
                if why and why != said:
                    yield Silent(why=why)
                said = why or said
            yield None

    def _pulled(self) -> SampleChunk | None:
        """Return what is there, waiting a little for a first sample."""
        if self._inlet is None:
            return None
        try:
            # woken by the first sample, then all that came with it: no time is lost in looking
            one, at = self._inlet.pull_chunk(timeout=_WAIT, max_samples=1)
            if len(at) == 0:
                return None
            more, stamps = self._inlet.pull_chunk(timeout=0, max_samples=1 << 14)
        except RuntimeError:
            self._let_go()  # the other side is gone
            return None
        arrived = time.perf_counter()
        rows = np.concatenate([one, more]) if len(stamps) else one
        values = rows[:, self.matched.rows].T.astype(np.float64) * self.matched.microvolts[:, None]
        stamps = self._stamped(np.concatenate([at, stamps]))
        return SampleChunk(values=values, stamps=stamps, arrived=arrived)

    def _stamped(self, stamps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return stamps with those that are no numbers replaced by when they are due after the one before."""
        bad = np.flatnonzero(~np.isfinite(stamps))
        if len(bad):
            stamps = stamps.copy()
            for i in bad:
                before = stamps[i - 1] if i else self._stamp
                stamps[i] = _now() if before is None else before + 1 / self.rate
            if not self._unstamped:
                self._unstamped = True
                self._say(
                    f"note: stream '{self._wanted}' sends samples without a time stamp; lost samples "
                    "cannot be seen there"
                )
        self._stamp = float(stamps[-1])
        return stamps

    def _look_again(self) -> str:
        """Take the stream of this name that is there now, where it is another one than before.

        Returns:
            Why it cannot be taken, where it is not what the model needs; it is waited for one that is.
        """
        found = _find(self._wanted, _LOOK)
        if not found or found[0].uid == self._uid:
            return ""
        self._let_go()
        try:
            self._open(_find(self._wanted, _LOOK, 2) or found)
        except DataError as error:
            self._let_go()
            return str(error)
        except (TimeoutError, RuntimeError):
            self._let_go()  # it went again: it is looked for until somebody stops
        return ""

    def _let_go(self) -> None:
        if self._inlet is not None:
            self._inlet.close_stream()
        self._inlet, self._uid = None, ""

    def close(self) -> None:
        """Disconnect."""
        self._let_go()


def _find(name: str, timeout: float, minimum: int = 1) -> list[Any]:
    from mne_lsl.lsl import resolve_streams

    if "'" in name:  # it would end the query that LSL makes of it
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
    return f"There are: {', '.join(found)}." if found else "There is none at all."
