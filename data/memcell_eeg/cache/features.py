"""Sequences of recordings with cached features.

What comes from the cache equals what is made anew, bit for bit; targets never come from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import MemcellError, UsageError
from memcell.files.atomic import make_folder
from memcell.files.places import cache_folder
from memcell.files.trusted import make_private, reason_against
from memcell.reports.numbers import counted
from memcell.sequences.time_series import TimeSeries
from memcell_data.recording import Recording
from memcell_eeg import store
from memcell_eeg.cache.key import key_of
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.store import DEFAULT, OFF, StoredFeatures
from memcell_eeg.targets.labels import LabelRules, targets

#: Entries that are mapped into memory at once: each holds a file open, and a process may open only so many.
MOST_MAPPED = 256
#: Stand in stored warnings for the path, the file's name, and the names of recording and subject.
_STAND_INS = ("\ue000", "\ue001", "\ue002", "\ue003")


class FeatureCache:
    """Computes the sequences of recordings and caches their features.

    Args:
        folder: Where; None keeps none.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.taken = self.made = self.mapped = 0
        self._problem = "" if folder is None else reason_against(folder)
        self._swept = False

    @classmethod
    def of(cls, option: str) -> FeatureCache:
        """Return the cache for ``--cache``: ``"off"``, ``"default"`` or a folder.

        Raises:
            UsageError: An empty name was typed.
            MemcellError: The folder that was typed cannot be made.
        """
        if not option.strip():
            raise UsageError("--cache got an empty name; type a folder, 'default' or 'off'.")
        if option.lower() in OFF:
            return cls(None)
        if option == DEFAULT:
            folder = cache_folder() / "features"
            with suppress(OSError):  # said when something is to be kept there
                make_private(folder)
            return cls(folder)
        folder = Path(option).expanduser()
        try:
            make_private(folder)
        except OSError:
            make_folder(folder)  # says why it cannot be made
        return cls(folder)

    def sequence(
        self,
        pipeline: Pipeline,
        recording: Recording,
        rules: LabelRules | None = None,
        warn: Callable[[str], object] = str,
    ) -> TimeSeries:
        """Return `Pipeline.sequence` of a recording; arguments and errors as there.

        What the training split decides is left to be done: features are kept as they are before any split.
        """
        pipeline = pipeline.unscaled
        key = None if self.folder is None else key_of(recording, pipeline.facts())
        if key is None or self.folder is None:
            return pipeline.sequence(recording, rules, warn)
        entry = self._read(self.folder, key)
        if entry is None:
            entry = self._make(self.folder, key, pipeline, recording)
            self.made += 1
        else:
            self.taken += 1
        for line in entry.warnings:
            warn(_named(line, recording))
        unlabelled = TimeSeries(
            name=recording.name,
            subject=recording.subject,
            features=entry.features,
            targets=np.full(len(entry.times), -1, dtype=np.int64),
            breaks=entry.breaks,
            start_time=float(entry.times[0]),
            step_seconds=entry.step_seconds,
            step_times=entry.times,
        )
        labels = recording.labels() if rules is not None else None
        if labels is None or rules is None:
            return unlabelled
        return replace(unlabelled, targets=targets(labels, entry.times, entry.step_seconds, rules))

    def numbers(
        self,
        recording: Recording,
        facts: Mapping[str, Any],
        make: Callable[[], NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        """Return numbers about a recording, ``[n, k]``, kept like its features; nothing is counted or said.

        Args:
            recording: What they are about.
            facts: What they depend on beside the recording and the source of these packages.
            make: Makes them; its errors pass through, and nothing is kept then.
        """
        key = None if self.folder is None or self._problem else key_of(recording, facts)
        if key is None or self.folder is None:
            return make()
        entry = store.read(self.folder, key, mapped=False)
        if entry is not None:
            return entry.features
        made = make()
        with suppress(MemcellError):  # a run does not fail for want of a cache
            store.write(
                self.folder,
                key,
                StoredFeatures(
                    features=made,
                    times=np.arange(len(made), dtype=np.float64),
                    breaks=(),
                    step_seconds=1.0,
                    warnings=(),
                ),
            )
        return made

    def summary(self) -> str:
        """Return a line on what was cached and where; empty if nothing was."""
        if self.folder is None or self.taken + self.made == 0:
            return ""
        if self._problem:
            return f"features are not cached: {self._problem}; --cache FOLDER caches them elsewhere"
        return (
            f"features: {counted(self.taken, 'recording')} from the cache, {self.made} computed and cached "
            f"in '{self.folder}' ({store.size(self.folder) / 1e6:.1f} MB in all; --cache off for no cache)"
        )

    def _read(self, folder: Path, key: str) -> StoredFeatures | None:
        entry = store.read(folder, key, mapped=self.mapped < MOST_MAPPED)
        self.mapped += entry is not None
        return entry

    def _make(
        self, folder: Path, key: str, pipeline: Pipeline, recording: Recording
    ) -> StoredFeatures:
        lines: list[str] = []
        sequence = pipeline.sequence(recording, None, lines.append)
        entry = StoredFeatures(
            features=sequence.features,
            times=sequence.times,
            breaks=sequence.breaks,
            step_seconds=sequence.step_seconds,
            warnings=tuple(_nameless(line, recording) for line in lines),
        )
        if self._problem:
            return entry
        try:
            if not self._swept:
                store.sweep(folder)
                self._swept = True
            store.write(folder, key, entry)
        except MemcellError as error:
            # A run does not fail for want of a cache; it says so once and goes on without.
            self._problem = str(error)
            return entry
        return self._read(folder, key) or entry


def _names(recording: Recording) -> tuple[str, ...]:
    path = recording.path
    file = ("", "") if path is None else (str(path), path.name)
    return (*file, recording.name, recording.subject)


def _nameless(line: str, recording: Recording) -> str:
    """Return a line without the names of file, recording and subject, which are not cached."""
    for name, stand_in in zip(_names(recording), _STAND_INS, strict=True):
        line = line.replace(name, stand_in) if name else line
    return line


def _named(line: str, recording: Recording) -> str:
    for name, stand_in in zip(_names(recording), _STAND_INS, strict=True):
        line = line.replace(stand_in, name)
    return line
