"""Running a trained network over recordings that training never saw: one, or ten thousand."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from memcell.applications.prediction import FoundRecording, Predictor, Record, Remarking
from memcell.backends.precision import mixed_if_faster
from memcell.errors import CheckpointError, DiskError, UsageError
from memcell.files.atomic import make_folder, write_atomic
from memcell.files.reading import subfolders
from memcell.interrupt import Interrupted
from memcell.jobs import Mode, Outcome, run_tasks
from memcell.plugins import default_registry
from memcell.progress import Progress, progress
from memcell.reports.numbers import counted
from memcell.runs.predict_task import (
    LoadedModel,
    PredictionOptions,
    PredictTask,
    do_recording,
    opened_model,
)
from memcell.runs.predict_task import model_id as model_id
from memcell.runs.reporting import try_report, write_prediction
from memcell.runs.run_folder import RunFolder, train_on_everybody
from memcell.runs.setup import Say

#: Failures and notes that are printed; all of them stand in the summary.
MOST_FAILURES = 20


def predict(
    app: str,
    paths: list[str],
    run: Path,
    out: Path,
    say: Say,
    *,
    eval_policy: str = "auto",
    causal: bool = False,
    mixed_precision: bool = False,
    options: Mapping[str, Any] | None = None,
    mode: Mode | None = None,
    named: str = "",
) -> int:
    """Predict; a broken recording is named and the others go on, and what is done is not done again.

    Args:
        app: Name of the app.
        paths: Files, folders and globs.
        run: The run folder of the model.
        out: Folder for the results.
        say: Receives lines for the person.
        eval_policy: ``"carry"``, ``"reset"``, or ``"auto"`` for what the run was trained for.
        causal: Nothing may depend on what comes after it: memory is carried as a stream carries it.
        mixed_precision: The recurrent layers in bfloat16, where that is faster; said where it is not.
        options: Of the app's ``predict_config``.
        mode: Where recordings are done; the results do not depend on it.
        named: What is typed for the run, where that is not its path.

    Returns:
        1 where any recording failed, else 0.

    Raises:
        UsageError: ``causal`` and a memory that restarts, or what the app says to what is asked.
        CheckpointError: ``run`` has no model of the app.
        Interrupted: The person asked to stop; the same command goes on.
        MemcellError: The results cannot be written; what was done is kept.
    """
    mode = mode or Mode()
    if causal and eval_policy == "reset":
        raise UsageError("--causal carries memory on: leave out --eval-policy reset")
    request = PredictionOptions(
        app=app,
        run=str(run.absolute()),
        digest=digest_of(run),
        out=str(out.absolute()),
        policy="carry" if causal else eval_policy,
        causal=causal,
        options=json.dumps(dict(options or {}), sort_keys=True),
        mixed_precision=mixed_precision,
    )
    opened = opened_model(request)
    say_precision(request, opened, say)
    items = list(opened.predictor.find(paths))
    say_remarks(opened.predictor, say)
    make_folder(out)
    mode = replace(mode, imports=imports_of(opened))
    records = Predictions(items, say).run(request, mode)
    opened.predictor.finish(records)
    write_model(out, app, run, opened, options)
    code = _report(records, opened, out, say)
    typed = RetryLines(
        app=app,
        model=named or str(run),
        out=str(out),
        policy=eval_policy,
        causal=causal,
        mixed_precision=mixed_precision,
    )
    for text in typed.lines(records, options or {}):
        say(text)
    try_report(out, app, default_registry(), say)
    return code


def say_precision(request: PredictionOptions, opened: LoadedModel, say: Say) -> None:
    """Say why a prediction that was asked for in bfloat16 is made in float32, where it is."""
    mixed_if_faster(opened.network.device, request.mixed_precision, "this is predicted", say)


def say_remarks(predictor: Predictor, say: Say) -> None:
    """Say what an app has to say of a prediction as a whole."""
    if isinstance(predictor, Remarking):
        for text in predictor.remarks:
            say(f"note: {text}")


@dataclass(frozen=True, kw_only=True)
class RetryLines:
    """The command of a prediction, as it was typed, for recordings that were refused; see `predict`."""

    app: str
    model: str
    out: str
    policy: str
    causal: bool
    mixed_precision: bool = False

    def lines(self, records: Sequence[Record], options: Mapping[str, Any]) -> list[str]:
        """Return the command lines by which recordings that were refused are predicted.

        Args:
            records: Of all recordings; of a refused one ``instead`` has options under which it is taken.
            options: The app's own, as they were typed.
        """
        groups: dict[str, list[str]] = {}
        for record in records:
            if record["status"] == "failed" and record.get("instead"):
                more = shlex.join(as_typed({**options, **record["instead"]}))
                groups.setdefault(more, []).append(str(record["file"]))
        lines = []
        for more, files in groups.items():
            command = [
                "memcell",
                "predict",
                self.app,
                *files[:MOST_FAILURES],
                "--model",
                self.model,
            ]
            command += ["--out", self.out]
            command += ["--eval-policy", self.policy] if self.policy != "auto" else []
            command += ["--causal"] if self.causal else []
            command += ["--mixed-precision"] if self.mixed_precision else []
            several = f"these {len(files)}" if len(files) > 1 else "it"
            if len(files) > MOST_FAILURES:
                several = f"the first {MOST_FAILURES} of {len(files)}"
            lines.append(f"to predict {several} all the same, if that is right for them:")
            lines.append(f"  {shlex.join(command)} {more}")
        return lines


def as_typed(options: Mapping[str, Any]) -> list[str]:
    """Return an app's options as words of a command line."""
    words = []
    for name, value in options.items():
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", text]
    return words


def write_model(
    out: Path, app: str, run: Path, opened: LoadedModel, options: Mapping[str, Any] | None
) -> None:
    """Write what a folder of predictions says of the model, and of the app's options that were typed."""
    facts, policy = opened.facts, opened.policy
    decision = facts.decisions[policy]
    write_prediction(
        out, app, run, policy, digest_of(run), facts.task, decision, facts.notes, options
    )


def imports_of(opened: LoadedModel) -> tuple[str, ...]:
    """Return the modules that every recording needs, so that workers need not import them one by one."""
    cells = {type(module).__module__ for module in opened.network.modules()}
    own = (type(opened.predictor).__module__, *opened.predictor.imports)
    return ("memcell.runs.predict_task", "memcell_compiler", *sorted(cells), *own)


def digest_of(run: Path) -> str:
    """Return the digest of a run's model.

    Raises:
        CheckpointError: There is none; says what the folder is and what to type instead.
    """
    model = RunFolder(run).model
    if os.path.lexists(model):
        return model_id(model)
    for folder, what in (("folds", "leaves one subject out"), ("runs", "is a comparison")):
        inside = [p for p in subfolders(run, f"{folder}/*") if (p / "model.safetensors").is_file()]
        if inside:
            first = train_on_everybody(run) if folder == "folds" else ""
            raise CheckpointError(
                f"run '{run}' {what} and has {len(inside)} networks; {first}type the one to predict with, "
                f"such as --model {inside[0]}"
            )
    folder_of_run = RunFolder.open(run)
    raise CheckpointError(
        f"run '{run}' has no trained network yet; finish it with 'memcell train "
        f"{folder_of_run.sections().get('app', 'APP')} --resume {run}'"
    )


class Predictions:
    """The recordings of one call, wherever they are done.

    Args:
        items: The recordings.
        say: Receives lines for the person.

    Attributes:
        records: What came of those that are done, by name.
    """

    def __init__(self, items: list[FoundRecording], say: Say) -> None:
        self.items, self.say = items, say
        self.records: dict[str, Record] = {}
        self.warned: set[str] = set()
        self.bar: Progress | None = None

    def run(self, request: PredictionOptions, mode: Mode) -> list[Record]:
        """Do all recordings and return what came of each, in their order.

        Raises:
            Interrupted: The person asked to stop; what is done is in `records`.
            DiskError: The results cannot be written.
        """
        mark = Path(request.out) / f".asked-{uuid4().hex}"
        if mode.scheduler:
            write_atomic(mark, "")
            request = replace(request, mark=mark.name)
        tasks = [PredictTask(request=request, item=item) for item in self.items]
        try:
            with progress("predict", len(tasks)) as bar:
                self.bar = bar
                run_tasks(do_recording, tasks, mode, self._ended, bar)
        except Interrupted as stop:
            raise Interrupted(f"{stop}; {self._counted()}") from None
        except DiskError as error:
            raise DiskError(f"{error}; {self._counted('make room, and ')}") from None
        finally:
            mark.unlink(missing_ok=True)
        return [self.records[item.name] for item in self.items]

    def _ended(self, task: PredictTask, outcome: Outcome[Record]) -> None:
        for text in outcome.warnings:
            if text not in self.warned:
                self.warned.add(text)
                self.say(f"note: {text}")
        if outcome.lost:
            record: Record = {
                "recording": task.id,
                "status": "failed",
                "reason": str(outcome.error),
            }
        elif outcome.error is not None:
            # what is wrong with a recording is in its record; this is the model, the disk or the cluster
            raise outcome.error
        else:
            assert outcome.result is not None
            record = outcome.result
        self.records[task.id] = record
        if self.bar is not None:
            n = len(self.records)
            self.bar.advance(0, f"{n} of {len(self.items)}: {task.id} {record['status']}")

    def _counted(self, first: str = "") -> str:
        done = sum(r["status"] != "failed" for r in self.records.values())
        return f"{done} of {len(self.items)} recordings are done and kept: {first}the same command goes on"


def _report(records: list[Record], opened: LoadedModel, out: Path, say: Say) -> int:
    failed = [r for r in records if r["status"] == "failed"]
    for record in failed[:MOST_FAILURES]:
        say(f"failed: {record['recording']}: {record['reason']}")
    if len(failed) > MOST_FAILURES:
        say(f"and {len(failed) - MOST_FAILURES} more; the summary names them all")
    noted = [r for r in records if r.get("note")]
    for record in noted[:MOST_FAILURES]:
        say(f"note: {record['recording']}: {record['note']}")
    if len(noted) > MOST_FAILURES:
        say(f"and {len(noted) - MOST_FAILURES} more such notes")
    skipped = sum(r["status"] == "done before" for r in records)
    again = f", {skipped} of them done before" if skipped else ""
    say(
        f"{len(records) - len(failed)} of {counted(len(records), 'recording')} predicted{again} "
        f"(memory: {opened.policy}); results in '{out}'"
    )
    if knows := opened.facts.task.get("knows"):
        say(f"note: what the model knows: {knows}")
    if opened.facts.task.get("simulated"):
        say(
            "note: the model was trained on simulated data; what it finds says nothing about people"
        )
    return 1 if failed else 0
