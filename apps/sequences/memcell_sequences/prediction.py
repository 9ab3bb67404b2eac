"""Predictions for files of sequences: ``NAME.tsv`` with a row a step, and ``summary.tsv``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.prediction import Infer, PredictionRequest, Probabilities, Record
from memcell.errors import DataError, DiskError, MemcellError, UsageError
from memcell.escape import table
from memcell.files.atomic import make_folder, write_atomic
from memcell.files.names import file_names
from memcell.interrupt import Interrupted
from memcell.sequences.time_series import TimeSeries
from memcell_sequences.preparing import InputPlan, names_of, series
from memcell_sequences.reading import ENDINGS, FileColumns, files_of, read_table
from memcell_sequences.selecting import RawSequence, select
from memcell_sequences.targets import TargetPlan

_COLUMNS = ("recording", "status", "steps", "segments", "reason")


@dataclass(frozen=True, kw_only=True)
class SequenceFile:
    """A file to predict.

    Args:
        name: What its results are called.
        path: Where it lies.
    """

    name: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Plans:
    """What a trained network knows of the form of its data.

    Args:
        inputs: How features are made.
        target: What its outputs are.
    """

    inputs: InputPlan
    target: TargetPlan

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Plans:
        """Return what the facts of a run say.

        Raises:
            UsageError: They are not of a run of this app.
        """
        if facts.get("app") != "sequences":
            raise UsageError("the model is not of app 'sequences'")
        return cls(
            inputs=InputPlan.of_facts(facts["inputs"]), target=TargetPlan.of_facts(facts["target"])
        )

    def raw(self, table: FileColumns, name: str) -> RawSequence:
        """Return what a file holds."""
        return select(table, self.inputs.roles, name, targeted=False)

    def series(self, raw: RawSequence) -> TimeSeries:
        """Return it as the network takes it."""
        return series(raw, self.inputs, self.target, targeted=False)


class SequencePredictor:
    """Writes a table of predictions for each file, and a summary.

    Args:
        request: The trained network, its facts, and the folder.

    Raises:
        UsageError: The facts are not of a run of this app.
    """

    imports: tuple[str, ...] = ("memcell_sequences.prediction",)

    def __init__(self, request: PredictionRequest) -> None:
        self._plans = Plans.of(request.facts)
        self._model = str(request.facts.get("model_id", ""))
        self._out = request.out

    def find(self, paths: Sequence[str]) -> list[SequenceFile]:
        """Return the files that files, folders and globs stand for.

        Raises:
            DataError: A path does not exist, or holds none.
        """
        found: list[Path] = []
        for typed in paths:
            path = Path(typed).expanduser()
            if path.is_dir():
                found += [p for p in files_of(path) if not p.is_relative_to(self._out.absolute())]
            elif path.is_file():
                found.append(path)
            elif matched := _matched(path):
                found += matched
            else:
                raise DataError(f"'{typed}' does not exist: type a file, a folder or a glob")
        for path in found:
            if path.suffix.lower() not in ENDINGS:
                raise DataError(
                    f"'{path.name}' is no file of a sequence; expected one that ends in {', '.join(ENDINGS)}"
                )
        whole = list(dict.fromkeys(p.absolute() for p in found))
        names = names_of(whole, Path(whole[0].anchor))
        return [
            SequenceFile(name=name, path=path)
            for name, path in zip(file_names(names), whole, strict=True)
        ]

    def one(self, item: SequenceFile, infer: Infer) -> Record:
        """Predict one file, or return the record of existing results."""
        base = {"recording": item.name, "file": str(item.path)}
        try:
            state = item.path.stat()
            origin = {"file": str(item.path), "model": self._model, "size": state.st_size,
                      "changed": state.st_mtime_ns}  # fmt: skip
            about = self._out / f"{item.name}.json"
            kept = _kept(about, origin)
            if kept is not None and (self._out / f"{item.name}.tsv").is_file():
                return {**base, **kept, "status": "done before"}
            raw = self._plans.raw(read_table(item.path), item.name)
            sequence = self._plans.series(raw)
            outputs = infer(sequence)
            about.unlink(missing_ok=True)
            write_atomic(self._out / f"{item.name}.tsv", table(rows_of(self._plans, raw, outputs)))
            record = {"steps": sequence.n_steps, "segments": len(sequence.breaks) + 1}
            write_atomic(about, json.dumps({"origin": origin, "record": record}, indent=1) + "\n")
        except (DiskError, Interrupted):
            raise
        except (MemcellError, OSError) as error:
            return {**base, "status": "failed", "reason": str(error)}
        except Exception as error:
            # one strange file among many must not lose the others; its kind of error is named
            return {**base, "status": "failed", "reason": f"{type(error).__name__}: {error}"}
        return {**base, **record, "status": "done"}

    def finish(self, records: Sequence[Record]) -> None:
        """Write the summary."""
        make_folder(self._out)
        rows = [list(_COLUMNS), *([str(r.get(c, "n/a")) for c in _COLUMNS] for r in records)]
        write_atomic(self._out / "summary.tsv", table(rows))


def _matched(path: Path) -> list[Path]:
    """Return the files that a glob stands for."""
    return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def rows_of(plans: Plans, raw: RawSequence, outputs: Probabilities) -> list[list[str]]:
    """Return the table of a sequence: step, time where it has one, and what the network says."""
    plan = plans.target
    timed = raw.times is not None
    heads = ["step", *(["time"] if timed else []), *columns_of(plan)]
    rows = [heads]
    decided = decisions(plan, outputs)
    for t in range(len(outputs)):
        row = [str(t)]
        if raw.times is not None:
            row.append(f"{raw.times[t]:.10g}")
        if decided is not None:
            row.append(str(decided[t]))
        rows.append([*row, *(f"{v:.6g}" for v in outputs[t].tolist())])
    return rows


def columns_of(plan: TargetPlan) -> list[str]:
    """Return the heads of what a network says."""
    if plan.kind == "values":
        return list(plan.names)
    columns = [f"p_{name}" for name in plan.outputs]
    if plan.kind == "labels":
        return columns
    return [("next_" if plan.kind == "next" else "") + plan.names[0], *columns]


def decisions(plan: TargetPlan, outputs: Probabilities) -> NDArray[Any] | None:
    """Return the name of the most probable class at each step; None where there are no classes."""
    if plan.kind not in ("classes", "next"):
        return None
    names = np.array(plan.classes if plan.words else [int(n) for n in plan.classes])
    return np.asarray(names[outputs.argmax(axis=1)])


def _kept(about: Path, origin: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        found = json.loads(about.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("origin") != origin:
        return None
    record = found.get("record")
    return record if isinstance(record, dict) else None
