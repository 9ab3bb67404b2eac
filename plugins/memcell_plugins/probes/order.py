"""What the order of training leaves behind in the parameters.

After B. Badger, "Training memory". All losses of windows here begin from the model's start, without
dropout, so that they depend on the parameters alone.

*Recency*: over a fixed sample of training windows w and probed updates t, least squares on
``l_wt = a_w + b_t + r * recent_wt``; r is the mean loss of windows trained in the last k updates minus that
of windows trained long ago, at equal windows and equal updates. ``recent`` is 1 for windows trained within
the last k = an eighth of an epoch and 0 beyond half an epoch; those between are left out. r < 0: what was
just trained is better known.

*Forgetting*: the own gain of a window d updates after its update, ``R(d) = (l_before - l_d) - (s_before -
s_d)``, with s the mean loss of the sample, so that what all windows gain is not counted. Half-life by a line
through log R(d).

*Anticipation*: ``E[margin_b | next is b] - E[margin_b | next is not b]`` on windows of the validation split
before the update, margin_b the output of class b above the best other one; "next is b" where the batch holds
more of b than the training set does. Mean over the classes that were both. A claim says that alternation is
learned, so that this is positive.

*Periodicity*: the correlation of the loss of each update with that of the same place in the next epoch
(autocorrelation at a lag of an epoch's batches, each epoch's mean taken off), against the same with each
epoch's losses turned by a random phase.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from memcell.files.reading import read_json_lines
from memcell.probes import cost, estimate
from memcell.probes.base import Probe, Values
from memcell.probes.context import ProbeContext, Span
from memcell.sequences.targets import Classes
from memcell.training.observing import UpdateEvent
from memcell_plugins.probes.order_measures import anticipation, periodicity, recency

#: Updates after a window's own at which it is looked at again.
LAGS = (0, 1, 2, 4, 8, 16, 32)


class Order(Probe):
    """Recency, forgetting, anticipation, periodicity.

    Values of a line: ``losses`` and ``since`` (updates since it was last trained, None before the first) of
    each window of the sample, or ``forgetting`` (R at each of `LAGS`); ``margins`` of each class on held-out
    windows and ``next_share`` of each class in the batch.
    """

    sizes = (64, 32, 16, 8, 4)
    limited_by = "windows"

    def __init__(self, context: ProbeContext, size: int, config: Any = None) -> None:
        super().__init__(context, size, config)
        self.sample = context.sample(size)
        self.trained: list[int | None] = [None] * len(self.sample)
        self.held_out = context.sample(size, held_out=True) if context.task.valid else []
        self.trials: list[dict[str, Any]] = []
        self._now: Values | None = None

    @classmethod
    def cost(cls, context: ProbeContext, size: int) -> float:
        """The sample before, held-out windows, and a trial with its own windows and the sample."""
        steps, eager = context.config.time_steps, context.eager
        own = cls._own(context, size)
        return (
            2 * cost.forward(steps, size, eager)
            + len(LAGS) * cost.forward(steps, size + own, eager)
            + cost.forward(steps, own, eager)
        )

    @staticmethod
    def _own(context: ProbeContext, size: int) -> int:
        return min(4, size, context.config.batch_size)

    def owed(self) -> float:
        """Return the price of the looks that trials still want."""
        steps, eager = self.context.config.time_steps, self.context.eager
        left = sum(len(LAGS) - len(t["later"]) for t in self.trials)
        return left * cost.forward(steps, self.size + self._own(self.context, self.size), eager)

    def before_update(self, event: UpdateEvent, due: bool) -> None:
        """Look at the sample and at held-out windows; begin a trial with windows of the batch."""
        if not due:
            return
        losses = self.context.window_losses(self.sample)
        since = [None if t is None else event.update - 1 - t for t in self.trained]
        self._now = {"losses": losses, "since": since, **self._expected(event)}
        batch = event.batch
        usable = ((batch.sequence >= 0) & (batch.weight.sum(0) > 0)).tolist()
        lanes = [i for i, ok in enumerate(usable) if ok]
        drawn = self.context.rng(3, event.update).permutation(len(lanes))
        own = [lanes[i] for i in drawn[: self._own(self.context, self.size)]]
        lengths = batch.valid.sum(0).tolist()
        spans: list[Span] = [
            (int(batch.sequence[i]), int(batch.offset[i]), int(batch.offset[i]) + int(lengths[i]))
            for i in own
        ]
        self.trials.append(
            {
                "update": event.update,
                "windows": [list(s) for s in spans],
                "before": self.context.window_losses(spans),
                "sample": estimate.mean(losses),
                "later": [],
            }
        )

    def _expected(self, event: UpdateEvent) -> Values:
        """Return the margins of each class on held-out windows, and its share in the batch to come."""
        n = self.context.task.n_classes
        batch = event.batch
        if not isinstance(self.context.task.target, Classes):
            return {"margins": None, "next_share": [1.0]}  # no class could be anticipated
        labels = batch.y[batch.weight > 0].long()
        share = torch.bincount(labels, minlength=n)[:n].double() / max(1, len(labels))
        if not self.held_out or n < 2:
            return {"margins": None, "next_share": share.tolist()}
        windows = self.context.windows(self.held_out, held_out=True)
        with torch.no_grad():
            logits = self.context.run(
                windows, self.context.initial_carried(len(self.held_out))
            ).logits
        flat = logits[windows.weight > 0].double()
        margins = []
        for c in range(n):
            others = torch.cat([flat[:, :c], flat[:, c + 1 :]], dim=1).max(dim=1).values
            margins.append(float((flat[:, c] - others).mean()))
        return {"margins": margins, "next_share": share.tolist()}

    def after_update(self, event: UpdateEvent, due: bool) -> Values | None:
        """Note which windows of the sample were trained; look again at the windows of trials."""
        if event.trains:
            self._note(event)
        finished = []
        for trial in self.trials:
            if event.update - trial["update"] == LAGS[len(trial["later"])]:
                trial["later"].append(self._own_gain(trial))
            if len(trial["later"]) == len(LAGS):
                finished.append(trial)
        self.trials = [t for t in self.trials if len(t["later"]) < len(LAGS)]
        values, self._now = self._now, None
        if finished:
            return {**(values or {}), "forgetting": [t["later"] for t in finished]}
        return values

    def _own_gain(self, trial: Mapping[str, Any]) -> float | None:
        """Return what a trial's windows have gained above the sample, in mean."""
        spans: list[Span] = [(a, b, c) for a, b, c in trial["windows"]]
        found = self.context.window_losses([*spans, *self.sample])
        own = estimate.minus(estimate.mean(trial["before"]), estimate.mean(found[: len(spans)]))
        common = estimate.minus(trial["sample"], estimate.mean(found[len(spans) :]))
        return estimate.minus(own, common)

    def _note(self, event: UpdateEvent) -> None:
        batch = event.batch
        lengths = batch.valid.sum(0)
        seen: dict[int, list[tuple[int, int]]] = {}
        for i, start, n in zip(
            batch.sequence.tolist(), batch.offset.tolist(), lengths.tolist(), strict=True
        ):
            seen.setdefault(i, []).append((start, start + n))
        for w, (i, start, stop) in enumerate(self.sample):
            half = (stop - start) / 2  # where the grid moves, half of a window's steps are enough
            if any(min(stop, b) - max(start, a) >= half for a, b in seen.get(i, ())):
                self.trained[w] = event.update

    def end(self) -> Values:
        """Return the four measures."""
        batches = self.context.batches
        looks = [v for v in self.past if "losses" in v]
        gains = [g for v in self.past for g in v.get("forgetting", ())]
        by_lag = [estimate.mean(g[i] for g in gains) for i in range(len(LAGS))]
        half_life, reason = estimate.decay(LAGS, by_lag)
        return {
            "measurements": len(looks),
            "recency": recency(
                [v["losses"] for v in looks],
                [v["since"] for v in looks],
                max(1, batches // 8),
                batches / 2,
            ),
            "forgetting": {
                "lags": list(LAGS),
                "own_gain": by_lag,
                "trials": len(gains),
                "half_life": half_life,
                **({"reason": reason} if reason else {}),
            },
            "anticipation": anticipation(
                [v["margins"] for v in looks],
                [v["next_share"] for v in looks],
                self._overall_share(),
            ),
            "periodicity": periodicity(self._epochs(), self.context.rng(4)),
        }

    def _overall_share(self) -> list[float]:
        n = self.context.task.n_classes
        counts = np.zeros(n)
        for i, source in enumerate(self.context.task.train):
            weighed = self.context.task.train_weights
            counted = source.labelled if weighed is None else source.labelled & (weighed[i] > 0)
            counts += np.bincount(source.classes[counted], minlength=n)[:n]
        shares: list[float] = (counts / max(1.0, counts.sum())).tolist()
        return shares

    def _epochs(self) -> list[list[float]]:
        """Return the losses of each epoch's updates, from ``metrics.jsonl``."""
        records = [r for r in read_json_lines(self.context.metrics) if "loss" in r]
        return [
            [r["loss"] for r in group]
            for _, group in itertools.groupby(records, key=lambda r: r["epoch"])
        ]

    def summary_line(self, summary: Values) -> str:
        """Return the four numbers."""
        forgetting, period = summary["forgetting"], summary["periodicity"]
        return (
            f"recency {estimate.shown(summary['recency']['difference'])} nats, half-life "
            f"{estimate.shown(forgetting['half_life'])} updates, anticipation "
            f"{estimate.shown(summary['anticipation']['difference'])}, periodicity "
            f"{estimate.shown(period['correlation'])} (p {estimate.shown(period['p'])})"
        )

    def state_dict(self) -> Mapping[str, Any]:
        """Return when the sample was trained, and the trials that go on."""
        return {"trained": self.trained, "trials": self.trials}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to what `state_dict` returned."""
        self.trained, self.trials = list(state["trained"]), [dict(t) for t in state["trials"]]
