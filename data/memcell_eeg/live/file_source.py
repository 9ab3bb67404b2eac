"""A recording as a live source: played at any speed, through the same code as a stream."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from memcell.errors import DataError, UsageError
from memcell_data.channel_lookup import MissingChannel
from memcell_data.formats.reader import stem
from memcell_data.recording import Recording
from memcell_data.renaming import NOTHING, Renaming
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.live.channels import LiveChannels
from memcell_eeg.live.source import SampleChunk, Silent
from memcell_eeg.prediction.sources import RecordingFile
from memcell_eeg.signal.absent import absent_of, check_enough, with_absent
from memcell_eeg.signal.channels import (
    how_to_rename,
    locate,
    native_rate,
    otherwise_measured,
    trained_on,
)
from memcell_eeg.signal.checks import SignalCheck
from memcell_eeg.signal.clean import located
from memcell_eeg.signal.references import References
from memcell_eeg.signal.unit import Unit

#: Longest sleep between two looks at whether to stop, s.
_NAP = 0.2


class FileSource:
    """Plays a recording.

    A gap in the recording takes no time: the samples after it come next, with later time stamps. Only the
    channels of the model are read, block by block.

    Args:
        path: The file.
        pipeline: The pipeline of the run.
        speed: Multiple of real time; infinite for as fast as possible.
        chunk: Seconds handed over at once.
        say: Called with each warning about the recording.
        unit: Unit of EDF channels that name none or an unknown one.
        renaming: Other names for its channels.
        optional: Of a model that was trained to do without some of its channels; None for one that needs all.
        cut: Instead of ``chunk``: returns the number of samples of the next chunk (tests cut at random).

    Raises:
        DataError: It is no recording, lacks a channel, or has a lower rate than the pipeline.
    """

    trusted = True
    zero = 0.0

    def __init__(
        self,
        path: Path,
        pipeline: Pipeline,
        speed: float,
        chunk: float,
        say: Callable[[str], object] = str,
        cut: Callable[[], int] | None = None,
        unit: Unit | None = None,
        renaming: Renaming = NOTHING,
        optional: References | None = None,
    ) -> None:
        if not path.is_symlink() and not path.exists():
            raise DataError(f"'{path}' does not exist; type --file with the path of a recording.")
        unit = unit or Unit()
        self._recording = renaming.recording(
            RecordingFile(path=path, name=stem(path)).open(unit.name)
        )
        if self._recording.features is not None:
            raise UsageError(f"'{path}' has precomputed features and no signal to stream.")
        where, wanted = f"recording '{self._recording.name}'", pipeline.channels
        own = [c.name for c in self._recording.channels]
        absent = [] if optional is None else absent_of(optional, own)
        needed = tuple(c for c in wanted if c not in absent)
        try:
            check_enough(where, wanted, absent)
        except DataError as error:
            raise DataError(f"{error}{how_to_rename(wanted, own)}") from error
        try:
            native = native_rate(locate(needed, self._recording), self._recording)
            at = pipeline.at(native, where, say)
            self._own = located(replace(at, channels=needed), self._recording)
        except DataError as error:
            said = error.has if isinstance(error, MissingChannel) else error
            raise DataError(f"{said}{trained_on(wanted)}{how_to_rename(needed, own)}") from error
        lines: tuple[str, ...] = ()
        if optional is not None:
            optional.only(needed).check_stream(f"file '{path}'", [c.name for c in self._own])
            whole = with_absent(self._recording, optional, partial(_through, pipeline))
            self._own, lines, absent = whole.channels, whole.lines, list(whole.left_out)
        needed = tuple(c for c in wanted if c not in absent)
        measured = otherwise_measured(needed, self._recording)
        for line in (*unit.messages(path, self._own), *measured):
            say(line)
        #: Which of the model's channels it has.
        self.channels = LiveChannels.of(wanted, [c.name for c in self._own], absent, lines)
        self.rate = self._own[0].rate
        self._speed, self._say = speed, say
        size = max(1, round(chunk * self.rate))
        self._size = cut or (lambda: size)
        self.name = re.sub(r"[^\w.-]+", "_", self._recording.name)
        times = "as fast as possible" if speed == float("inf") else f"{speed:g} times as fast"
        self.described = f"file '{path}', {self.rate:g} Hz, {'live' if speed == 1 else times}"

    def items(self, stop: Callable[[], bool]) -> Iterator[SampleChunk | Silent | None]:
        """Yield the recording's samples, each chunk at the time of its last one."""
        began, played = time.perf_counter(), 0
        names = [c.name for c in self._own]
        for block in self._recording.blocks(names, warn=self._say):
            n, at = block.values.shape[1], 0
            while at < n:
                end = min(at + self._size(), n)
                played += end - at
                due = began + played / self.rate / self._speed
                while (left := due - time.perf_counter()) > 0 and not stop():
                    time.sleep(min(left, _NAP))
                    yield None
                if stop():
                    return
                yield SampleChunk(
                    values=block.values[:, at:end],
                    stamps=block.onset + np.arange(at, end) / self.rate,
                    arrived=time.perf_counter(),
                    begins=block.begins and at == 0,
                )
                at = end

    def close(self) -> None:
        """Do nothing: no file is held open."""


def _through(pipeline: Pipeline, recording: Recording, absent: Sequence[str]) -> None:
    """Read a recording to its end, as a prediction does: which channels are lost is known then."""
    own = locate([c for c in pipeline.channels if c not in absent], recording)
    names, rate = [c.name for c in own], own[0].rate
    check = SignalCheck(names, recording.name, pipeline.window, rate)
    for block in recording.blocks(names):
        check.push(block.values)
    check.finish()
