"""A recording as a live source: played at any speed, through the same code as a stream."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from memcell.errors import DataError, UsageError
from memcell_data.formats.reader import stem
from memcell_data.renaming import NOTHING, Renaming
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.live.source import SampleChunk, Silent
from memcell_eeg.prediction.sources import RecordingFile
from memcell_eeg.signal.channels import (
    how_to_rename,
    locate,
    native_rate,
    otherwise_measured,
    trained_on,
)
from memcell_eeg.signal.clean import located
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
    ) -> None:
        if not path.is_symlink() and not path.exists():
            raise DataError(f"'{path}' does not exist; type --file with the path of a recording.")
        unit = unit or Unit()
        self._recording = renaming.recording(
            RecordingFile(path=path, name=stem(path)).open(unit.name)
        )
        if self._recording.features is not None:
            raise UsageError(f"'{path}' has precomputed features and no signal to stream.")
        try:
            native = native_rate(locate(pipeline.channels, self._recording), self._recording)
            where = f"recording '{self._recording.name}'"
            self._own = located(pipeline.at(native, where, say), self._recording)
        except DataError as error:
            hint = how_to_rename(pipeline.channels, [c.name for c in self._recording.channels])
            raise DataError(f"{error}{trained_on(pipeline.channels)}{hint}") from error
        measured = otherwise_measured(pipeline.channels, self._recording)
        for line in (*unit.messages(path, self._own), *measured):
            say(line)
        #: The model's channels, as the recording calls them.
        self.names = tuple(c.name for c in self._own)
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
