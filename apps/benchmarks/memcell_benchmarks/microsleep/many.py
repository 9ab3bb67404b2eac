"""Many recordings: memory against their number, and two worker processes against one."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memcell.jobs import Mode, Outcome, Working, run_tasks
from memcell.runs.predict import imports_of
from memcell.runs.predict_task import PredictTask, do_recording
from memcell_benchmarks.microsleep.made import BenchmarkModel


def predict(paths: Sequence[str], model: str, out: str) -> dict[str, Any]:
    """Predict one after the other, as the command does, for its memory."""
    from memcell.runs.predict import predict as predict_run

    code = predict_run("microsleep", list(paths), Path(model), Path(out), say=lambda line: None)
    if code:
        raise RuntimeError("a recording failed")
    return {"recordings": len(list(Path(out).rglob("*_events.tsv")))}


def each(paths: Sequence[str], model: str, out: str) -> dict[str, Any]:
    """Predict one after the other without views and report; CPU seconds of each after the first."""
    opened = BenchmarkModel(Path(model), Path(out))
    first, *rest = opened.predictor.find(list(paths))
    opened.predictor.one(first, opened.infer)
    began = time.process_time()
    for item in rest:
        record = opened.predictor.one(item, opened.infer)
        if record["status"] != "done":
            raise RuntimeError(str(record.get("reason", record["status"])))
    return {"cpu": (time.process_time() - began) / len(rest)}


@dataclass(frozen=True, kw_only=True)
class TimedTask:
    """One recording as a task that says where and when it was done."""

    task: PredictTask

    @property
    def id(self) -> str:
        """The recording's name."""
        return self.task.id


def timed(task: TimedTask, working: Working) -> dict[str, float]:
    """Do a recording; return the process, its CPU seconds, and when it began and ended."""
    began, cpu = time.time(), time.process_time()
    record = do_recording(task.task, working)
    if record["status"] != "done":
        raise RuntimeError(str(record.get("reason", record["status"])))
    return {
        "process": os.getpid(),
        "cpu": time.process_time() - cpu,
        "began": began,
        "ended": time.time(),
    }


def workers(paths: Sequence[str], model: str, out: str, jobs: int) -> dict[str, Any]:
    """Predict on worker processes; the first recording of each is start-up.

    Returns:
        ``start`` wall seconds until every worker had done its first, ``first_cpu`` CPU seconds of those,
        ``recordings`` and wall ``seconds`` of the rest, and the ``cpu`` seconds of each worker in it.
    """
    opened = BenchmarkModel(Path(model), Path(out))
    Path(out).mkdir(parents=True, exist_ok=True)
    items = opened.predictor.find(list(paths))
    tasks = [TimedTask(task=PredictTask(request=opened.wanted, item=item)) for item in items]
    done: list[dict[str, float]] = []

    def ended(task: TimedTask, outcome: Outcome[dict[str, float]]) -> None:
        if outcome.error is not None:
            raise outcome.error
        assert outcome.result is not None
        done.append(outcome.result)

    asked = time.time()
    run_tasks(timed, tasks, Mode(jobs=jobs, imports=imports_of(opened.opened)), ended)
    firsts: dict[float, dict[str, float]] = {}
    for one in sorted(done, key=lambda d: d["began"]):
        firsts.setdefault(one["process"], one)
    ready = max(one["ended"] for one in firsts.values())
    rest = [one for one in done if one["began"] >= ready]
    cpu = {p: sum(d["cpu"] for d in rest if d["process"] == p) for p in firsts}
    return {
        "start": ready - asked,
        "first_cpu": sum(one["cpu"] for one in firsts.values()),
        "recordings": len(rest),
        "seconds": max(d["ended"] for d in rest) - min(d["began"] for d in rest),
        "cpu": list(cpu.values()),
    }
