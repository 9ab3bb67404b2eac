"""The settings that cross-validation inside the training people chooses from, and what its table shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Task
from memcell.applications.cross_validation import Candidate
from memcell.sequences.time_series import TimeSeries
from memcell.settings.run_config import engine_defaults
from memcell_eeg.config import EegConfig
from memcell_eeg.decisions.decision import labelled
from memcell_eeg.decisions.thresholds import choose_by_kappa, kappa_at

#: What ``--tune quick`` tries, of those below.
QUICK = ("usual", "no-linear-path")
#: Those that begin at random weights throughout.
FREE = ("no-linear-path", "large-no-linear-path")
#: Training steps of the rarer class from which on these are tried.
ENOUGH_STEPS = 2000
#: After so many epochs ``quick`` looks no further.
QUICK_EPOCHS = 6


def candidates(config: EegConfig, task: Task) -> tuple[Candidate, ...]:
    """Return the candidates of ``--tune``, the simplest first.

    Each says the learning rate, the input noise, the size of the network and its linear path; where an
    application has defaults of its own for these, they are the usual ones. The path stays the regression that
    it starts as: with few steps that is hard to beat, and so few left-out steps cannot tell; with the nights
    of seven people a network that begins at random and learns everything itself is better
    (docs/results/microsleep.md). So the latter is tried where there is enough of both classes. Of the
    features none is searched: what they were chosen by is told in the documentation.

    Args:
        config: With the app's own defaults.
        task: Its training sequences are counted.
    """
    rate, noise, size, path = 0.003, 0.0, 32, "none"
    own = engine_defaults(config)
    path = str(own.get("network", {}).get("skip", path))
    rate = float(own.get("training", {}).get("learning_rate", rate))
    noise = float(own.get("network", {}).get("input_noise", noise))
    size = int(own.get("network", {}).get("hidden_size", size))
    enough = min(_steps_of_groups(task)) >= ENOUGH_STEPS
    made: tuple[Candidate, ...] = (
        _candidate("usual", rate, noise, size, path),
        _candidate("no-linear-path", rate, noise, size, "none"),
        _candidate("slow", rate / 3, noise, size, path),
        _candidate("noisy", rate, max(1.0, 3 * noise), size, path),
        _candidate("quiet", rate, noise / 3, size, path),
        _candidate("small", rate, noise, max(4, size // 2), path),
        _candidate("large", rate, noise, 2 * size, path),
        _candidate("large-noisy", rate, max(1.0, 3 * noise), 2 * size, path),
        _candidate("large-no-linear-path", rate, noise, 2 * size, "none"),
    )
    if not enough:
        made = tuple(each for each in made if each.name not in FREE)
    if config.tune == "full":
        return made
    return tuple(replace(each, most_epochs=QUICK_EPOCHS) for each in made if each.name in QUICK)


def _steps_of_groups(task: Task) -> NDArray[np.int64]:
    """Return how many training steps each class has, or each bin of values."""
    n_groups = len(task.target.importance)
    counts = np.zeros(n_groups, dtype=np.int64)
    for sequence in task.train:
        groups = task.target.groups(sequence.targets[sequence.labelled])
        counts += np.bincount(groups, minlength=n_groups)
    return counts


def _candidate(name: str, rate: float, noise: float, size: int, path: str) -> Candidate:
    return Candidate(
        name=name,
        options={
            "training": {"learning_rate": rate},
            "network": {"input_noise": noise, "hidden_size": size, "skip": path},
        },
    )


def measures(
    sequences: Sequence[TimeSeries], probabilities: Sequence[NDArray[np.float32]]
) -> dict[str, float]:
    """Return AUC, and kappa at the threshold that would be chosen, of pooled out-of-fold predictions."""
    from sklearn.metrics import roc_auc_score

    y, p = labelled(sequences, probabilities)
    if len(np.unique(y)) < 2:
        return {"auc": float("nan"), "kappa": float("nan")}
    auc = float(roc_auc_score(y, p))
    return {"auc": auc, "kappa": kappa_at(y, p, choose_by_kappa(y, p).value)}
