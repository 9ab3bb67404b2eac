"""Recordings other than EDF and BDF (BrainVision, EEGLAB, FIF, GDF, CNT, ...), through MNE.

MNE marks where such a recording was interrupted with annotations: ``BAD_ACQ_SKIP`` (FIF: the time is
there, the samples are not), ``boundary`` (EEGLAB) and ``New Segment`` (BrainVision), where the samples
follow each other and the time between them is not told; such a break has a gap of 0 s and is a break.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data import channels as names_of
from memcell_data.quality import inspect, keep
from memcell_data.recording import Channel, Interval, Signal, Stretch

_SKIP = "bad_acq_skip"
_BREAKS = ("boundary", "new segment", "edge boundary", "bad boundary")
_KINDS = {"eeg": "eeg", "eog": "eog", "emg": "emg", "ecg": "ecg", "seeg": "eeg", "ecog": "eeg"}
_MICRO = 1e6


@dataclass(frozen=True)
class MneFile:
    """A file that `mne.io.read_raw` opens; opened when first asked.

    Args:
        path: The file.
    """

    path: Path

    @cached_property
    def _raw(self) -> Any:
        import mne

        try:
            raw = mne.io.read_raw(self.path, preload=False, verbose="error")
        except Exception as error:
            raise self._refused(error) from error
        if raw.n_times == 0 or not raw.ch_names:
            raise DataError(f"{self.path}: holds no signal")
        return raw

    def channels(self) -> tuple[Channel, ...]:
        """Return its channels; those that are no voltage are of kind ``"misc"``."""
        rate = float(self._raw.info["sfreq"])
        return tuple(
            Channel(name=name, kind=self._kind(name, kind), rate=rate)
            for name, kind in self._types().items()
        )

    def duration(self) -> float:
        """Return the seconds from the first sample to the end of the last."""
        return float(self._raw.n_times / self._raw.info["sfreq"])

    def declared_duration(self) -> float:
        """Return the same as `duration`: these formats do not say what was lost."""
        return self.duration()

    def annotations(self) -> tuple[Interval, ...]:
        """Return the annotations, without those by which MNE marks breaks."""
        return tuple(
            interval for interval in self._all_annotations() if not _is_break(interval.label)
        )

    def read(self, names: Sequence[str]) -> Signal:
        """Read channels, in microvolts.

        Raises:
            DataError: A channel is not there, ambiguous, or no voltage; or MNE cannot read it.
        """
        if not names:
            raise DataError(f"{self.path}: no channel was asked for")
        types = self._types()
        all_names = list(types)
        wanted = [all_names[names_of.find(n, all_names, str(self.path))] for n in names]
        for name in wanted:
            if types[name] not in _KINDS:
                raise DataError(
                    f"{self.path}: channel '{name}' is of type '{types[name]}', expected a voltage "
                    f"({', '.join(_KINDS)})"
                )
        try:
            rows = self._raw.get_data(picks=list(dict.fromkeys(wanted)), verbose="error")
        except Exception as error:
            raise self._refused(error) from error
        order = list(dict.fromkeys(wanted))
        values = rows[[order.index(name) for name in wanted]] * _MICRO
        rate = float(self._raw.info["sfreq"])
        values, stretches = self._cut(values, rate)
        signal = Signal(values=values, rate=rate, channels=tuple(wanted), stretches=stretches)
        return inspect(signal, self.path, tuple(self._kind(n, types[n]) for n in wanted))

    def _types(self) -> dict[str, str]:
        return dict(zip(self._raw.ch_names, self._raw.get_channel_types(), strict=True))

    def _kind(self, name: str, mne_type: str) -> str:
        kind = _KINDS.get(mne_type, "misc")
        # Many formats know no types, and MNE then says EEG for everything.
        return names_of.kind_of(name) if kind == "eeg" else kind

    def _all_annotations(self) -> tuple[Interval, ...]:
        raw = self._raw
        zero = raw.first_samp / raw.info["sfreq"]
        found = [
            Interval(
                onset=float(a["onset"]) - zero,
                duration=float(np.nan_to_num(a["duration"])),
                label=str(a["description"]).strip(),
            )
            for a in zip_annotations(raw.annotations)
        ]
        return tuple(sorted(found, key=lambda interval: interval.onset))

    def _cut(
        self, values: NDArray[np.float64], rate: float
    ) -> tuple[NDArray[np.float64], tuple[Stretch, ...]]:
        n_samples = values.shape[1]
        good = np.ones(n_samples, dtype=np.bool_)
        cuts = {0}
        for interval in self._all_annotations():
            at = round(interval.onset * rate)
            if interval.label.casefold().startswith(_SKIP):
                good[max(0, at) : max(0, at + round(interval.duration * rate))] = False
            elif _is_break(interval.label) and 0 < at < n_samples:
                cuts.add(at)
        firsts = sorted(cuts)
        stretches = [
            Stretch(start=first, stop=end, onset=first / rate)
            for first, end in zip(firsts, [*firsts[1:], n_samples], strict=True)
        ]
        if not good.any():
            raise DataError(f"{self.path}: all of it is marked as not recorded (BAD_ACQ_SKIP)")
        return keep(values, stretches, good, rate)

    def _refused(self, error: Exception) -> DataError:
        reason = " ".join(str(error).split()) or "no reason given"
        return DataError(f"{self.path}: MNE cannot read it: {type(error).__name__}: {reason}")


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
