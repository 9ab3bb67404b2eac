"""Many trials of tasks of 1997: kept in a folder, never repeated, and shown beside the published figures.

The folder holds ``trials.jsonl``, one finished trial a line, ``table.tsv``, made anew of them after each
trial, and the checkpoints of trials that were stopped or given up: with a larger budget they go on.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from memcell.errors import UsageError
from memcell.files.atomic import write_atomic
from memcell.files.reading import parse_json, refusing
from memcell.reports.numbers import counted
from memcell_memory_tasks.tasks_1997.definitions import TASKS, Definition, definition
from memcell_memory_tasks.tasks_1997.trial import (
    PAPER,
    FinishedTrial,
    Trial,
    Variant,
    seconds_a_sequence,
)

RECORD, TABLE = "trials.jsonl", "table.tsv"

#: Where the paper has no figure, a trial is given up after so many sequences.
WITHOUT_FIGURE = 200_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be run.

    Args:
        tasks: Names of tasks, in the order in which they are run.
        trials: Trials of each; their seeds are 0, 1, ...
        times: A trial is given up after so many times the published number of sequences.
        most: It is given up after so many sequences, whatever was published; 0 for no such bound.
        variant: What is not as in the paper.
    """

    tasks: tuple[str, ...]
    trials: int
    times: float = 4.0
    most: int = 0
    variant: Variant = PAPER

    def budget(self, task: Definition) -> int:
        """Return the sequences after which a trial is given up."""
        found = task.published.sequences if task.published is not None else 0
        row = getattr(
            task.rule(), "row", 0
        )  # what has to be right in a row comes after what is counted
        bound = round(self.times * found) + row if found else WITHOUT_FIGURE + row
        return min(bound, self.most) if self.most else bound


def record(folder: Path) -> list[FinishedTrial]:
    """Return the finished trials of a folder.

    Raises:
        MemcellError: A line cannot be read; names the file.
    """
    path = folder / RECORD
    if not path.exists():
        return []
    names = {f.name for f in fields(FinishedTrial)}
    found: dict[tuple[str, str, int], FinishedTrial] = {}
    with refusing(path):
        for line in path.read_text(encoding="utf-8").splitlines():
            values = parse_json(line, path)
            trial = FinishedTrial(**{k: v for k, v in values.items() if k in names})
            key = (trial.task, trial.variant, trial.seed)
            # one that was given up may have gone on later; two commands side by side make the same one
            if key not in found or trial.trained > found[key].trained:
                found[key] = trial
    return list(found.values())


def planned(plan: Plan, done: Iterable[FinishedTrial]) -> Iterator[tuple[Definition, int]]:
    """Yield task and seed of each trial that is still to be run."""
    has = {(o.task, o.variant, o.seed): o for o in done}
    for name in plan.tasks:
        task = definition(name)
        for seed in range(plan.trials):
            found = has.get((name, plan.variant.name, seed))
            over = found is not None and (found.solved or found.diverged)
            if found is None or not (over or found.trained >= plan.budget(task)):
                yield task, seed


def predicted(
    plan: Plan, done: Sequence[FinishedTrial]
) -> Iterator[tuple[Definition, int, float, float]]:
    """Yield each task, its trials to run, and their seconds: with the published sequences, and at most."""
    for name in plan.tasks:
        count = sum(task.name == name for task, _ in planned(plan, done))
        if count:
            task, budget = definition(name), plan.budget(definition(name))
            each = seconds_a_sequence(task)
            row = getattr(task.rule(), "row", 0)
            needed = task.published.sequences + row if task.published is not None else budget
            yield task, count, each * count * min(needed, budget), each * count * budget


def run(
    folder: Path,
    plan: Plan,
    say: Callable[[str], None] = print,
    seconds: float = math.inf,
) -> list[FinishedTrial]:
    """Run what is planned and not done yet; return all finished trials of the folder.

    Args:
        folder: Where trials are kept.
        plan: What to run.
        say: Told of each trial.
        seconds: No further trial is begun after so long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    done = record(folder)
    waiting = list(planned(plan, done))
    for task, seed in waiting:
        if time.monotonic() - began > seconds:
            say(f"stopped after {seconds:g} s, as asked; the same command goes on")
            break
        tag = "".join(c if c.isalnum() else "-" for c in f"{task.name} {plan.variant.name} {seed}")
        checkpoint = folder / f"trial-{tag}.safetensors"
        trial = Trial(task, seed, plan.budget(task), plan.variant, checkpoint)
        outcome = trial.run()
        with (folder / RECORD).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
        if outcome.solved or outcome.diverged:
            checkpoint.unlink(missing_ok=True)
        else:
            trial.save()  # with a larger budget it goes on from here
        done = record(folder)
        write_atomic(folder / TABLE, tsv(rows(done)).encode())
        say(told(outcome))
    return done


def told(o: FinishedTrial) -> str:
    """Say what became of a trial."""
    if o.solved:
        became = f"solved, {o.needed:,} sequences needed"
    elif o.diverged:
        became = f"weights became infinite after {o.trained:,} sequences"
    else:
        became = f"not solved in {o.trained:,} sequences (mean error {o.error:.3g})"
    which = f"{o.task} ({o.variant})" if o.variant else o.task
    return (
        f"task {which}, trial {o.seed}: {became}; {counted(o.blocks, 'block')}, {o.seconds:.0f} s"
    )


COLUMNS = (
    "task", "variant", "trials", "solved", "mean_needed", "sd_needed", "smallest", "largest",
    "given_up_after", "seconds", "paper_needed", "paper_trials", "paper_solved",
)  # fmt: skip


def rows(done: Sequence[FinishedTrial]) -> list[dict[str, Any]]:
    """Return one row a task and variant, tasks in the paper's order; None where there is nothing to say."""
    order = {name: k for k, name in enumerate(TASKS)}
    keys = sorted({(o.task, o.variant) for o in done}, key=lambda k: (order.get(k[0], 99), k[1]))
    made = []
    for name, variant in keys:
        found = [o for o in done if (o.task, o.variant) == (name, variant)]
        needed = np.array([o.needed for o in found if o.needed is not None], dtype=float)
        failed = [o.trained for o in found if not o.solved]
        paper = TASKS[name].published if name in TASKS else None
        made.append(
            {
                "task": name,
                "variant": variant,
                "trials": len(found),
                "solved": int(sum(o.solved for o in found)),
                "mean_needed": float(needed.mean()) if len(needed) else None,
                "sd_needed": float(needed.std(ddof=1)) if len(needed) > 1 else None,
                "smallest": int(needed.min()) if len(needed) else None,
                "largest": int(needed.max()) if len(needed) else None,
                "given_up_after": max(failed) if failed else None,
                "seconds": sum(o.seconds for o in found),
                "paper_needed": None if paper is None else paper.sequences,
                "paper_trials": None if paper is None else paper.trials,
                "paper_solved": None if paper is None else paper.solved,
            }
        )
    return made


def tsv(table: Sequence[dict[str, Any]]) -> str:
    """Return the table as tab-separated values; nothing for None."""
    lines = ["\t".join(COLUMNS)]
    lines += ["\t".join("" if row[c] is None else f"{row[c]}" for c in COLUMNS) for row in table]
    return "\n".join(lines) + "\n"


def markdown(table: Sequence[dict[str, Any]]) -> str:
    """Return the table as a page shows it."""
    lines = [
        "| task | | trials solved | sequences needed, mean (SD; range) | paper |",
        "|---|---|---|---|---|",
    ]
    for row in table:
        title = TASKS[row["task"]].title if row["task"] in TASKS else ""
        mean, sd = row["mean_needed"], row["sd_needed"]
        ours = "-"
        if mean is not None:
            spread = "" if sd is None else f"{sd:,.0f}; "
            ours = f"{mean:,.0f} ({spread}{row['smallest']:,} to {row['largest']:,})"
        if row["given_up_after"]:
            ours += f", given up after {row['given_up_after']:,}"
        paper = "-" if row["paper_needed"] is None else f"{row['paper_needed']:,}"
        if row["paper_solved"] is not None:
            paper += f", {row['paper_solved']:.0%} solved"
        what = f"{title}; {row['variant']}" if row["variant"] else title
        lines.append(
            f"| {row['task']} | {what} | {row['solved']} of {row['trials']} | {ours} | {paper} |"
        )
    return "\n".join(lines)


def chosen(names: str) -> tuple[str, ...]:
    """Return the tasks of a list with commas; ``all`` for all of them.

    Raises:
        UsageError: One is not known.
    """
    if names == "all":
        return tuple(TASKS)
    found = tuple(n.strip() for n in names.split(",") if n.strip())
    if not found:
        raise UsageError(f"no task was named; type one or more of {', '.join(TASKS)}, or all")
    return tuple(definition(n).name for n in found)
