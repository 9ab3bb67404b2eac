"""A toy application for other targets than classes: means of the past, and signs of inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from memcell import (
    AppSpec,
    Classes,
    MultiLabel,
    Row,
    Task,
    TimeSeries,
    Values,
    hookimpl,
    option,
)

LABELS = MultiLabel(("first", "second"))


@hookimpl
def memcell_apps():
    yield AppSpec(
        name="toy", factory="toy_targets:Toy", config="toy_targets:ToyConfig", summary="A toy."
    )


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    kind: str = option("values", choices=("values", "two", "labels", "classes"), help="Of targets.")
    loss: str = option("absolute", choices=("absolute", "squared", "huber"), help="Of values.")
    bins: bool = option(False, help="Steps are weighed by bins of the value.")


def running_mean(x, tau=10):
    kept, out = 0.0, []
    for value in x:
        kept += (value - kept) / tau
        out.append(kept)
    return np.array(out)


def sequence(name, kind, seed, n=120):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 3)).astype(np.float32)
    mean = 300 + 250 * running_mean(x[:, 0])
    if kind == "values":
        y = mean.astype(np.float32)
        y[::7] = np.nan
    elif kind == "two":
        y = np.stack([mean, 5 - x[:, 1]], axis=1).astype(np.float32)
        y[::7], y[::3, 1] = np.nan, np.nan
    elif kind == "labels":
        y = (np.stack([running_mean(x[:, 0]), x[:, 1]], axis=1) > 0).astype(np.int64)
        y[::7], y[::3, 1] = -1, -1
    else:
        y = (mean > 300).astype(np.int64)
    return TimeSeries(name=name, subject=name, features=x, targets=y, breaks=(50,))


def toy_task(kind="values", loss="absolute", bins=False):
    parts = {
        part: tuple(sequence(f"{part}{i}", kind, 100 * k + i) for i in range(n))
        for k, (part, n) in enumerate({"train": 6, "valid": 2, "test": 3}.items())
    }
    target, weights = Classes(2), None
    if kind in ("values", "two"):
        names = ("mean",) if kind == "values" else ("mean", "now")
        edges = (-1000.0, 250.0, 350.0, 2000.0) if bins else ()
        target = Values(
            names,
            loss=loss,
            bins=edges,
            bin_importance=(3.0, 2.0, 1.0) if bins else (),
            limits=(-1000.0, 2000.0) if bins else (),
        ).fitted(parts["train"])
        weights = target.balanced(parts["train"]) if bins else None
    elif kind == "labels":
        target = LABELS
    return Task(**parts, target=target, class_weights=weights, main_score=MAIN[kind])


MAIN = {"values": "mean_error", "two": "mean_error", "labels": "accuracy", "classes": "accuracy"}


class Toy:
    def __init__(self, config, dataset=None):
        self.config = config

    def task(self, progress=None):
        return toy_task(self.config.kind, self.config.loss, self.config.bins)

    def encoder(self, n_features):
        same = nn.Identity()
        same.output_size = n_features
        return same

    def scores(self, sequences, probabilities, decision):
        y = np.concatenate([s.targets.reshape(s.n_steps, -1) for s in sequences])
        p = np.concatenate(list(probabilities))
        if y.dtype.kind == "f":
            return {"mean_error": float(np.nanmean(np.abs(p - y)))}
        if self.config.kind == "classes":
            return {"accuracy": float((p.argmax(1) == y[:, 0]).mean())}
        return {"accuracy": float(((p > 0.5) == y)[y >= 0].mean())}

    def baselines(self, task, every=False):
        target = task.target
        at = target.centre if isinstance(target, Values) else (0.5,) * target.n_outputs
        said = [np.tile(np.float32(at), (s.n_steps, 1)) for s in task.test]
        by = {s.subject: self.scores([s], [p], {}) for s, p in zip(task.test, said, strict=True)}
        scores = self.scores(task.test, said, {})
        return [Row(name="best constant", kind="baseline", scores=scores, subjects=by)]
