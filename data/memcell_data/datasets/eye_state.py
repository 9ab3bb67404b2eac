"""The data set ``eye-state``: one person opening and closing the eyes, 117 s, 14 channels.

The table has no time and no unit; the publisher says 128 Hz, and the values are microvolts around the
amplifier's offset of about 4000. Four rows are gross outliers (up to 700 mV); they are found by rule and
replaced by the line between their neighbours, with a warning that counts them. Nothing else is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.datasets import Card
from memcell.errors import DataError
from memcell.files.atomic import atomic_path
from memcell.files.places import data_folder
from memcell_data import channel_lookup as lookup
from memcell_data.datasets.configs import EyeStateConfig
from memcell_data.datasets.fetching import require_reachable, unavailable
from memcell_data.datasets.recognise import EYE_STATE_NAMES
from memcell_data.formats.reader import fingerprint
from memcell_data.labels.reading import Rule
from memcell_data.recording import Channel, Interval, Labels, Recording, Segment, Signal

CHANNELS = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
RATE = 128.0
FARTHEST = 1000.0
_ADDRESS = "https://www.openml.org"
_WHAT = "OpenML data set 'eeg-eye-state' (version 1)"
_INSTEAD = "--data eye-state --data.path FILE (eeg-eye-state .csv or .arff)"
_RULE = Rule(positive=("closed",), negative=("open",), background="")


@dataclass
class EyeState:
    """The EEG Eye State recording.

    Args:
        config: Where a local copy is.
    """

    config: EyeStateConfig

    @property
    def card(self) -> Card:
        """The card of the data set."""
        return Card(
            name="eye-state",
            title="EEG Eye State",
            source="UCI Machine Learning Repository; OpenML 'eeg-eye-state', https://www.openml.org",
            licence="CC BY 4.0 (as stated by UCI; not re-read here)",
            citation="O. Roesler (2013), EEG Eye State, DHBW Stuttgart",
            checksum="scikit-learn checks the MD5 that OpenML publishes",
        )

    def get(self, folder: Path | None = None) -> Path:
        """Return the folder of the local copy, fetching it where there is none.

        Raises:
            DataUnavailable: OpenML cannot be reached.
            DataError: The local copy named by ``path`` is not there.
        """
        if self.config.path:
            return self._local(Path(self.config.path).expanduser()).parent
        home = folder or data_folder() / "eye-state"
        if not (home / EYE_STATE_NAMES[0]).is_file():
            self._fetch(home)
        return home

    def recordings(self) -> Sequence[Recording]:
        """Return the one recording."""
        if self.config.path:
            path = self._local(Path(self.config.path).expanduser())
        else:
            path = self.get() / EYE_STATE_NAMES[0]
        n_rows = len(load_table(path)[1])
        return [
            Recording(
                name="eye-state",
                subject="eye-state",
                dataset="eye-state",
                simulated=False,
                channels=tuple(Channel(name=n, kind="eeg", rate=RATE) for n in CHANNELS),
                duration=n_rows / RATE,
                read=_TableSignal(path),
                labels=_TableLabels(path),
                path=path,
                fingerprint=fingerprint([path]),
            )
        ]

    def _local(self, path: Path) -> Path:
        if path.is_file():
            return path
        found = [path / name for name in EYE_STATE_NAMES if (path / name).is_file()]
        if not found:
            raise DataError(
                f"{path}: expected the EEG Eye State table or a folder with {EYE_STATE_NAMES[0]}"
            )
        return found[0]

    def _fetch(self, home: Path) -> None:
        require_reachable(_ADDRESS, _WHAT, _INSTEAD)
        from sklearn.datasets import fetch_openml

        home.mkdir(parents=True, exist_ok=True)
        try:
            fetched: Any = fetch_openml(
                "eeg-eye-state",
                version=1,
                data_home=str(home),
                as_frame=False,
                parser="liac-arff",
                n_retries=0,
            )
        except Exception as error:
            raise unavailable(_WHAT, _ADDRESS, error, _INSTEAD) from error
        rows = np.column_stack([fetched.data, np.asarray(fetched.target, dtype=float)])
        with atomic_path(home / EYE_STATE_NAMES[0]) as temporary:
            np.savetxt(
                temporary,
                rows,
                fmt="%.10g",
                delimiter=",",
                header=",".join([*CHANNELS, "class"]),
                comments="",
            )


def load_table(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read the table.

    OpenML calls open 1 and closed 2; UCI calls them 0 and 1: the larger of the two is closed in both.

    Returns:
        ``[n_rows, 14]`` as published, and ``[n_rows]`` whether the eyes were closed.

    Raises:
        DataError: A row is not 15 numbers, or the last column does not hold two classes.
    """
    rows: list[list[float]] = []
    with path.open(encoding="latin-1") as file:
        for number, line in enumerate(file, start=1):
            text = line.strip()
            if not text or text[0] in "@%" or (number == 1 and not _is_number(text.split(",")[0])):
                continue
            try:
                row = [float(cell.strip(" '\"")) for cell in text.split(",")]
            except ValueError:
                row = []
            if len(row) != len(CHANNELS) + 1:
                raise DataError(
                    f"{path}: line {number}: expected {len(CHANNELS)} numbers and a class, with commas"
                )
            rows.append(row)
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(CHANNELS) + 1)
    classes = sorted(set(table[:, -1].tolist()))
    if classes not in ([0.0, 1.0], [1.0, 2.0]):
        raise DataError(f"{path}: last column holds the classes {classes[:5]}, expected 0,1 or 1,2")
    return table[:, :-1], table[:, -1] == classes[1]


def without_outliers(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Replace gross outliers by linear interpolation.

    Args:
        values: ``[n_rows, n_channels]`` microvolts.

    Returns:
        The values, and the number of rows in which any channel was more than 1000 uV from its median;
        such a row is replaced in all channels.
    """
    bad = (np.abs(values - np.median(values, axis=0)) > FARTHEST).any(axis=1)
    if not bad.any() or bad.all():
        return values, int(bad.sum())
    rows = np.arange(len(values))
    out = values.copy()
    for channel in range(values.shape[1]):
        out[bad, channel] = np.interp(rows[bad], rows[~bad], values[~bad, channel])
    return out, int(bad.sum())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class _TableSignal:
    path: Path

    def __call__(self, names: Sequence[str]) -> Signal:
        picks = [lookup.find(name, CHANNELS, str(self.path)) for name in names]
        values, n_bad = without_outliers(load_table(self.path)[0])
        line = (
            f"{self.path.name}: {n_bad} rows further than {FARTHEST:g} uV from the median were "
            "interpolated"
        )
        return Signal(
            values=np.ascontiguousarray(values.T[picks]),
            rate=RATE,
            channels=tuple(CHANNELS[i] for i in picks),
            segments=(Segment(start=0, stop=len(values), onset=0.0),),
            warnings=(line,) if n_bad else (),
        )


@dataclass(frozen=True)
class _TableLabels:
    path: Path

    def __call__(self) -> Labels:
        closed = load_table(self.path)[1]
        edges = [0, *(np.flatnonzero(np.diff(closed)) + 1).tolist(), len(closed)]
        intervals = [
            Interval(
                onset=a / RATE, duration=(b - a) / RATE, label="closed" if closed[a] else "open"
            )
            for a, b in pairwise(edges)
        ]
        return _RULE.apply(intervals)
