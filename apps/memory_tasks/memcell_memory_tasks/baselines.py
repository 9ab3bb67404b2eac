"""What needs no memory, or knows the rule: to be held beside every network.

- majority class: the shares of the classes in the training steps, everywhere;
- this step alone: logistic regression on the step's features (of more than 20,000 labelled training
  steps every k-th, so that at most so many are left);
- no memory beyond a window: what is possible at best for one whose memory restarts every T steps, worked
  out from the test sequences themselves, where the task allows it. Of m classes that are equally likely
  it is right once in m: accuracy ``mean(1 / m)``, loss ``mean(ln m)``. A network with its memory restarted
  cannot be better but by luck; one that carries it can;
- what a task adds: for the Reber grammar one who always knows the grammar's state, and how often which
  symbol followed it in training; for text how often what followed the last characters.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Row, Task
from memcell.sequences.time_series import TimeSeries
from memcell_memory_tasks.problem import MemoryProblem, Probabilities
from memcell_memory_tasks.scores import MAIN, scores

MOST = 20_000

Model = Callable[[TimeSeries], Probabilities]


def baselines(problem: MemoryProblem, task: Task, window: int) -> list[Row]:
    """Return the rows, scored on the task's test split.

    Args:
        problem: The task as it was made.
        task: The same for the engine; its test split may be a part of the problem's.
        window: T of the row without memory beyond a window.
    """
    rules = {"this step alone": None, **problem.rules}
    alone = rules.pop("this step alone") or _this_step(problem)
    rows = [
        _row("majority class", problem, task, _majority(problem)),
        _row("this step alone", problem, task, alone),
    ]
    if problem.possible is not None:
        rows.append(_bound(problem.possible, task, window))
    rows += [_row(name, problem, task, rule) for name, rule in rules.items() if rule is not None]
    return rows


def _row(name: str, problem: MemoryProblem, task: Task, model: Model) -> Row:
    made = {s.name: model(s) for s in task.test}

    def of(sequences: list[TimeSeries]) -> dict[str, float]:
        return scores(problem, sequences, [made[s.name] for s in sequences])

    subjects = {u: of(found) for u, found in _by_subject(task).items()}
    return Row(name=name, kind="baseline", scores=of(list(task.test)), subjects=subjects)


def _by_subject(task: Task) -> dict[str, list[TimeSeries]]:
    names = sorted({s.subject for s in task.test})
    return {u: [s for s in task.test if s.subject == u] for u in names}


def _majority(problem: MemoryProblem) -> Model:
    y = np.concatenate([s.targets[s.labelled] for s in problem.train]).astype(np.int64)
    share = (np.bincount(y, minlength=problem.n_classes) / len(y)).astype(np.float32)
    return lambda s: np.tile(share, (s.n_steps, 1))


def _this_step(problem: MemoryProblem) -> Model:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    x = np.concatenate([s.features[s.labelled] for s in problem.train]).astype(np.float64)
    y = np.concatenate([s.targets[s.labelled] for s in problem.train]).astype(np.int64)
    thin = slice(None, None, -(-len(y) // MOST))
    x, y = x[thin], y[thin]
    if len(np.unique(y)) < 2:
        return _majority(problem)
    scaler = StandardScaler().fit(x)
    fitted = LogisticRegression(max_iter=300).fit(scaler.transform(x), y)

    def model(sequence: TimeSeries) -> Probabilities:
        p = np.zeros((sequence.n_steps, problem.n_classes), dtype=np.float32)
        at = scaler.transform(np.asarray(sequence.features, dtype=np.float64))
        p[:, fitted.classes_] = fitted.predict_proba(at)
        return p

    return model


def _bound(
    possible: Callable[[TimeSeries, int], NDArray[np.int64]], task: Task, window: int
) -> Row:
    left = {s.name: possible(s, window).astype(np.float64) for s in task.test}

    def of(sequences: list[TimeSeries]) -> dict[str, float]:
        m = np.concatenate([left[s.name] for s in sequences])
        return {MAIN: float(np.mean(1 / m)), "loss": float(np.mean(np.log(m)))}

    return Row(
        name=f"no memory beyond a window ({window} steps, at best)",
        kind="baseline",
        scores=of(list(task.test)),
        subjects={u: of(found) for u, found in _by_subject(task).items()},
        note=f"derived, not fitted: memory restarts every {window} steps of a sequence",
    )
