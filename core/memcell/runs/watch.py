"""Predicting what comes into a folder, until the person stops it.

The folder is looked at every few seconds. A recording is taken when it has rested, its sizes and times the
same at two looks, and when all is there that its own files say: one that is still being copied is left, also
where the copying stalls. What stays incomplete is predicted as far as it goes after a while, which is said.
What was predicted is not predicted again, what failed is said once, and either is done anew when its file
changes. Everything stands in the folder of results, so the same command goes on where it was stopped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from memcell.applications.prediction import Awaiting, FoundRecording, Record, Watching
from memcell.errors import UsageError
from memcell.files.atomic import make_folder
from memcell.interrupt import Interrupted, Interrupts
from memcell.jobs import Mode
from memcell.plugins import default_registry
from memcell.reports.numbers import duration
from memcell.runs.predict import (
    Predictions,
    RetryLines,
    digest_of,
    imports_of,
    say_precision,
    say_remarks,
    write_model,
)
from memcell.runs.predict_task import LoadedModel, PredictionOptions, opened_model
from memcell.runs.reporting import try_report
from memcell.runs.setup import Say
from memcell.settings.options import LOOK_EVERY, PATIENCE

#: Seconds between two looks at whether the person asked to stop.
_NAP = 0.2
#: The report is made again when so many times what it took have passed, and at the end.
_SELDOM = 10.0


@dataclass(frozen=True, kw_only=True)
class WatchRequest:
    """What is watched, and with what.

    Args:
        app: Name of the app.
        paths: Folders and globs.
        run: The run folder of the model.
        out: Folder for the results.
        every: Seconds from one look to the next.
        patience: Seconds that an incomplete recording may rest before it is predicted as far as it goes.
        eval_policy: As for `memcell.runs.predict.predict`, like the rest.
        causal, mixed_precision, options, mode, named: Likewise.
    """

    app: str
    paths: tuple[str, ...]
    run: Path
    out: Path
    every: float = LOOK_EVERY
    patience: float = PATIENCE
    eval_policy: str = "auto"
    causal: bool = False
    mixed_precision: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    mode: Mode = field(default_factory=Mode)
    named: str = ""


def watch(request: WatchRequest, say: Say, until: Callable[[], bool] = bool) -> int:
    """Watch until the person stops it.

    Args:
        request: What.
        say: Receives lines for the person.
        until: Asked after each look; True ends it as Ctrl-C does (tests).

    Returns:
        1 where a recording failed that is still there, else 0.

    Raises:
        UsageError: A path is no folder or glob, or the app predicts no files.
        DiskError: The results cannot be written; what was done is kept.
        MemcellError: As `memcell.runs.predict.predict`.
    """
    for typed in request.paths:
        path = Path(typed).expanduser()
        if not path.is_dir() and not any(c in typed for c in "*?["):
            raise UsageError(
                f"--watch got '{typed}', which is no folder; type a folder that is there, or a glob in quotes"
            )
    asked = PredictionOptions(
        app=request.app,
        run=str(request.run.absolute()),
        digest=digest_of(request.run),
        out=str(request.out.absolute()),
        policy="carry" if request.causal else request.eval_policy,
        causal=request.causal,
        options=json.dumps(dict(request.options), sort_keys=True),
        mixed_precision=request.mixed_precision,
    )
    opened = opened_model(asked)
    say_precision(asked, opened, say)
    if not isinstance(opened.predictor, Watching):
        raise UsageError(f"app '{request.app}' cannot watch a folder: leave out --watch")
    opened.predictor.check_folder()
    make_folder(request.out)
    write_model(request.out, request.app, request.run, opened, request.options)
    return _Watch(request, asked, opened, opened.predictor, say).until(until)


class _Watch:
    """A folder under watch."""

    def __init__(
        self,
        request: WatchRequest,
        asked: PredictionOptions,
        opened: LoadedModel,
        predictor: Watching,
        say: Say,
    ) -> None:
        self.request, self.asked, self.opened, self.say = request, asked, opened, say
        self.predictor = predictor
        self.mode = replace(request.mode, imports=imports_of(opened))
        self.retry = RetryLines(
            app=request.app,
            model=request.named or str(request.run),
            out=str(request.out),
            policy=request.eval_policy,
            causal=request.causal,
            mixed_precision=request.mixed_precision,
        )
        #: What each recording was like at the last look, when it was taken, and what came of it.
        self.seen: dict[str, object] = {}
        self.taken: dict[str, object] = {}
        self.failed: dict[str, Record] = {}
        self.done: set[str] = set()
        #: Incomplete recordings that are waited for: since when each rests.
        self.waiting: dict[str, float] = {}
        self.report_due, self.report_cost, self.unreported = 0.0, 0.0, False
        self.remarked = False

    def until(self, over: Callable[[], bool]) -> int:
        places = ", ".join(f"'{p}'" for p in self.request.paths)
        self.say(
            f"watching {places} every {self.request.every:g} s; results in '{self.request.out}'; Ctrl-C ends "
            "it"
        )
        stopped = ""
        with Interrupts() as stop:
            while not stop.requested:
                try:
                    self._look()
                except Interrupted as error:
                    stopped = str(error)
                    break
                if over():
                    break
                self._wait(stop)
        return self._ended(stopped)

    def _look(self) -> None:
        """Look once, and predict what has rested since the last look."""
        now = {item.name: (item, mark) for item, mark in self.predictor.look(self.request.paths)}
        if now and not self.remarked:
            self.remarked = True
            say_remarks(self.predictor, self.say)
        ready = [
            item
            for name, (item, mark) in now.items()
            if self._rests(name, mark) and self.taken.get(name) != mark and self._is_whole(item)
        ]
        for gone in self.waiting.keys() - now.keys():
            del self.waiting[gone]
            self.say(f"{gone}: was incomplete, and its file is gone")
        for gone in self.failed.keys() - now.keys():
            del self.failed[gone]
            self.say(f"{gone}: failed before, and its file is gone")
        for gone in self.taken.keys() - now.keys():
            del self.taken[gone]
        self.seen = {name: mark for name, (_, mark) in now.items()}
        if ready:
            # what changes while it is predicted is predicted again
            marks = {item.name: now[item.name][1] for item in ready}
            self._predict(ready, marks)
            self.unreported = True
        elif self.unreported and time.monotonic() >= self.report_due:
            self._report()

    def _rests(self, name: str, mark: object) -> bool:
        """Whether a recording is as it was at the last look."""
        same = self.seen.get(name) == mark
        if not same and name in self.waiting:
            self.waiting[name] = time.monotonic()
        return same

    def _is_whole(self, item: FoundRecording) -> bool:
        """Whether a recording that rests is to be taken: it is complete, or was waited for long enough."""
        lacks = self.predictor.incomplete(item) if isinstance(self.predictor, Awaiting) else None
        if lacks is None:
            self.waiting.pop(item.name, None)
            return True
        now, patience = time.monotonic(), self.request.patience
        new = item.name not in self.waiting
        rested = max(lacks.rested, now - self.waiting.setdefault(item.name, now))
        if rested < patience:
            if new:
                self.say(
                    f"{item.name}: incomplete, {lacks.what}; waited for until it has not changed for "
                    f"{duration(patience)}"
                )
            return False
        del self.waiting[item.name]
        self.say(
            f"{item.name}: incomplete, {lacks.what}, and it has not changed for {duration(rested)}: "
            "predicted as far as it goes, and again when it changes"
        )
        return True

    def _predict(self, ready: Sequence[FoundRecording], marks: Mapping[str, object]) -> None:
        mode = self.mode if len(ready) > 1 else Mode()
        running = Predictions(list(ready), self.say)
        try:
            running.run(self.asked, mode)
        finally:
            records = [running.records[i.name] for i in ready if i.name in running.records]
            self._take(records, marks)

    def _take(self, records: Sequence[Record], marks: Mapping[str, object]) -> None:
        before = 0
        for record in records:
            name = str(record["recording"])
            self.taken[name] = marks[name]
            self.failed.pop(name, None)
            if record["status"] == "failed":
                self.done.discard(name)
                self.failed[name] = record
                self.say(f"failed: {name}: {record['reason']}")
                for line in self.retry.lines([record], self.request.options):
                    self.say(line)
                continue
            self.done.add(name)
            before += record["status"] == "done before"
            if record["status"] == "done":
                note = f" ({record['note']})" if record.get("note") else ""
                self.say(f"{time.strftime('%H:%M:%S')} {name}: done{note}")
        if before:
            self.say(f"{_recordings(before)} done before")
        if records:
            self.opened.predictor.finish(records)

    def _report(self) -> None:
        began = time.monotonic()
        try_report(self.request.out, self.request.app, default_registry(), self._only_notes)
        self.report_cost = time.monotonic() - began
        self.report_due = time.monotonic() + _SELDOM * self.report_cost
        self.unreported = False

    def _only_notes(self, text: str) -> None:
        if text.startswith("note"):
            self.say(text)

    def _wait(self, stop: Interrupts) -> None:
        until = time.monotonic() + self.request.every
        while not stop.requested and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _NAP))

    def _ended(self, stopped: str) -> int:
        if self.unreported:
            try_report(self.request.out, self.request.app, default_registry(), self._only_notes)
        left = [name for name in self.seen if name not in self.taken]
        parts = [f"{_recordings(len(self.done))} predicted"]
        if self.failed:
            parts.append(f"{len(self.failed)} failed ({_few(sorted(self.failed))})")
        if left:
            parts.append(f"{len(left)} not begun, growing or incomplete ({_few(left)})")
        self.say(
            f"stopped watching{f' ({stopped})' if stopped else ''}: {', '.join(parts)}; results in "
            f"'{self.request.out}'; the same command goes on"
        )
        return int(bool(self.failed))


def _recordings(n: int) -> str:
    return f"{n} recording{'' if n == 1 else 's'}"


def _few(names: Sequence[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
