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
from memcell_eeg.config import CONTEXT, CONTEXT_STEPS, EegConfig
from memcell_eeg.decisions.decision import labelled
from memcell_eeg.decisions.thresholds import choose_by_kappa, kappa_at

#: What ``--tune quick`` tries, of those below.
QUICK = ("usual", "no-linear-path")
#: Those that begin at random weights throughout.
FREE = ("no-linear-path", "large-no-linear-path")
#: Training steps of the rarer class from which on these are tried.
ENOUGH_STEPS = 2000
#: The longest mean of the past that ``full`` compares, s, and of precomputed features in steps.
LONG_CONTEXT, LONG_STEPS = 300.0, 60
#: Channels up to which it compares correlations of all pairs.
MOST_PAIRED = 16
#: After so many epochs ``quick`` looks no further.
QUICK_EPOCHS = 6


def candidates(config: EegConfig, task: Task) -> tuple[Candidate, ...]:
    """Return the candidates of ``--tune``, the simplest first.

    Each says the learning rate, the input noise, the size of the network and its linear path; where an
    application has defaults of its own for these, they are the usual ones. The path stays the regression that
    it starts as: with few steps that is hard to beat, and so few left-out steps cannot tell; with the nights
    of seven people a network that begins at random and learns everything itself is better
    (docs/results/microsleep.md). So the latter is tried where there is enough of both classes. Features are
    those of the config: `feature_sets` has others.

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
    made = tuple(replace(each, of_features=each.name in QUICK) for each in made)
    if config.tune == "full":
        return made
    return tuple(replace(each, most_epochs=QUICK_EPOCHS) for each in made if each.name in QUICK)


def feature_sets(config: EegConfig, task: Task, section: str) -> tuple[Candidate, ...]:
    """Return the kinds of features that ``--tune full`` compares, the usual one first; else none.

    Each says features, means of the past and scale: relative powers or absolute ones, or both; correlations
    of channels; no mean of the past, some 20 and 90 s, or 300 s too; the scale of the training people or each
    recording's running one. Features that came precomputed have the last two. Raw samples have no other form.

    Args:
        config: With the app's own defaults.
        task: Its facts say what the features are made of.
        section: Where the options stand: the app's name.
    """
    words = type(config)().feature_kinds
    raw = any(word.partition(":")[0] == "raw" for word in (*words, *config.feature_kinds))
    if config.tune != "full" or raw or config.encoder == "raw_cnn":
        return ()
    pipeline = task.facts.get("pipeline", {})
    precomputed = bool(pipeline.get("precomputed"))
    step = float(pipeline.get("step", 0.0)) if precomputed else 0.0
    past, longer = CONTEXT, (*CONTEXT, LONG_CONTEXT)
    if step:
        past = (step * CONTEXT_STEPS[0], step * CONTEXT_STEPS[1])
        longer = (*past, step * LONG_STEPS)
    made: list[tuple[str, Sequence[str], Sequence[float], str]] = [
        ("usual", words, config.context_seconds(step), config.normalization),
        ("no-past", words, (), "training"),
        ("past", words, past, "training"),
        ("long-past", words, longer, "training"),
        ("running-scale", words, past, "causal"),
    ]
    if not precomputed:
        made += [
            ("relative", ("relative",), past, "training"),
            ("absolute", ("bandpower",), past, "training"),
            ("relative-absolute", ("relative", "bandpower"), past, "training"),
            ("absolute-running-scale", ("bandpower",), past, "causal"),
        ]
        if 1 < len(pipeline.get("eeg", ())) <= MOST_PAIRED:
            made.append(("correlations", (*words, "correlation"), past, "training"))
    different: dict[tuple[object, ...], Candidate] = {}
    for name, features, context, normalization in made:
        scale = "training" if normalization == "auto" else normalization
        options = {
            "features": list(features),
            "context": [f"{seconds:g}" for seconds in context] or ["none"],
            "normalization": scale,
        }
        key = (tuple(features), tuple(context), scale)
        different.setdefault(key, Candidate(name=name, options={section: options}))
    return tuple(different.values())


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
