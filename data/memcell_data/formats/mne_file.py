"""Recordings other than EDF and BDF (BrainVision, EEGLAB, FIF, GDF, CNT, ...), through MNE.

MNE marks where such a recording was interrupted with annotations: ``BAD_ACQ_SKIP`` (FIF: the time is
there, the samples are not), ``boundary`` (EEGLAB) and ``New Segment`` (BrainVision), where the samples
follow each other and the time between them is not told; such a break has a gap of 0 s and is a break.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data import channel_lookup as lookup
from memcell_data import channels as names_of
from memcell_data import units
from memcell_data.formats.mne_open import OpenedFile, open_raw, refused
from memcell_data.quality.amplitudes import Quality, checked, inspect, kept
from memcell_data.recording import Block, Channel, Interval, Segment, Signal, block_length, split

_SKIP = "bad_acq_skip"
_BREAKS = ("boundary", "new segment", "edge boundary", "bad boundary")
_COMMENT = "Comment/"  # what MNE puts before the words that a person typed into a BrainVision file
_UNITS = {
    "FIF": "V",
    "EEGLAB": "uV",
    "in memory": "V",
}  # formats that hold all voltages in one unit
_FORMATS = {
    ".vhdr": "BrainVision",
    ".set": "EEGLAB",
    ".fif": "FIF",
    ".fif.gz": "FIF",
    ".gdf": "GDF",
    ".cnt": "CNT",
    ".mff": "EGI",
    ".lay": "Persyst",
}
_KINDS = {"eeg": "eeg", "eog": "eog", "emg": "emg", "ecg": "ecg", "seeg": "eeg", "ecog": "eeg"}
_MICRO = 1e6


@dataclass(frozen=True)
class MneFile:
    """A file that `mne.io.read_raw` opens; opened when first asked.

    Args:
        path: The file.
        unit: The unit of all channels whatever the file says (``all:mV``); others do nothing here, for MNE
            finds one for each channel.
    """

    path: Path
    unit: str = ""

    @cached_property
    def _opened(self) -> OpenedFile:
        return open_raw(self.path)

    @property
    def _raw(self) -> Any:
        return self._opened.raw

    def channels(self) -> tuple[Channel, ...]:
        """Return its channels; those that are no voltage are of kind ``"misc"``."""
        rate = float(self._raw.info["sfreq"])
        bad = set(self._raw.info["bads"])
        units = {n: str(u) for n, u in self._opened.units.items() if u != "n/a"}
        always = _UNITS.get(self.format(), "")
        return tuple(
            Channel(
                name=name,
                kind=self._kind(name, kind),
                rate=rate,
                unit=units.get(name) or (always if kind in _KINDS else ""),
                bad=name in bad,
            )
            for name, kind in self._types().items()
        )

    def duration(self) -> float:
        """Return the seconds from the first sample to the end of the last."""
        return float(self._raw.n_times / self._raw.info["sfreq"])

    def declared_duration(self) -> float:
        """Return the same as `duration`: these formats do not say what was lost."""
        return self.duration()

    def measured(self) -> datetime | None:
        """Return when the first sample was taken, where the file says so."""
        found: datetime | None = self._raw.info["meas_date"]
        if found is None:
            return None
        return found + timedelta(seconds=float(self._raw.first_samp / self._raw.info["sfreq"]))

    def annotations(self) -> tuple[Interval, ...]:
        """Return the annotations, without those by which MNE marks breaks."""
        return tuple(
            interval for interval in self._all_annotations() if not _is_break(interval.label)
        )

    def format(self) -> str:
        """Return the format that the file's name stands for."""
        name = self.path.name.lower()
        return next((f for ending, f in _FORMATS.items() if name.endswith(ending)), "read by MNE")

    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Return onset and length of each interruption, s; 0 where the file does not tell how long."""
        return tuple(
            (i.onset, i.duration if i.label.casefold().startswith(_SKIP) else 0.0)
            for i in self._all_annotations()
            if _is_break(i.label) and 0 < i.onset < self.duration()
        )

    def remarks(self) -> tuple[str, ...]:
        """Return what opening it showed, one line each."""
        messages = units.overridden(self.path.name, [c.unit for c in self.channels()], self.unit)
        return (*self._opened.remarks, *messages)

    def problems(self) -> dict[str, str]:
        """Return what the header of a GDF file tells; MNE finds a name and a scale for all others."""
        return dict(self._opened.problems)

    def read(self, names: Sequence[str]) -> Signal:
        """Read channels, in microvolts.

        Raises:
            DataError: A channel is not there, ambiguous, or no voltage; or MNE cannot read it.
        """
        channels, kinds = self._requested(names)
        segments, rate = self._segments(), self._rate
        samples = self._samples(channels, 0, int(self._raw.n_times))
        parts = [samples[:, s.start : s.stop] for s in segments]
        at = np.cumsum([0, *(p.shape[1] for p in parts)]).tolist()
        signal = Signal(
            values=parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1),
            rate=rate,
            channels=channels,
            segments=tuple(
                Segment(start=first, stop=stop, onset=s.onset)
                for s, first, stop in zip(segments, at[:-1], at[1:], strict=True)
            ),
            warnings=self.remarks(),
        )
        return inspect(signal, self.path, kinds)

    def blocks(
        self, names: Sequence[str], seconds: float, warn: Callable[[str], object]
    ) -> Iterator[Block]:
        """Yield channels in microvolts block by block, as `memcell_data.formats.edf.reading.EdfFile` does."""
        channels, kinds = self._requested(names)
        rate = self._rate
        for line in self.remarks():
            warn(line)

        def samples(start: int, stop: int) -> NDArray[np.float64]:
            return self._samples(channels, start, stop)

        most = block_length(seconds, rate, len(channels))
        parts = split(self._segments(), most, samples, rate)
        yield from checked(parts, Quality(channels, kinds, rate, self.path), rate, warn)

    @property
    def _rate(self) -> float:
        return float(self._raw.info["sfreq"])

    def _requested(self, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the channels that are asked for and their kinds."""
        if not names:
            raise DataError(f"{self.path}: no channel was asked for")
        types = self._types()
        all_names = list(types)
        channels = [all_names[lookup.find(n, all_names, str(self.path))] for n in names]
        for name in channels:
            if types[name] not in _KINDS:
                raise DataError(
                    f"{self.path}: channel '{name}' is of type '{types[name]}', expected a voltage "
                    f"({', '.join(_KINDS)})"
                )
            if name in self._opened.problems:
                raise DataError(self._opened.problems[name])
        return tuple(channels), tuple(self._kind(n, types[n]) for n in channels)

    def _samples(self, channels: Sequence[str], start: int, stop: int) -> NDArray[np.float64]:
        """Return samples ``[C, stop - start]`` in microvolts."""
        order = list(dict.fromkeys(channels))
        try:
            rows: NDArray[np.float64] = self._raw.get_data(
                picks=order, start=start, stop=stop, verbose="error"
            )
        except Exception as error:
            raise refused(self.path, error) from error
        rows *= self._factors(order)
        return (
            rows if len(order) == len(channels) else rows[[order.index(name) for name in channels]]
        )

    def _factors(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return ``[C, 1]`` microvolts for each volt that MNE gives."""
        typed = units.override(self.unit)
        if typed is None:
            return np.full((1, 1), _MICRO)
        known = {c.name: units.microvolts_per(c.unit) or _MICRO for c in self.channels()}
        return np.array([_MICRO * typed / known[n] for n in names])[:, None]

    def _types(self) -> dict[str, str]:
        return dict(zip(self._raw.ch_names, self._raw.get_channel_types(), strict=True))

    def _kind(self, name: str, mne_type: str) -> str:
        kind = _KINDS.get(mne_type, "misc")
        # Many formats know no types, and MNE then says EEG for everything.
        return names_of.kind_of(name, self._raw.ch_names) if kind == "eeg" else kind

    def _all_annotations(self) -> tuple[Interval, ...]:
        raw = self._raw
        zero = raw.first_samp / raw.info["sfreq"]
        found = [
            Interval(
                onset=float(a["onset"]) - zero,
                duration=float(np.nan_to_num(a["duration"])),
                label=str(a["description"]).strip().removeprefix(_COMMENT),
            )
            for a in zip_annotations(raw.annotations)
        ]
        return tuple(sorted(found, key=lambda interval: interval.onset))

    def _segments(self) -> list[Segment]:
        """Return where the file has samples without a break, as its own sample numbers."""
        n_samples, rate = int(self._raw.n_times), self._rate
        good = np.ones(n_samples, dtype=np.bool_)
        cuts = {0}
        for interval in self._all_annotations():
            at = round(interval.onset * rate)
            if interval.label.casefold().startswith(_SKIP):
                good[max(0, at) : max(0, at + round(interval.duration * rate))] = False
            elif _is_break(interval.label) and 0 < at < n_samples:
                cuts.add(at)
        firsts = sorted(cuts)
        segments = [
            Segment(start=first, stop=end, onset=first / rate)
            for first, end in zip(firsts, [*firsts[1:], n_samples], strict=True)
        ]
        if not good.any():
            raise DataError(f"{self.path}: all of it is marked as not recorded (BAD_ACQ_SKIP)")
        return kept(segments, good, rate)


def zip_annotations(annotations: Any) -> list[dict[str, Any]]:
    """Return MNE's annotations as plain dictionaries."""
    return [
        {"onset": onset, "duration": duration, "description": description}
        for onset, duration, description in zip(
            annotations.onset, annotations.duration, annotations.description, strict=True
        )
    ]


def _is_break(label: str) -> bool:
    word = label.casefold()
    return word.startswith((_SKIP, *_BREAKS))
