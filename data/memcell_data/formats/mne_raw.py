"""A recording that is in memory as an `mne.io.Raw`, as a `memcell_data.recording.Recording`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from memcell.errors import DataError
from memcell.reports.numbers import counted
from memcell_data.formats.mne_file import MneFile
from memcell_data.formats.mne_open import SLOWEST, OpenedFile
from memcell_data.formats.reader import NoLabels, signal_file, stem
from memcell_data.recording import Block, Recording, Signal


@dataclass(frozen=True)
class MneRaw(MneFile):
    """What `MneFile` is, of an object that somebody opened or made; MNE holds volts.

    Args:
        path: What it is called in messages.
        unit: As of `MneFile`.
        given: The object; nothing of it is changed.
    """

    given: Any = None

    @cached_property
    def _opened(self) -> OpenedFile:
        return OpenedFile(raw=self.given, remarks=(), units={}, problems={})

    def format(self) -> str:
        """Return that it is in memory."""
        return "in memory"

    def __call__(self, names: Sequence[str]) -> Signal:
        """Return channels in microvolts."""
        signal = self.read(names)
        return replace(signal, warnings=(*signal.warnings, *self._marked_bad(names)))

    def blocks(
        self, names: Sequence[str], seconds: float, warn: Callable[[str], object]
    ) -> Iterator[Block]:
        """Yield channels in microvolts block by block."""
        for line in self._marked_bad(names):
            warn(line)
        yield from super().blocks(names, seconds, warn)

    def _marked_bad(self, names: Sequence[str]) -> list[str]:
        bad = {name.strip() for name in self.given.info["bads"]}
        return [
            f"{self.path.name}: channel '{n}' is marked bad in its info['bads']"
            for n in names
            if n.strip() in bad
        ]


def file_of(raw: Any) -> Path | None:
    """Return the file that a Raw was read from; None where it was made or put together."""
    names = [name for name in getattr(raw, "filenames", ()) if name is not None]
    return Path(names[0]) if len(names) == 1 else None


def recording_of(raw: Any, name: str | None = None, unit: str = "") -> Recording:
    """Describe an `mne.io.Raw`; its samples are read when they are asked for.

    Args:
        raw: The object, in volts as MNE has them.
        name: What it is called; None for its file's name, or ``"raw"``.
        unit: ``"all:uV"`` where its values are in another unit than volts.

    Raises:
        DataError: It holds no signal, or was read from a file whose gaps MNE leaves out.
    """
    path = file_of(raw)
    if raw.n_times == 0 or not raw.ch_names:
        raise DataError("the Raw holds no signal")
    rate = float(raw.info["sfreq"])
    if rate < SLOWEST:
        raise DataError(f"the Raw is sampled at {rate:g} Hz, expected {SLOWEST:g} Hz or more")
    if path is not None and path.suffix.lower() in (".edf", ".bdf") and path.is_file():
        gaps = signal_file(path).gaps()
        if gaps:
            raise DataError(
                f"the Raw was read from '{path.name}', and MNE joined what lies before and after "
                f"{counted(len(gaps), 'gap')}: give the path of the file"
            )
    called = name or (stem(path) if path else "raw")
    file = MneRaw(path or Path(called), unit, raw)
    return Recording(
        name=called,
        subject=called,
        dataset="own",
        simulated=False,
        channels=file.channels(),
        duration=file.duration(),
        read=file,
        labels=NoLabels(),
        fingerprint=f"{raw.n_times}:{rate:g}:{len(raw.ch_names)}",
    )
