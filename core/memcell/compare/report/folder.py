"""A comparison as its folder has it, complete or not: plan, records, missing runs."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memcell.compare.declared import DRAWS, OUTCOMES, PEOPLE, TRAININGS
from memcell.compare.records import RunRecord, Scores, check_layout
from memcell.errors import DataError, RunFolderError
from memcell.files.reading import read_json, read_object, refusing, subfolders
from memcell.runs.tables import with_fields

#: The only value of the only axis, where nothing is varied.
ONLY = "only"

#: One value for each axis, in the order of the axes.
Key = tuple[str, ...]


#: Unit of the loss of classes.
NATS = "nats"


@dataclass(frozen=True)
class AxisValues:
    """What is varied (``"policy"``) and its values; the first is the reference."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Primary:
    """The outcome that decides, as `memcell.compare.declared` has it.

    Args:
        outcome: ``score``, ``validation_loss`` or ``updates``.
        inference: The inference policy that it is taken under; ``own``: each setting's own.
        population: ``draws``, ``people`` or ``trainings``.
    """

    outcome: str
    inference: str
    population: str


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The scores of a baseline, as ``baselines.json`` has them; see `memcell.applications.app.Row`."""

    name: str
    scores: Scores
    note: str = ""
    subjects: Mapping[str, Scores] = field(default_factory=dict)
    deployable: bool = True


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison as it lies in its folder.

    Args:
        folder: Where.
        app: Name of the app.
        axes: In order.
        seeds: As planned.
        commands: What to type to do it again, one after the other.
        main_score: Larger is better.
        shown_scores: Those that fit on a screen.
        n_classes: Classes of a step; a diverged run counts with the loss of guessing among them.
        chance_loss: That loss, where steps have no classes; else None.
        loss_unit: ``"nats"``, or what an error of values is measured in.
        targets: What ``--target-loss`` said, the first first; empty where it said nothing.
        primary: What was declared before the first run; None in a folder of a version that declared nothing.
        drawn: Simulated data are drawn anew for each seed.
        simulated: The data are.
        limits: What it cannot answer, found before it ran.
        declared_seeds: Seeds that it began with; 0 where that is not known.
        notes: Notes that every output carries.
        records: Of the runs that ended, one for each setting and seed.
        begun: Folders under ``runs/`` without a record.
        damaged: What cannot be read, and why.
        splits: ``train``, ``valid``, ``test`` to what is in them.
        baselines: As the app gave them.
        environments: Run id to the ``environment.json`` of its folder.
    """

    folder: Path
    app: str
    axes: tuple[AxisValues, ...]
    seeds: tuple[int, ...]
    commands: tuple[str, ...]
    main_score: str
    n_classes: int
    chance_loss: float | None
    loss_unit: str
    shown_scores: tuple[str, ...] = ()
    targets: tuple[float, ...] = ()
    primary: Primary | None = None
    drawn: bool = False
    simulated: bool = False
    limits: tuple[str, ...] = ()
    declared_seeds: int = 0
    notes: tuple[str, ...] = ()
    records: tuple[RunRecord, ...] = ()
    begun: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    splits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    baselines: tuple[Baseline, ...] = ()
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def settings(self) -> list[Key]:
        """Every combination of the axes' values, the first axis slowest."""
        return list(itertools.product(*(axis.values for axis in self.axes)))

    def key(self, record: RunRecord) -> Key:
        """Return the setting of a run."""
        return tuple(
            str(record.setting.get(axis.name, ONLY if axis.values == (ONLY,) else ""))
            for axis in self.axes
        )

    @property
    def counted(self) -> dict[tuple[Key, int], RunRecord]:
        """The runs that count, by setting and seed: those that trained to their end, diverged, or failed.

        In a folder of a version that declared nothing, those that failed are missing.
        """
        counts = (
            ("done", "diverged", "failed") if self.primary is not None else ("done", "diverged")
        )
        return {(self.key(r), r.seed): r for r in self.records if r.status in counts}

    @property
    def missing(self) -> list[tuple[Key, int]]:
        """Settings and seeds that were planned and do not count."""
        there = self.counted
        pairs = itertools.product(self.settings, self.seeds)
        return [pair for pair in pairs if pair not in there]


def read_comparison(folder: Path) -> Comparison:
    """Read a comparison's folder.

    Raises:
        DataError: It is none: ``comparison.json`` is missing.
        RunFolderError: Or it is damaged; says how.
    """
    plan = _plan(folder / "comparison.json")
    with refusing(folder / "comparison.json"):
        return _read(folder, plan)


def _read(folder: Path, plan: Mapping[str, Any]) -> Comparison:
    damaged: list[str] = []
    records, begun, environments = [], [], {}
    for run in subfolders(folder, "runs/*"):
        try:
            if os.path.lexists(run / "record.json"):
                records.append(RunRecord.read(run / "record.json"))
                environments[run.name] = read_object(run / "environment.json")
            else:
                begun.append(run.name)
        except DataError as error:
            damaged.append(str(error))
    try:
        baselines = _baselines(folder / "baselines.json")
    except DataError as error:
        baselines = ()
        damaged.append(str(error))
    notes = [*plan.get("notes", ()), *(note for r in records for note in r.notes)]
    return Comparison(
        folder=folder,
        app=str(plan.get("app", "")),
        axes=_axes(plan, folder),
        seeds=tuple(int(seed) for seed in plan["seeds"]),
        commands=tuple(map(str, plan.get("commands") or [plan.get("command", "")])),
        main_score=str(plan.get("main_score") or _first_score(records)),
        n_classes=int(plan.get("n_classes") or 2),
        loss_unit=str(plan.get("loss_unit") or NATS),
        chance_loss=None if plan.get("chance_loss") is None else float(plan["chance_loss"]),
        shown_scores=tuple(map(str, plan.get("shown_scores", ()))),
        splits={k: dict(v) for k, v in plan.get("splits", {}).items()},
        targets=_targets(plan),
        primary=_primary(plan),
        drawn=plan.get("draw_data") == "per-seed",
        simulated=plan.get("simulated") is True,
        limits=tuple(map(str, plan.get("limits", ()))),
        declared_seeds=int(plan.get("declared_seeds") or 0),
        notes=tuple(dict.fromkeys(notes)),
        records=tuple(records),
        begun=tuple(begun),
        damaged=tuple(damaged),
        baselines=baselines,
        environments=environments,
    )


def _plan(path: Path) -> dict[str, Any]:
    if not os.path.lexists(path):
        raise DataError(
            f"'{path.parent}' is no folder of a comparison: it has no {path.name}. "
            f"Make one with: memcell compare APP --out {path.parent}"
        )
    plan = read_object(path)
    check_layout(plan, path.parent)
    if "axes" not in plan or "seeds" not in plan:
        raise RunFolderError(f"'{path}' does not say axes and seeds: it is no plan of a comparison")
    return plan


def _axes(plan: Mapping[str, Any], folder: Path) -> tuple[AxisValues, ...]:
    with refusing(folder / "comparison.json"):
        axes = tuple(AxisValues(str(a["name"]), tuple(map(str, a["values"]))) for a in plan["axes"])
        if not all(axis.values for axis in axes):
            raise TypeError("an axis has no values")
        return axes or (AxisValues("setting", (ONLY,)),)


def _targets(plan: Mapping[str, Any]) -> tuple[float, ...]:
    found = plan.get("target_losses") or [plan.get("target_loss")]
    return tuple(float(t) for t in found if isinstance(t, int | float))


def _primary(plan: Mapping[str, Any]) -> Primary | None:
    found = plan.get("primary")
    if found is None:
        return None
    declared = Primary(
        outcome=str(found["outcome"]),
        inference=str(found["inference"]),
        population=str(found.get("population") or TRAININGS),
    )
    if declared.outcome not in OUTCOMES or declared.population not in (DRAWS, PEOPLE, TRAININGS):
        raise ValueError(f"a primary outcome that is none: {declared.outcome[:40]}")
    return declared


def _first_score(records: Sequence[RunRecord]) -> str:
    return next((name for r in records for scores in r.scores.values() for name in scores), "score")


def _baselines(path: Path) -> tuple[Baseline, ...]:
    found = _json(path, [])
    with refusing(path):
        return tuple(
            Baseline(
                name=str(row["name"]),
                scores=_numbers(row.get("scores", {})),
                note=str(row.get("note") or ""),
                subjects={k: _numbers(v) for k, v in (row.get("subjects") or {}).items()},
                deployable=row["deployable"] is not False,
            )
            for row in map(with_fields, found)
        )


def _numbers(scores: Mapping[str, Any]) -> dict[str, float]:
    return {k: float("nan") if v is None else float(v) for k, v in scores.items()}


def _json(path: Path, missing: Any) -> Any:
    return read_json(path) if os.path.lexists(path) else missing
