"""One file of the ``mwt`` set: a MATLAB struct ``Data`` with four signals and the codes of an expert.

``eeg_O1``, ``eeg_O2`` (occipital EEG against the mastoids), ``E1``, ``E2`` (eyes), ``labels_O1`` and
``labels_O2`` are column vectors of one length, a value a sample; ``fs`` is the rate (200 Hz as published).
Signals are microvolts; the file does not say so, which is why amplitudes are held against the limits of
`memcell_data.quality.amplitudes`.

The codes in ``labels_O1`` and ``labels_O2`` (0 wake, 1 microsleep, 2 candidate, 3 drowsy) make one class a
sample, named exactly as in `CLASSES`, the first that holds:

=============  =====================
microsleep     both are 1
one-sided      exactly one is 1
candidate      either is 2
drowsy         either is 3
wake           both are 0
=============  =====================

In the published protocols a sample can be of several classes, and the positive group wins. With this order
one class a sample gives the same groups in all four (``sure``, ``one_vs_rest``, ``wake_drowsy_vs_ms``,
``wake_vs_all``).

References:
    Hertig-Godeschalk et al. 2020, Sleep 43, zsz163 (the scoring criteria); Malafeev et al. 2021,
    doi:10.3389/fnins.2021.564098 (the data); Skorucak et al. 2020, doi:10.3389/fnins.2020.00008 (the
    protocols).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data import channel_lookup as lookup
from memcell_data import channels as names_of
from memcell_data.formats.mat_validator import check_mat
from memcell_data.quality.amplitudes import inspect
from memcell_data.recording import Block, Channel, Interval, Segment, Signal, blocks_of

SIGNALS = ("eeg_O1", "eeg_O2", "E1", "E2")
LABELS = ("labels_O1", "labels_O2")
PUBLISHED_RATE = 200.0
CODES = {0: "wake", 1: "microsleep", 2: "candidate", 3: "drowsy"}

#: The descriptions of the intervals, strongest first.
CLASSES = ("microsleep", "one-sided", "candidate", "drowsy", "wake")

_FIELDS = (*SIGNALS, *LABELS, "fs")


@dataclass(frozen=True, kw_only=True)
class MwtContent:
    """The checked content of a file.

    Args:
        signals: ``[4, n]`` microvolts, in the order of `SIGNALS`.
        codes: ``[2, n]`` codes of O1 and O2.
        rate: Samples a second, Hz.
    """

    signals: NDArray[np.float64]
    codes: NDArray[np.int64]
    rate: float


@dataclass(frozen=True)
class MwtFile:
    """A ``.mat`` file of the set, read anew at each question; it has the methods of `reader.SignalFile`.

    Args:
        path: The file.
    """

    path: Path

    def content(self) -> MwtContent:
        """Read and check the file.

        Raises:
            DataError: It is no such file, a field is missing, of another length, or holds what it
                must not; names the file, the field and the place.
        """
        data = _struct(self.path)
        missing = [name for name in _FIELDS if not hasattr(data, name)]
        if missing:
            raise DataError(
                f"{self.path}: struct 'Data' lacks {', '.join(missing)}; expected {', '.join(_FIELDS)}"
            )
        columns = {name: _column(self.path, data, name) for name in (*SIGNALS, *LABELS)}
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1 or not lengths[SIGNALS[0]]:
            listed = ", ".join(f"{name} {n}" for name, n in lengths.items())
            raise DataError(f"{self.path}: one length above 0 is needed for all; it has {listed}")
        return MwtContent(
            signals=np.stack([columns[name] for name in SIGNALS]),
            codes=np.stack([_codes(self.path, name, columns[name]) for name in LABELS]),
            rate=_rate(self.path, data),
        )

    def channels(self) -> tuple[Channel, ...]:
        """Return the four channels, named as in the file."""
        return channels_of(self.content())

    def duration(self) -> float:
        """Return the seconds from the first sample to the end of the last."""
        content = self.content()
        return float(content.signals.shape[1] / content.rate)

    def declared_duration(self) -> float:
        """Return the same as `duration`: a file that was cut cannot be read at all."""
        return self.duration()

    def annotations(self) -> tuple[Interval, ...]:
        """Return intervals that cover the recording, described by `CLASSES`."""
        return intervals(self.content())

    def format(self) -> str:
        """Return what it is."""
        return "MATLAB (mwt)"

    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Return nothing: the set's recordings have no interruption."""
        return ()

    def remarks(self) -> tuple[str, ...]:
        """Say where the rate is not the published one."""
        rate = self.content().rate
        line = f"{self.path.name}: is sampled at {rate:g} Hz, the published files at 200 Hz"
        return (line,) if rate != PUBLISHED_RATE else ()

    def problems(self) -> dict[str, str]:
        """Return nothing: what is wrong with a signal shows when it is read."""
        return {}

    def read(self, names: Sequence[str]) -> Signal:
        """Read channels, in microvolts.

        Raises:
            DataError: A channel is not there, or its amplitudes are not those of a scalp.
        """
        if not names:
            raise DataError(f"{self.path}: no channel was asked for")
        picks = [lookup.find(name, SIGNALS, str(self.path)) for name in names]
        content = self.content()
        signal = Signal(
            values=content.signals[picks],
            rate=content.rate,
            channels=tuple(SIGNALS[i] for i in picks),
            segments=(Segment(start=0, stop=content.signals.shape[1], onset=0.0),),
            warnings=self.remarks(),
        )
        return inspect(signal, self.path, tuple(names_of.kind_of(n) for n in signal.channels))

    def blocks(
        self, names: Sequence[str], seconds: float, warn: Callable[[str], object]
    ) -> Iterator[Block]:
        """Yield channels in blocks; a test is short, and the file is read whole."""
        yield from blocks_of(self.read(names), seconds, warn)


def channels_of(content: MwtContent) -> tuple[Channel, ...]:
    """Return the four channels, named as in the file."""
    return tuple(
        Channel(name=n, kind=names_of.kind_of(n), rate=content.rate, unit="uV") for n in SIGNALS
    )


def classes(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``[n]`` the class of each sample, as an index into `CLASSES`.

    Args:
        codes: ``[2, n]`` codes of O1 and O2.

    >>> [CLASSES[i] for i in classes(np.array([[0, 1, 1, 2, 3, 2], [0, 1, 3, 0, 0, 3]]))]
    ['wake', 'microsleep', 'one-sided', 'candidate', 'drowsy', 'candidate']
    """
    holds = [
        (codes == 1).all(axis=0),
        (codes == 1).any(axis=0),
        (codes == 2).any(axis=0),
        (codes == 3).any(axis=0),
        (codes == 0).all(axis=0),
    ]
    first: NDArray[np.int64] = np.argmax(np.stack(holds), axis=0)
    return first


def intervals(content: MwtContent) -> tuple[Interval, ...]:
    """Return the runs of one class, in seconds."""
    found = classes(content.codes)
    firsts = np.concatenate([[0], np.flatnonzero(np.diff(found)) + 1])
    ends = [*firsts[1:].tolist(), len(found)]
    return tuple(
        Interval(
            onset=first / content.rate,
            duration=(end - first) / content.rate,
            label=CLASSES[int(found[first])],
        )
        for first, end in zip(firsts.tolist(), ends, strict=True)
    )


def load_mat(path: Path, *names: str) -> dict[str, Any]:
    """Return variables of a ``.mat`` file.

    Raises:
        DataError: It cannot be read; names the file and the reason.
    """
    from scipy.io import loadmat

    check_mat(path)
    try:
        found: dict[str, Any] = loadmat(
            path, struct_as_record=False, squeeze_me=True, variable_names=names or None
        )
    except Exception as error:  # scipy raises whatever a damaged file leads it to
        reason = " ".join(str(error).split()) or "no reason given"
        raise DataError(f"{path}: cannot be read as a .mat file: {reason}") from error
    return found


def _struct(path: Path) -> Any:
    variables = load_mat(path)
    if "Data" not in variables:
        listed = ", ".join(n for n in variables if not n.startswith("__")) or "nothing"
        raise DataError(f"{path}: expected one struct 'Data'; it holds {listed}")
    data = variables["Data"]
    if not hasattr(data, "_fieldnames"):
        raise DataError(f"{path}: 'Data' is no struct of one recording")
    return data


def _column(path: Path, data: Any, name: str) -> NDArray[np.float64]:
    column = np.atleast_1d(np.asarray(getattr(data, name)))
    if column.ndim != 1 or column.dtype.kind not in "fiub":
        raise DataError(
            f"{path}: '{name}' has shape {list(column.shape)} of {column.dtype}, expected one column "
            "of numbers"
        )
    return column.astype(np.float64)


def _codes(path: Path, name: str, column: NDArray[np.float64]) -> NDArray[np.int64]:
    wrong = np.flatnonzero(~np.isin(column, list(CODES)))
    if len(wrong):
        at = int(wrong[0])
        meaning = ", ".join(f"{code} {word}" for code, word in CODES.items())
        raise DataError(
            f"{path}: '{name}' is {column[at]:g} at sample {at} ({len(wrong)} of {len(column)} samples "
            f"are no code), expected {meaning}"
        )
    return column.astype(np.int64)


def _rate(path: Path, data: Any) -> float:
    found = np.asarray(data.fs)
    rate = float(found) if found.ndim == 0 and found.dtype.kind in "fiu" else math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise DataError(f"{path}: 'fs' is {data.fs!r}, expected one rate above 0 in Hz")
    return rate
