"""Scores of the labelled steps, by the names that scikit-learn has for them where it has them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import ConfigError, UsageError, unknown
from memcell.sequences.time_series import TimeSeries
from memcell_sequences.targets import TargetPlan

Array = NDArray[Any]
Probabilities = NDArray[np.float32]
#: Scores that a screen shows, by kind; the first is the one that counts most.
USUAL: Mapping[str, tuple[str, ...]] = {
    "classes": ("balanced_accuracy", "kappa", "auc", "log_loss"),
    "next": ("accuracy", "log_loss", "perplexity"),
    "values": ("mean_absolute_error", "root_mean_squared_error", "r2"),
    "labels": ("f1_macro", "auc", "log_loss"),
}
#: Smaller is better, and tables put first what is larger.
NOT_FIRST = ("log_loss", "perplexity")
SMALLEST = 1e-12
#: Of more classes no area under a curve is worked out.
MOST_CURVES = 20


def shown_scores(kind: str, chosen: Sequence[str], own: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the scores that a screen shows.

    Args:
        kind: Of the targets.
        chosen: Names; none for the usual ones.
        own: Names of functions, which are known too.

    Raises:
        ConfigError: One is not known for this kind of targets, or cannot be first.
    """
    known = [*KNOWN[kind], *own]
    for name in chosen:
        if name not in known:
            raise ConfigError(f"metrics of {kind}: {unknown('score', name, known)}")
    found = tuple(chosen) or USUAL[kind]
    if found[0] in NOT_FIRST:
        raise ConfigError(
            f"'metrics' got '{found[0]}' first, which is better when smaller: type another before it, such "
            f"as {USUAL[kind][0]}"
        )
    return found


def scores(
    plan: TargetPlan,
    sequences: Sequence[TimeSeries],
    predictions: Sequence[Probabilities],
    own: Mapping[str, Callable[[Array, Array], Any]] | None = None,
) -> dict[str, float]:
    """Return every score of a kind of targets, and those that are functions; NaN where it is not defined."""
    y, p = labelled(sequences, predictions)
    known = KNOWN[plan.kind]
    if not len(y):
        return {name: float("nan") for name in (*known, *(own or {}))}
    with warnings.catch_warnings():  # one class alone, or one step: the score is NaN then
        warnings.simplefilter("ignore")
        found = {name: _number(score, y, p) for name, score in known.items()}
    if plan.kind == "values" and len(plan.names) > 1:
        for k, name in enumerate(plan.names):
            kept = ~np.isnan(y[:, k])
            pair = y[kept, k : k + 1], p[kept, k : k + 1]
            found[f"{name}_mean_absolute_error"] = _number(VALUES["mean_absolute_error"], *pair)
    for name, function in (own or {}).items():
        found[name] = own_score(name, function, y, p)
    return found


def own_score(name: str, function: Callable[[Array, Array], Any], y: Array, p: Array) -> float:
    """Return a score that is a function, of targets and predictions of all steps that have a target.

    Raises:
        UsageError: It returned no number.
    """
    flat = (
        y.ndim == 2 and y.shape[1] == p.shape[1] == 1
    )  # one value a step, as most functions take it
    found = function(y[:, 0], p[:, 0]) if flat else function(y, p)
    try:
        return float(found)
    except (TypeError, ValueError):
        raise UsageError(
            f"metric {name} returned a {type(found).__name__}; expected one number"
        ) from None


def labelled(
    sequences: Sequence[TimeSeries], predictions: Sequence[Probabilities]
) -> tuple[Array, NDArray[np.float64]]:
    """Return the targets and the predictions of the labelled steps, pooled."""
    if not sequences:
        return np.empty(0), np.empty((0, 1))
    y = np.concatenate([s.targets[s.labelled] for s in sequences])
    pairs = zip(sequences, predictions, strict=True)
    p = np.concatenate([np.asarray(q, dtype=np.float64)[s.labelled] for s, q in pairs])
    return (y.reshape(len(y), -1) if sequences[0].of_values else y), p


def _number(score: Callable[[Array, Array], float], y: Array, p: Array) -> float:
    try:
        return float(score(y, p)) if len(y) else float("nan")
    except ValueError:  # as scikit-learn says that it is not defined
        return float("nan")


def _decided(name: str, y: Array, p: Array, **options: Any) -> float:
    from sklearn import metrics

    return float(getattr(metrics, name)(y, p.argmax(axis=1), **options))


def _log_loss(y: Array, p: Array) -> float:
    return float(-np.log(p[np.arange(len(y)), y].clip(SMALLEST)).mean())


def _auc(y: Array, p: Array) -> float:
    from sklearn.metrics import roc_auc_score

    if p.shape[1] == 2:
        return float(roc_auc_score(y, p[:, 1]))
    if p.shape[1] > MOST_CURVES:
        return float("nan")
    there = np.unique(y)
    return float(np.mean([roc_auc_score(y == k, p[:, k]) for k in there]))


def _each_value(name: str, y: Array, p: Array) -> float:
    """Return the mean of a score over the values of a step, each over the steps that have it."""
    from sklearn import metrics

    found = []
    for k in range(y.shape[1]):
        kept = ~np.isnan(y[:, k])
        if kept.any():
            found.append(float(getattr(metrics, name)(y[kept, k], p[kept, k])))
    return float(np.mean(found)) if found else float("nan")


def _each_label(score: Callable[[Array, Array], float], y: Array, p: Array) -> float:
    found = []
    for k in range(y.shape[1]):
        kept = y[:, k] >= 0
        if kept.any():
            found.append(_number(score, y[kept, k], p[kept, k]))
    return float(np.nanmean(found)) if found else float("nan")


def _label_f1(y: Array, p: Array) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(y, p >= 0.5, zero_division=np.nan))


def _label_auc(y: Array, p: Array) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, p))


def _label_loss(y: Array, p: Array) -> float:
    return float(-np.log(np.where(y > 0, p, 1 - p).clip(SMALLEST)).mean())


Scores = Mapping[str, Callable[[Array, Array], float]]
CLASSES: Scores = {
    "balanced_accuracy": partial(_decided, "balanced_accuracy_score"),
    "accuracy": partial(_decided, "accuracy_score"),
    "kappa": partial(_decided, "cohen_kappa_score"),
    "f1_macro": partial(_decided, "f1_score", average="macro", zero_division=0.0),
    "matthews": partial(_decided, "matthews_corrcoef"),
    "auc": _auc,
    "log_loss": _log_loss,
}
TOKENS: Scores = {
    "accuracy": CLASSES["accuracy"],
    "log_loss": _log_loss,
    "perplexity": lambda y, p: float(np.exp(_log_loss(y, p))),
}
VALUES: Scores = {
    "mean_absolute_error": partial(_each_value, "mean_absolute_error"),
    "root_mean_squared_error": partial(_each_value, "root_mean_squared_error"),
    "median_absolute_error": partial(_each_value, "median_absolute_error"),
    "r2": partial(_each_value, "r2_score"),
    "explained_variance": partial(_each_value, "explained_variance_score"),
}
LABELS: Scores = {
    "f1_macro": partial(_each_label, _label_f1),
    "accuracy": partial(_each_label, lambda y, p: float(np.mean((p >= 0.5) == (y > 0)))),
    "auc": partial(_each_label, _label_auc),
    "log_loss": partial(_each_label, _label_loss),
}
KNOWN: Mapping[str, Scores] = {
    "classes": CLASSES,
    "next": TOKENS,
    "values": VALUES,
    "labels": LABELS,
}
