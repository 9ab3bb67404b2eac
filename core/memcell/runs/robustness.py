"""A network under other conditions: the test recordings read again as another device would have them.

::

    RUN/robustness/predictions.npz   probabilities under each condition, and as recorded
    RUN/robustness/about.json        the conditions, what was refused under them, the worst in a sentence; or
                                     why it was not done
    RUN/robustness.tsv               scores and differences

A run of folds has the same, pooled over who was held out.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from memcell.applications.app import (
    App,
    ModelPredictions,
    Pooling,
    Probabilities,
    Row,
    Task,
    smaller_is_better,
)
from memcell.applications.conditions import Condition, Disturbing, Peer
from memcell.errors import DataError, MemcellError
from memcell.escape import table
from memcell.files.atomic import make_folder, write_atomic
from memcell.files.reading import read_object, refusing
from memcell.interrupt import Interrupted
from memcell.progress import progress
from memcell.runs.by_subject import ENOUGH, Mean, cell
from memcell.runs.folds.pool import scores_by_subject
from memcell.runs.predictions import read_predictions, write_predictions
from memcell.runs.tables import format_score, laid_out
from memcell.sequences.time_series import TimeSeries
from memcell.statistics.bootstrap import NONE, Interval

FOLDER = "robustness"
TABLE = "robustness.tsv"
AS_RECORDED = "as recorded"
#: A difference in a score that nobody minds.
NOTHING = 0.0005

#: Probabilities of sequences.
Predict = Callable[[Sequence[TimeSeries]], Sequence[Probabilities]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConditionScore:
    """One score of one model under one condition.

    Args:
        condition: Its name.
        row: The model; of its scores none.
        score: Name of the score.
        value: Pooled; NaN where nothing could be scored.
        interval: 95 % over people, as of every pooled score.
        before: The same score as recorded, on the same recordings.
        change: Differences of people, their mean with its interval.
        refused: Why recordings are missing.
    """

    condition: str
    row: Row
    score: str
    value: float
    interval: Interval
    before: float
    change: Mean
    refused: tuple[str, ...]

    @property
    def difference(self) -> float:
        """The pooled score less that as recorded."""
        return self.value - self.before

    @property
    def worse_by(self) -> float:
        """By how much the score is worse than as recorded."""
        return self.difference if smaller_is_better(self.score) else -self.difference


def measure(
    app: App,
    task: Task,
    own: Row,
    rows: Sequence[Row],
    predict: Predict,
    path: Path,
    required: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> list[ConditionScore]:
    """Score a network under other conditions, and write what came of it into its folder.

    Args:
        app: The app; one that can change no recording has nothing done.
        task: Its test sequences are scored.
        own: The network's row, under the policy that it is used with.
        rows: All of the table: the baseline that is held beside it is one of them.
        predict: The network under that policy.
        path: The run folder.
        required: Whatever the app says of doing it of its own accord.
        stop: Whether the person asked to stop.

    Raises:
        Interrupted: The person did.
    """
    if not (isinstance(app, Disturbing) and isinstance(app, Pooling)) or not task.test:
        return []
    why = "" if required else app.why_undisturbed(task)
    conditions: Sequence[Condition] = ()
    if not why:
        try:
            conditions = app.conditions(task)
            made, refused = _predicted(app.peer(task, rows), task, conditions, own, predict, stop)
        except MemcellError as error:  # what is trained and scored is not lost for it
            if isinstance(error, Interrupted) or required:
                raise
            why, conditions = str(error), ()
    if not conditions:
        return not_measured(
            path, why or "nothing can happen to these recordings: they have no signal"
        )
    make_folder(path / FOLDER)
    write_predictions(path / FOLDER, made)
    _write_about(path, "", refused)
    return write_table(app, [path], path)


def not_measured(path: Path, why: str) -> list[ConditionScore]:
    """Write why a run is not scored under other conditions; return no score."""
    make_folder(path / FOLDER)
    _write_about(path, why, {})
    (path / TABLE).unlink(missing_ok=True)
    return []


def _predicted(
    peer: Peer | None,
    task: Task,
    conditions: Sequence[Condition],
    own: Row,
    predict: Predict,
    stop: Callable[[], bool],
) -> tuple[list[Row], dict[str, tuple[str, ...]]]:
    """Return a row for each model and condition, which is its note, and what was refused under each."""
    models = [(own, predict)]
    if peer is not None:
        model = peer.model
        models.append((peer.row, lambda sequences: [model(s) for s in sequences]))
    made = []
    for row, _ in models:
        at = {s.name: (s, p) for part in row.predictions
              for s, p in zip(part.sequences, part.probabilities, strict=True)}  # fmt: skip
        if new := [s.name for s in task.test if s.name not in at]:
            raise DataError(
                f"the run was not tested on {', '.join(new[:5])}: recordings came since, or are called "
                "otherwise; give back those of its split.tsv"
            )
        there = [at[s.name] for s in task.test]
        made.append(_row(row, AS_RECORDED, [s for s, _ in there], [p for _, p in there]))
    refused = {}
    with progress("robustness", len(conditions)) as shown_progress:
        for condition in conditions:
            if stop():
                raise Interrupted("stopped while the network was scored under other conditions")
            changed = condition.make()
            refused[condition.name] = changed.refused
            for row, predicted in models:
                if changed.sequences:
                    found = predicted(changed.sequences)
                    made.append(_row(row, condition.name, changed.sequences, found))
            shown_progress.advance(1, condition.name)
    return made, refused


def _row(
    row: Row, condition: str, sequences: Sequence[TimeSeries], found: Sequence[Probabilities]
) -> Row:
    # sequences are kept by their names, and those of two conditions differ
    named = tuple(dataclasses.replace(s, name=f"{condition}/{s.name}") for s in sequences)
    part = ModelPredictions(
        sequences=named, probabilities=tuple(found), decision=row.predictions[0].decision
    )
    return dataclasses.replace(row, note=condition, scores={}, subjects={}, predictions=(part,))


def write_table(app: object, folders: Sequence[Path], path: Path) -> list[ConditionScore]:
    """Write ``robustness.tsv`` of what `measure` has left in some folders, pooled.

    Args:
        app: Pools scores.
        folders: Of a run, or of each of its folds; one that has nothing leaves all without.
        path: Where the table goes.
    """
    if not (isinstance(app, Disturbing) and isinstance(app, Pooling)):
        return []
    abouts = [about(folder) for folder in folders]
    if why := next((a["why"] for a in abouts if a["why"] or not a["conditions"]), None):
        return not_measured(path, why)
    found: dict[tuple[str, str], list[Row]] = {}
    for folder in folders:
        for row in read_predictions(folder / FOLDER):
            found.setdefault((row.note, row.name), []).append(row)
    refused: dict[str, tuple[str, ...]] = {}
    for each in abouts:
        for name, lines in each["conditions"].items():
            refused[name] = (*refused.get(name, ()), *lines)
    outcomes = list(_outcomes(app, app.compared, found, refused))
    make_folder(path / FOLDER)
    write_atomic(path / TABLE, _tsv(outcomes))
    _write_about(path, "", refused, in_words(outcomes))
    return outcomes


def _outcomes(
    app: Pooling,
    compared: Sequence[str],
    found: Mapping[tuple[str, str], Sequence[Row]],
    refused: Mapping[str, tuple[str, ...]],
) -> Iterator[ConditionScore]:
    models = {name: rows[0] for (_, name), rows in found.items()}
    there_are = {n for name in models for n in app.pooled(_parts(found[AS_RECORDED, name]))}
    compared = [score for score in compared if score in there_are]
    for condition in (AS_RECORDED, *refused):
        for name, row in models.items():
            parts = _parts(found.get((condition, name), ()))
            there = {_own_name(s, condition) for p in parts for s in p.sequences}
            before = _parts(found[AS_RECORDED, name], there)
            now, then = (app.pooled(p) if p else {} for p in (parts, before))
            each, each_then = scores_by_subject(app, parts), scores_by_subject(app, before)
            between = app.intervals(parts) if len(each) >= ENOUGH else {}
            for score in compared:
                yield ConditionScore(
                    condition=condition,
                    row=row,
                    score=score,
                    value=float(now.get(score, math.nan)),
                    interval=between.get(score, NONE),
                    before=float(then.get(score, math.nan)),
                    change=Mean.of(
                        each[u].get(score, math.nan) - each_then[u].get(score, math.nan)
                        for u in each
                    ),
                    refused=refused.get(condition, ()),
                )


def _own_name(sequence: TimeSeries, condition: str) -> tuple[str, str]:
    """Return a sequence's own name and subject, without the condition."""
    return sequence.name.removeprefix(f"{condition}/"), sequence.subject


def _parts(
    rows: Sequence[Row], only: Container[tuple[str, str]] | None = None
) -> tuple[ModelPredictions, ...]:
    """Return the parts of rows, of some sequences only where these are given."""
    parts = []
    for part, condition in ((p, row.note) for row in rows for p in row.predictions):
        kept = [
            (s, p)
            for s, p in zip(part.sequences, part.probabilities, strict=True)
            if only is None or _own_name(s, condition) in only
        ]
        if kept:
            sequences, probabilities = zip(*kept, strict=True)
            parts.append(
                ModelPredictions(
                    sequences=sequences, probabilities=probabilities, decision=part.decision
                )
            )
    return tuple(parts)


def _tsv(outcomes: Sequence[ConditionScore]) -> str:
    heads = (
        "condition name kind score value low high as_recorded difference mean_difference mean_low mean_high "
        "subjects refused"
    )
    lines = [heads.split()]
    for o in outcomes:
        values = [o.value, *o.interval, o.before, o.difference, o.change.value, *o.change.interval]
        refused = "; ".join(o.refused) or "n/a"
        lines.append(
            [o.condition, o.row.name, o.row.kind, o.score, *map(cell, values), str(o.change.n), refused]
        )  # fmt: skip
    return table(lines)


def worst(outcomes: Sequence[ConditionScore]) -> ConditionScore | None:
    """Return the condition under which the network loses most in the main score; None without any."""
    first = next((o for o in outcomes), None)
    if first is None:
        return None
    mine = [
        o
        for o in outcomes
        if o.row.kind == "network" and o.score == first.score and o.condition != AS_RECORDED
    ]
    known = [o for o in mine if math.isfinite(o.difference)]
    return max(known, key=lambda o: o.worse_by, default=None)


def as_text(outcomes: Sequence[ConditionScore]) -> str:
    """Return the network under each condition as a table for a screen, with the baseline's main score."""
    scores = list(dict.fromkeys(o.score for o in outcomes))[:2]
    names = list(dict.fromkeys(o.condition for o in outcomes))
    models = list(dict.fromkeys(o.row.name for o in outcomes))
    at = {(o.condition, o.row.name, o.score): o for o in outcomes}
    columns = []
    for model in models:
        for score in scores if model == models[0] else scores[:1]:
            found = [at[name, model, score] for name in names]
            head = score.replace("_", " ")
            columns.append(
                (
                    head if model == models[0] else f"{head}, {model}",
                    [format_score(o.value) for o in found],
                )
            )
            if model == models[0]:
                columns.append(("differ- ence", [_signed(o) for o in found]))
    of = [_of_whom(at[name, models[0], scores[0]], outcomes) for name in names]
    return laid_out([(name + more,) for name, more in zip(names, of, strict=True)], columns)


def _of_whom(outcome: ConditionScore, outcomes: Sequence[ConditionScore]) -> str:
    """Return how many people stand behind a score, where they are not all of them."""
    everybody = outcomes[0].change.n
    few = outcome.refused and 0 < outcome.change.n < everybody
    return f" ({outcome.change.n} of {everybody} people)" if few else ""


def _signed(outcome: ConditionScore) -> str:
    if outcome.condition == AS_RECORDED:
        return ""
    if math.isnan(outcome.difference):
        return "-"
    return f"{0.0 if abs(outcome.difference) < NOTHING else outcome.difference:+.3f}"


def in_words(outcomes: Sequence[ConditionScore]) -> list[str]:
    """Return the worst in a sentence; nothing without outcomes."""
    lowest = worst(outcomes)
    if lowest is None:
        return []
    name = lowest.score.replace("_", " ")
    scored = {o.condition for o in outcomes if math.isfinite(o.value)} - {AS_RECORDED}
    if lowest.worse_by < NOTHING:
        sentence = f"{name} is no worse under any of {len(scored)} conditions"
    else:
        sentence = (
            f"of {len(scored)} conditions, {lowest.condition}{_of_whom(lowest, outcomes)} costs most: {name} "
            f"{format_score(lowest.before)} as recorded, {format_score(lowest.value)} then"
        )
    return [f"robustness: {sentence}; {TABLE} has all"]


def lines_of(path: Path, app: str) -> list[str]:
    """Return what a person is told of a run under other conditions, or how to have it told.

    Args:
        path: The run folder.
        app: Name of its app.
    """
    if not (path / FOLDER / "about.json").is_file():
        return []
    found = about(path)
    if found["why"]:
        return [
            f"robustness: not measured, {found['why']}: memcell evaluate {app} {path} --robustness"
        ]
    return list(found["lines"])


def about(path: Path) -> dict[str, Any]:
    """Return what a run folder says of its conditions.

    Returns:
        ``why`` there are none; ``conditions``, name to what was refused under it; ``lines`` for a person.

    Raises:
        RunFolderError: The file is damaged.
    """
    file = path / FOLDER / "about.json"
    if not file.is_file():
        return {"why": "a version did the run that could not", "conditions": {}, "lines": ()}
    found = read_object(file)
    with refusing(file):
        conditions = {str(k): tuple(map(str, v)) for k, v in found["conditions"].items()}
        lines = tuple(map(str, found["lines"]))
        return {"why": str(found["why"]), "conditions": conditions, "lines": lines}


def _write_about(
    path: Path, why: str, refused: Mapping[str, Sequence[str]], lines: Sequence[str] = ()
) -> None:
    conditions = {name: list(reasons) for name, reasons in refused.items()}
    content = {"why": why, "conditions": conditions, "lines": list(lines)}
    write_atomic(path / FOLDER / "about.json", json.dumps(content, indent=1) + "\n")
