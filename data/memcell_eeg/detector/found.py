"""What a detector found in a recording: the files of ``memcell predict`` as tables, annotations, a figure."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from memcell.applications.prediction import Record
from memcell.errors import UsageError
from memcell.files.atomic import make_folder, write_atomic
from memcell_eeg.export import outputs
from memcell_eeg.export.layout import layout_of

#: Columns of text in the tables.
_TEXTS = ("trial_type",)


class FoundEvents:
    """What was found in one recording.

    Tables are a `pandas.DataFrame` each where pandas is installed, else a NumPy structured array; a column is
    ``table["onset"]`` in both.

    Args:
        name: Of the recording.
        record: Its row of the summary.
        files: The result files, by name: the bytes that ``memcell predict`` writes.
        threshold: From which probability on a step is positive.
        finish: Writes what lies beside them in a folder.
        measured: Start of the recording and seconds to its first sample, as MNE has them; None where it is
            not known.
    """

    _DRAWN: ClassVar[int] = 20_000

    def __init__(
        self,
        name: str,
        record: Record,
        files: Mapping[str, bytes],
        threshold: float,
        finish: Callable[[Path], None],
        measured: tuple[Any, float] | None,
    ) -> None:
        self.name, self.threshold = name, threshold
        #: What is said of the recording: events, hours, channels, warnings, ...
        self.summary = dict(record)
        self._files, self._finish, self._measured = dict(files), finish, measured

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of it, as the command says it."""
        return tuple(
            str(self.summary[key]) for key in ("note", "warnings") if self.summary.get(key)
        )

    @property
    def probability(self) -> Any:
        """A row a step: ``onset`` (s from the first sample), ``probability``, ``state`` (1: positive)."""
        return _table(self._file("_probability.tsv"), "state")

    @property
    def events(self) -> Any:
        """A row an event: ``onset``, ``duration`` (s), ``trial_type``, ``probability_max`` and ``_mean``."""
        return _table(self._file("_events.tsv"))

    @property
    def annotations(self) -> Any:
        """The events as `mne.Annotations`, in the time of the recording as MNE reads it.

        ``raw.set_annotations(found.annotations)`` shows them; ``raw.annotations + found.annotations`` too,
        where a Raw was given.
        """
        import mne

        lines = self._file("_annot.txt").decode().splitlines()
        rows = [line.split(",", 2) for line in lines if not line.startswith("#")]
        onset, duration = (np.array([float(row[i]) for row in rows]) for i in (0, 1))
        start, first = self._measured or (None, 0.0)
        return mne.Annotations(
            onset + (first if start is not None else 0.0), duration, [r[2] for r in rows], start
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the probability with its threshold and the events; return the matplotlib figure.

        Args:
            ax: Axes to draw on; None for a figure of its own.
        """
        from memcell.reports.matplotlib_style import COLOURS, GREY, finish

        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots(figsize=(9, 3), layout="constrained")
        onset, p = self.probability["onset"], self.probability["probability"]
        onset, p = np.asarray(onset, dtype=float), np.asarray(p, dtype=float)
        unit, seconds = ("min", 60.0) if len(onset) and onset[-1] > 600 else ("s", 1.0)
        if len(onset) > self._DRAWN:  # the largest of each part: no event is lost
            edges = np.linspace(0, len(onset), self._DRAWN + 1).astype(int)[:-1]
            onset, p = onset[edges], np.maximum.reduceat(p, edges)
        ax.plot(onset / seconds, p, color=COLOURS[0], linewidth=0.8)
        ax.axhline(self.threshold, color=GREY, linewidth=0.8, linestyle="--")
        events = self.events
        for begin, length in zip(events["onset"], events["duration"], strict=True):
            ax.axvspan(
                begin / seconds,
                (begin + length) / seconds,
                color=COLOURS[1],
                alpha=0.3,
                linewidth=0,
            )
        ax.set_ylim(0, 1)
        finish(ax, self.name, unit, "probability")
        return ax.figure

    def save(self, folder: Path | str) -> Path:
        """Write the bytes that ``memcell predict`` writes, with a report without views; return the folder.

        Args:
            folder: Where; results of other recordings of the same model may lie there.

        Raises:
            UsageError: It holds results of this recording's name.
        """
        out = Path(folder)
        if layout_of(out).desc:
            raise UsageError(f"'{out}' holds BIDS derivatives: save to another folder")
        make_folder(out)
        taken = [name for name in self._files if (out / name).exists()]
        if taken:
            raise UsageError(f"'{out}' holds {taken[0]} already: save to another folder")
        for name, content in self._files.items():
            write_atomic(out / name, content)
        outputs.write_summary(out, self._records(out))
        self._finish(out)
        return out

    def _records(self, out: Path) -> Sequence[Record]:
        """Return the rows of all recordings of a folder."""
        found = []
        for path in sorted(out.glob("*_events.json")):
            sidecar = outputs.read_sidecar(path)
            if sidecar is not None:
                name = path.name.removesuffix("_events.json")
                own = {"recording": name, "file": sidecar["GeneratedBy"].get("file", "")}
                found.append({**sidecar["Summary"], **own, "status": "done"})
        return found

    def _file(self, ending: str) -> bytes:
        return self._files[f"{self.name}{ending}"]

    def __repr__(self) -> str:
        n, hours = self.summary["events"], self.summary["hours"]
        return f"<{n} event{'s'[: n != 1]} in {hours:.2f} h of '{self.name}'>"


def _table(content: bytes, *whole: str) -> Any:
    """Return a tab-separated table by columns.

    Args:
        content: The bytes of its file.
        whole: Columns of whole numbers.
    """
    head, *lines = content.decode().splitlines()
    rows, names = [line.split("\t") for line in lines], head.split("\t")
    columns: dict[str, Any] = {}
    for i, name in enumerate(names):
        values = [row[i] for row in rows]
        kind: Any = str if name in _TEXTS else int if name in whole else float
        columns[name] = np.array(values, dtype=object if kind is str else kind)
    if importlib.util.find_spec("pandas") is not None:
        import pandas

        return pandas.DataFrame(columns)
    table = np.empty(len(rows), dtype=[(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        table[name] = values
    return table
