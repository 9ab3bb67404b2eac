"""What a detector found in a recording: the files of ``memcell predict`` as tables, annotations, a figure."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from memcell.applications.prediction import Record
from memcell.errors import UsageError
from memcell.files.atomic import make_folder, write_atomic
from memcell_data.tables.bids import entities_of
from memcell_eeg.export import outputs
from memcell_eeg.export.layout import check_own, choose_layout, describe, layout_of
from memcell_eeg.prediction.bids_names import bids_names, sources_of

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

    def save(self, folder: Path | str, layout: str = "auto") -> Path:
        """Write the bytes that ``memcell predict`` writes, with a report without views; return the folder.

        Args:
            folder: Where; results of other recordings of the same model may lie there.
            layout: As ``memcell predict --layout``: ``"bids"``, ``"flat"``, or ``"auto"`` as lies there,
                else BIDS derivatives.

        Raises:
            UsageError: It holds results of this recording's name.
            DataError: It holds results in the other layout, or a data set of somebody else's.
        """
        out = Path(folder).absolute()
        sidecar = json.loads(self._file(outputs.SIDECAR))
        made, label = sidecar["GeneratedBy"], next(iter(sidecar["trial_type"]["Levels"]))
        file = Path(str(made.get("file") or self.name)).absolute()
        check_own(out, label)
        chosen, _ = choose_layout(out, layout, [file], label)
        place = self._place(out, file) if chosen.desc else self.name
        paths = {name: chosen.path(place, name.removeprefix(self.name)) for name in self._files}
        taken = next((path.name for path in paths.values() if path.exists()), "")
        if taken:
            raise UsageError(f"'{out}' holds {taken} already: save to another folder")
        make_folder(out)
        if chosen.desc:
            app = str(made.get("Name", "")).removeprefix("memcell ")
            sources = sources_of([file]) if file.is_file() else []
            describe(chosen, app, str(made.get("model_id", "")), sources)
        for name, path in paths.items():
            make_folder(path.parent)
            if name.endswith(outputs.SIDECAR) and chosen.desc:
                outputs.describe_probabilities(chosen, place, made)
                first = {"recording": self.name, "file": made.get("file", ""), "results": place}
                if entities_of(file) is not None:  # as the command calls it
                    first = {"recording": place, "file": first["file"]}
                record = {
                    **first,
                    **{k: v for k, v in sidecar["Summary"].items() if k not in first},
                }
                outputs.write_sidecar(path, made, record, label, outputs.about(label))
            else:
                write_atomic(path, self._files[name])
        outputs.write_summary(out, self._records(out))
        self._finish(out)
        return out

    def _place(self, out: Path, file: Path) -> str:
        """Return what the results are called as BIDS derivatives of a folder."""
        known = outputs.names_known(out).results
        named = file if entities_of(file) is not None else file.with_name(self.name + file.suffix)
        (place,) = bids_names([named], {p: name for p, name in known.items() if p != named})
        return place

    def _records(self, out: Path) -> Sequence[Record]:
        """Return the rows of all recordings of a folder."""
        found, layout = [], layout_of(out)
        for path in layout.all(outputs.SIDECAR):
            sidecar = outputs.read_sidecar(path)
            if sidecar is not None:
                place = layout.name(path, outputs.SIDECAR)
                own = {"recording": place, "file": sidecar["GeneratedBy"].get("file", "")}
                found.append({**own, **sidecar["Summary"], "status": "done"})
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
