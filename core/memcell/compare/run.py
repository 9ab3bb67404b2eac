"""A whole comparison: every run once, wherever it runs; then the report."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memcell.compare.answerable import Limit, family_size, limits_of_seeds, seeds_for
from memcell.compare.baselines import BaselinesTask, do_baselines
from memcell.compare.declared import ONCE, TRAININGS, population_of
from memcell.compare.examine import LIMITS, REMARKS, ExamineTask, do_examine
from memcell.compare.folder import ComparisonFolder, check_declared, gone_on_with, merged
from memcell.compare.one_run import RECORD, RunTask, do_run, finished
from memcell.compare.plan import ComparisonPlan, Planned, plan_of
from memcell.compare.prepared import forget_prepared
from memcell.compare.records import RunRecord
from memcell.compare.work import SECOND, read_work
from memcell.errors import MemcellError, UsageError
from memcell.escape import Lines, line
from memcell.files.atomic import locked, make_folder
from memcell.files.reading import refusing
from memcell.interrupt import Interrupted
from memcell.jobs import Mode, Outcome, Working, run_tasks
from memcell.plugins import Registry
from memcell.plugins.specs import AppSpec
from memcell.progress import Progress, progress
from memcell.reports.numbers import counted, duration, percent
from memcell.runs.own_functions import OwnFunctions
from memcell.runs.run import Concerns, no_concerns
from memcell.runs.setup import device_of
from memcell.threads import usable_cores

#: Share of a training's time from which on it is said what validating under a second inference takes.
MUCH = 0.1
Say = Callable[[str], None]
AnyTask = RunTask | BaselinesTask | ExamineTask


def compare(
    plan: ComparisonPlan,
    out: Path,
    registry: Registry,
    mode: Mode,
    say: Say,
    *,
    command: str,
    verbose: bool = False,
    reported: bool = True,
    concerns: Concerns = no_concerns,
) -> int:
    """Do every run of a comparison that is not done yet, and make its report.

    Args:
        plan: What to compare.
        out: The comparison's folder; one of the same base is extended.
        registry: What is installed.
        mode: Where runs run. The records do not depend on it.
        say: Receives lines for the person.
        command: What to type to go on.
        verbose: Say a line for each run that ends.
        reported: Make the report at the end.
        concerns: Looks into the parts of the runs before they begin.

    Returns:
        0, or 1 where runs failed.

    Raises:
        Interrupted: The person asked to stop; what was begun goes on with the same command.
        UsageError: It cannot answer, or goes on with another comparison; nothing was trained.
        MemcellError: It cannot be done; what was done is kept.
    """
    folder = ComparisonFolder(out)
    folder.check_free()
    for config in plan.configs:
        device_of(config)
    old = folder.read()
    if old is not None:
        asked = plan.asked
        if (
            "primary" not in old
        ):  # of a memcell that declared nothing: its data were the same for all seeds
            asked = dataclasses.replace(asked, draw_data=ONCE)
            plan = dataclasses.replace(plan, asked=asked)
        check_declared(plan, old, out)
        axes, seeds = merged(plan, old, out)
        with refusing(folder.plan):  # what was typed was understood already
            plan = plan_of(plan.app, gone_on_with(plan, old), axes, seeds, registry, asked)
    power = power_of(plan)
    make_folder(out)
    for concern in dict.fromkeys(one for c in plan.configs for one in concerns(c, registry)):
        say(concern)
    with locked(folder.lock, f"another process is at work in '{out}': wait for it, or stop it"):
        before = folder.written()
        folder.write(plan, command)
        mode = dataclasses.replace(mode, imports=imports_of(plan, registry), first_alone=True)
        own = OwnFunctions.in_registry(registry, plan.app)
        own.write(out)
        try:
            counted = _Comparing(plan, folder, own, say, verbose, power).run(mode, command)
        except UsageError:  # what the data say against it; nothing was trained
            folder.take_back(before)
            raise
        if reported:
            report(out, say)
    return int(counted["failed"] > 0)


def power_of(plan: ComparisonPlan) -> Limit | None:
    """Return how many seeds an effect takes, by a pilot; None where nobody asks. Refused: there are fewer.

    Raises:
        UsageError: The pilot does not have the outcome.
        DataError: It is no comparison.
    """
    pilot, effect = plan.asked.pilot, plan.asked.smallest_effect
    if pilot is None or effect is None:
        return None
    # imported here, for a comparison without one needs no report's numbers before it runs
    from memcell.compare.report.differences import deviation
    from memcell.compare.report.folder import Primary, read_comparison
    from memcell.compare.report.measures import measure

    outcome = plan.asked.primary
    found = read_comparison(pilot)
    found = dataclasses.replace(
        found,
        primary=Primary(outcome=outcome, inference=plan.inference, population=TRAININGS),
        targets=plan.asked.targets or found.targets,
    )
    spread = deviation(found, measure(found))
    if not spread > 0:
        raise UsageError(
            f"--pilot '{pilot}' does not say how much {outcome} varies: two pairs of runs or more, which "
            "differ, "
            "are needed"
        )
    size = math.log(effect) if outcome == "updates" else effect
    tests = family_size([(a.name, a.values) for a in plan.axes])
    needed = seeds_for(size, spread, max(1, tests))
    return Limit(
        refused=len(plan.seeds) < needed,
        sentence=f"by the pilot, differences between pairs have a standard deviation of {spread:.3g}"
        f"{' (of log updates)' * (outcome == 'updates')}: to find an effect of {effect:g} in eight of ten "
        f"comparisons takes {needed} seeds, corrected for {counted(tests, 'test')}; these are "
        f"{len(plan.seeds)}",
    )


class CannotAnswer(UsageError):
    """A comparison whose runs would not answer what it asks."""


def report(out: Path, say: Say) -> None:
    """Make the report of a comparison, whole or half-finished."""
    try:
        from memcell.compare.report import build_report
    except ImportError as error:
        say(f"no report: {error}")
        return
    build_report(out, say)


def imports_of(plan: ComparisonPlan, registry: Registry) -> tuple[str, ...]:
    """Return the modules that every run of a comparison needs, those that are imported late included."""
    # the second is imported where a window runs in C
    found = ["memcell.compare.run", "memcell_compiler.runtime.unroll"]
    # torch's own optimizers import its compiler when they are made
    found.append("torch._dynamo")
    app = registry.get("app", plan.app).spec
    if isinstance(app, AppSpec):
        found += app.late_imports
    if any(c.network.skip != "none" and c.network.start == "regression" for c in plan.configs):
        found.append("sklearn.linear_model")
    for config in plan.configs:
        chosen = [("app", config.app), *((kind, c.name) for kind, c in config.choices.items())]
        if config.dataset is not None:
            chosen.append(("dataset", config.dataset.name))
        found += [registry.get(*one).spec.factory.partition(":")[0] for one in chosen]
    return tuple(dict.fromkeys(found))


def perform(task: AnyTask, working: Working) -> Any:
    """Do a task of a comparison."""
    if isinstance(task, RunTask):
        return do_run(task, working)
    return (
        do_examine(task, working) if isinstance(task, ExamineTask) else do_baselines(task, working)
    )


class _Comparing:
    def __init__(
        self,
        plan: ComparisonPlan,
        folder: ComparisonFolder,
        own: OwnFunctions,
        say: Say,
        verbose: bool,
        power: Limit | None = None,
    ) -> None:
        self.plan, self.folder, self.own, self.power = plan, folder, own, power
        self.say, self.verbose = say, verbose
        self.runs = {run.id: run for run in plan.runs()}
        self.counted: Counter[str] = Counter()
        self.failures: list[RunRecord] = []
        self.warned: set[str] = set()
        self.cost_said = False
        self.estimate = Estimate(0, 1)
        self.bar: Progress | None = None

    def run(self, mode: Mode, command: str) -> Counter[str]:
        done = {r.id: r for run in self.runs.values() if (r := finished(self._path(run)))}
        left = [run for run in self.runs.values() if run.id not in done]
        self.counted.update(record.status for record in done.values())
        self._say_grid(len(done))
        # no process that would have nothing to do
        typed, mode = mode.jobs, dataclasses.replace(mode, jobs=min(mode.jobs, max(1, len(left))))
        self.estimate = Estimate(len(left), mode.jobs or 1)
        if left and mode.jobs > (cores := usable_cores()):
            self.say(
                f"note: --jobs {typed} on {counted(cores, 'core')}: processes take turns, so --jobs "
                f"{cores} is as fast and needs less memory"
            )
        tasks: list[AnyTask] = [self._task(run) for run in left]
        if not self.folder.baselines.exists():
            tasks.insert(0, self._baselines())
        if tasks or "main_score" not in (self.folder.read() or {}):
            tasks.insert(0, self._examine())
        try:
            with progress("comparing", len(tasks)) as bar:
                self.bar = bar
                run_tasks(perform, tasks, mode, self._ended, bar)
        except Interrupted as stop:
            n = sum(self.counted[s] for s in ("done", "diverged"))
            raise Interrupted(
                f"{stop}; {n} of {len(self.runs)} runs are done. Go on with: {command}"
            ) from None
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped at once: what was begun goes on from its last save. Go on with: {command}"
            ) from None
        finally:
            forget_prepared()
        self._say_ends()
        return self.counted

    def _path(self, run: Planned) -> Path:
        return self.folder.runs / run.id

    def _task(self, run: Planned) -> RunTask:
        return RunTask(
            id=run.id,
            path=str(self._path(run).absolute()),
            app=self.plan.app,
            sections=run.config.sections(),
            setting=run.setting,
            seed=run.seed,
            own=self.own,
            both=self.plan.asked.both,
        )

    def _examine(self) -> ExamineTask:
        plan = self.plan
        return ExamineTask(
            app=plan.app,
            sections=[config.sections() for config in plan.configs],
            settings=plan.grid.settings,
            targets=plan.asked.targets,
            outcome=plan.asked.primary,
            own=self.own,
        )

    def _examined(self, facts: dict[str, Any]) -> None:
        """Note what the data say, and what cannot be answered.

        Raises:
            CannotAnswer: Something is refused.
        """
        plan, old = self.plan, self.folder.read() or {}
        for remark in facts.pop(REMARKS, ()):
            self.say(remark)
        limits: list[tuple[str, bool]] = list(facts.pop(LIMITS, ()))
        declared = old.get("primary")
        if isinstance(declared, dict):
            outcome = str(declared["outcome"])
            population = declared.get("population") or population_of(
                plan.asked.population, facts, outcome, plan.drawn
            )
            facts["primary"] = {**declared, "population": population}
            tests = family_size([(a.name, a.values) for a in plan.axes])
            limits += [
                (limit.sentence, limit.refused)
                for limit in limits_of_seeds(len(plan.seeds), tests, population)
            ]
        if self.power is not None and self.power.refused:
            limits.append((f"too few seeds: {self.power.sentence}", False))
        elif self.power is not None:
            self.say(self.power.sentence)
        refused = [sentence for sentence, no in limits if no]
        if refused and not plan.asked.anyway:
            raise CannotAnswer(
                Lines(
                    "\n".join(
                        f"this comparison cannot answer: {line(sentence)}; with --anyway it runs, and its "
                        "report says so"
                        for sentence in refused
                    )
                )
            )
        facts["limits"] = [sentence for sentence, _ in limits]
        for sentence in facts["limits"]:
            self.say(f"note: {sentence}")
        self.folder.note_data(facts)

    def _baselines(self) -> BaselinesTask:
        return BaselinesTask(
            folder=str(self.folder.path.absolute()),
            app=self.plan.app,
            sections=self.plan.configs[0].sections(),
            own=self.own,
        )

    def _ended(self, task: AnyTask, outcome: Outcome[Any]) -> None:
        for text in outcome.warnings:
            if text not in self.warned:
                self.warned.add(text)
                self.say(f"note: {text}")
        if not isinstance(task, RunTask):
            if outcome.error is not None:
                raise outcome.error
            if isinstance(task, ExamineTask):
                self._examined(dict(outcome.result or {}))
            return
        if outcome.error is not None and not outcome.lost:
            # what a run itself cannot do is in its record; this is the data, the disk or the cluster
            raise outcome.error
        record = self._lost(task, outcome.error) if outcome.error else outcome.result
        assert isinstance(record, RunRecord)
        self._see(task)
        self.counted[record.status] += 1
        if record.status == "failed":
            self.failures.append(record)
        if self.verbose:
            self.say(_line(record))
        self._say_cost(Path(task.path))
        estimate = self.estimate.one_more()
        if self.bar is not None:
            n = sum(self.counted.values())
            self.bar.advance(0, f"{n}/{len(self.runs)} runs{estimate and f', {estimate} left'}")
        if estimate and self.estimate.first:
            left = self.estimate.left
            self.say(
                f"{estimate} for the {counted(left, 'run')} that {'is' if left == 1 else 'are'} left"
            )

    def _say_cost(self, path: Path) -> None:
        """Say once, where it is much, what validating under a second inference policy costs."""
        begun = read_work(path)
        training, second = (sum(float(b.get(k, 0)) for b in begun) for k in ("training", SECOND))
        if not self.cost_said and training > 0 and second > MUCH * training:
            self.cost_said = True
            self.say(
                f"validating each epoch with memory carried and with memory reset: the second took "
                f"{percent(second / training)} of the training's time; --no-both-inferences leaves it out"
            )

    def _lost(self, task: RunTask, error: MemcellError) -> RunRecord:
        record = RunRecord(
            id=task.id, setting=task.setting, seed=task.seed, status="failed", reason=str(error)
        )
        record.write(Path(task.path) / RECORD)
        return record

    def _see(self, task: RunTask) -> None:
        """Check that a worker's files are here; a shared disk may take a moment."""
        path = Path(task.path) / RECORD
        for _ in range(50):
            if path.exists():
                return
            time.sleep(0.1)
        raise MemcellError(
            f"a worker finished {task.id}, and '{path}' is not here: with --scheduler, --out has to be on "
            f"a disk that all workers share, under the same path"
        )

    def _say_grid(self, done: int) -> None:
        plan, n = self.plan, len(self.runs)
        for axis in plan.axes:
            self.say(f"{axis.name}: {', '.join(axis.values)}")
        seeds = plan.seeds
        run = list(range(seeds[0], seeds[0] + len(seeds))) == list(seeds)
        axes_text = (
            f"{seeds[0]} to {seeds[-1]}" if run and len(seeds) > 1 else ", ".join(map(str, seeds))
        )
        before = f"; {done} of them are done" if done else ""
        settings = len(plan.configs)
        self.say(
            f"{counted(settings, 'setting')} x {counted(len(seeds), 'seed')} ({axes_text}) = "
            f"{counted(n, 'run')}{before}"
        )

    def _say_ends(self) -> None:
        c = self.counted
        self.say(
            f"{counted(len(self.runs), 'run')}: {c['done']} done, {c['diverged']} diverged, "
            f"{c['failed']} failed"
        )
        if self.failures:
            first = self.failures[0]
            self.say(f"failed, such as {first.id}: {first.reason}")
            self.say("the same command tries the failed ones again")


class Estimate:
    """How long the rest takes, from the time between ends of runs.

    Args:
        left: Runs to do.
        side_by_side: Runs at one time.
    """

    def __init__(self, left: int, side_by_side: int) -> None:
        self.left, self.side_by_side = left, side_by_side
        self.ends: list[float] = []

    @property
    def first(self) -> bool:
        """Whether this is the first estimate."""
        return len(self.ends) == 2 * self.side_by_side

    def one_more(self) -> str:
        """Count a run that ended; say how long the rest takes, empty while nobody knows or none is left.

        The first run of each process is not looked at: it waits for the data and for generated code.
        """
        self.ends.append(time.monotonic())
        self.left -= 1
        first = self.side_by_side - 1
        measured = len(self.ends) - 1 - first
        if measured < self.side_by_side or self.left <= 0:
            return ""
        seconds = (self.ends[-1] - self.ends[first]) / measured * self.left
        return f"about {duration(seconds)}"


def _line(record: RunRecord) -> str:
    tail = f": {record.reason}" if record.reason else ""
    best = min((loss for _, loss in record.validation), default=None)
    loss = "" if best is None else f", best validation loss {best:.4f}"
    return (
        f"{record.id}: {record.status}, {record.updates} updates{loss}, "
        f"{record.cpu_seconds:.1f} CPU s{tail}"
    )
