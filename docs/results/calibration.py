"""Does a minute of known state help to decide on a new person? The table of calibration in microsleep.md.

    python docs/results/calibration.py RUN [--minutes 1,2]

RUN is a finished run with ``--split loso`` and ``--tune``: each fold's network was trained on the others and
is applied to the one who was held out. The first minutes of a person whose class is known (an expert's label)
shift the logit of everything else; those minutes count in no score, with or without calibration. What the
shift is held against are the training people's predictions out of fold: nothing else of the person enters.

With l the logit, K the known steps of class c, m the mean over the training people of their mean logit in c,
s that mean's standard deviation between people and w its mean variance within them:

shrunk      b = (m - mean of l over K) s^2 / (s^2 + w / n), n = epochs of 30 s in K: empirical Bayes
cautious    the same with the weight k / (k + 60), k = steps in K
intercept   b of the largest posterior of K's labels under logit l - threshold + b, b ~ N(0, .5^2), where an
            epoch of 30 s counts as one label

The ceiling is that of any shift: those under which the pooled kappa is largest, which nobody knows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logit
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from memcell.errors import MemcellError, UsageError
from memcell.files.reading import read_object
from memcell.plugins import default_registry
from memcell.runs.folds.prepared import prepared_folds
from memcell.runs.predictions import read_predictions
from memcell.runs.run_folder import RunFolder, resolve_stored
from memcell.runs.tuning.record import read_tuned
from memcell.settings.run_config import RunConfig
from memcell_eeg.decisions.thresholds import kappa_at

Array = NDArray[np.float64]
EPOCH, SPREAD, CAUTION = 30.0, 0.5, 60


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who was held out, with what the training people of that fold were like.

    Args:
        name: Who.
        z: Logit at the labelled steps.
        y: Their classes.
        threshold: Of the fold, as a logit.
        trained: Logits and classes of each training person, out of fold.
        step: Length of a step, s.
    """

    name: str
    z: Array
    y: NDArray[np.int64]
    threshold: float
    trained: tuple[tuple[Array, NDArray[np.int64]], ...]
    step: float

    def known(self, c: int, minutes: float) -> NDArray[np.int64]:
        """Return the first steps of a class, none where there are no more than these."""
        steps, n = np.flatnonzero(self.y == c), round(60 * minutes / self.step)
        return steps[:n] if len(steps) > n else steps[:0]

    def usual(self, c: int) -> tuple[float, float, float]:
        """Return mean over people, variance between them, and mean variance within them, of a class."""
        of = [z[y == c] for z, y in self.trained if np.sum(y == c) > 1]
        means = [float(np.mean(z)) for z in of]
        return (
            float(np.mean(means)),
            float(np.var(means, ddof=1)),
            float(np.mean([np.var(z) for z in of])),
        )


def shrunk(person: Person, c: int, known: NDArray[np.int64]) -> float:
    """Return the shift of empirical Bayes."""
    mean, between, within = person.usual(c)
    n = len(known) * person.step / EPOCH
    return float((mean - person.z[known].mean()) * between / (between + within / n))


def cautious(person: Person, c: int, known: NDArray[np.int64]) -> float:
    """Return the shift under a weight that is hardly moved by a minute."""
    mean, _, _ = person.usual(c)
    return float((mean - person.z[known].mean()) * len(known) / (len(known) + CAUTION))


def intercept(person: Person, c: int, known: NDArray[np.int64]) -> float:
    """Return the intercept of the largest posterior."""
    sign = 1.0 if c == 1 else -1.0
    margin = person.z[known] - person.threshold

    def loss(b: float) -> float:
        misfit = float(np.logaddexp(0, -sign * (margin + b)).sum())
        return misfit * person.step / EPOCH + b * b / (2 * SPREAD**2)

    return float(minimize_scalar(loss, bounds=(-10, 10), method="bounded").x)


def best_shifts(people: list[Person], left: list[NDArray[np.bool_]]) -> list[float]:
    """Return the shifts under which the pooled kappa is largest, found person by person, thrice around."""
    true = np.concatenate([p.y[keep] for p, keep in zip(people, left, strict=True)])
    logits = [p.z[keep] for p, keep in zip(people, left, strict=True)]
    shifts = [0.0] * len(people)
    for k in 3 * list(range(len(people))):
        called = [z + b >= p.threshold for z, b, p in zip(logits, shifts, people, strict=True)]
        found = {}
        for shift in (shifts[k], *(people[k].threshold - np.unique(logits[k]) + 1e-9)):
            called[k] = logits[k] + shift >= people[k].threshold
            found[float(shift)] = kappa_at(true, np.concatenate(called).astype(float), 0.5)
        shifts[k] = max(found, key=lambda shift: found[shift])
    return shifts


WAYS: Mapping[str, Callable[[Person, int, NDArray[np.int64]], float]] = {
    "shrunk": shrunk,
    "cautious": cautious,
    "intercept": intercept,
}


def people_of(run: Path, config: RunConfig) -> list[Person]:
    """Return everybody who was held out.

    Raises:
        UsageError: The run chose nothing by cross-validation, so nothing is known of the training people.
    """
    people = []
    folders = read_object(RunFolder(run).folds)["folders"]
    for fold, folder in zip(prepared_folds(config, default_registry()).folds, folders, strict=True):
        path = run / str(folder)
        row = read_predictions(path)[0]
        tuned = read_tuned(path, fold.task().inner)
        if tuned is None:
            raise UsageError(f"'{path}' was trained with --tune none: type a run with --tune quick")
        held, part = tuned.out_of_fold, row.predictions[0]
        of: dict[str, list[tuple[Array, NDArray[np.int64]]]] = {}
        found = held.probabilities(row.inferred_with)
        for s, p in zip(held.sequences, found, strict=True):
            labels = np.asarray(s.targets)[s.labelled]
            of.setdefault(s.subject, []).append((_logits(p[s.labelled]), labels))
        pairs = list(zip(part.sequences, part.probabilities, strict=True))
        people.append(
            Person(
                name=fold.name,
                z=np.concatenate([_logits(p[s.labelled]) for s, p in pairs]),
                y=np.concatenate([np.asarray(s.targets)[s.labelled] for s, _ in pairs]),
                threshold=float(logit(part.decision["threshold"])),
                trained=tuple(
                    (np.concatenate([z for z, _ in each]), np.concatenate([y for _, y in each]))
                    for each in of.values()
                ),
                step=float(part.sequences[0].step_seconds),
            )
        )
    return people


def _logits(p: NDArray[np.float32]) -> Array:
    made: Array = logit(np.clip(p[:, 1].astype(np.float64), 1e-7, 1 - 1e-7))
    return made


def main(run: Path, minutes: list[float]) -> None:
    """Print the table.

    Raises:
        MemcellError: The run cannot be used.
    """
    folder = RunFolder.open(run)
    config = resolve_stored(folder, str(folder.sections()["app"]), default_registry())
    people = people_of(run, config)
    names = [*WAYS, "ceiling"]
    print(f"| known of each person | people | none | {' | '.join(names)} |")
    print("|---|---|---|" + "---|" * len(names))
    for classes, word in (((1,), "positive"), ((0,), "negative"), ((0, 1), "of both")):
        for m in minutes:
            known = [{c: p.known(c, m) for c in classes} for p in people]
            able = [all(len(k) for k in each.values()) for each in known]
            cells = [_scores(people, known, able, way) for way in ("", *names)]
            print(f"| {m:g} min {word} | {sum(able)} of {len(people)} | {' | '.join(cells)} |")


def _scores(
    people: list[Person],
    known: list[dict[int, NDArray[np.int64]]],
    able: list[bool],
    way: str,
) -> str:
    left = [np.ones(len(person.y), dtype=np.bool_) for person in people]
    shifts = [0.0] * len(people)
    for i, (person, of) in enumerate(zip(people, known, strict=True)):
        if able[i]:
            left[i][np.concatenate(list(of.values()))] = False
        if able[i] and way in WAYS:
            shifts[i] = float(np.mean([WAYS[way](person, c, k) for c, k in of.items()]))
    if way and way not in WAYS:
        shifts = best_shifts(people, left)
    kept = list(zip(people, shifts, left, strict=True))
    true = [person.y[keep] for person, _, keep in kept]
    called = [(person.z + b >= person.threshold)[keep] for person, b, keep in kept]
    y, found = np.concatenate(true), np.concatenate(called)
    return f"{cohen_kappa_score(y, found):.3f} / {balanced_accuracy_score(y, found):.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", default="1,2", help="known minutes, several with commas")
    typed = parser.parse_args()
    try:
        main(typed.run, [float(word) for word in typed.minutes.split(",")])
    except MemcellError as error:
        parser.error(error.text)
