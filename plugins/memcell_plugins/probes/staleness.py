"""Staleness: carried memory was made by older parameters. How far off is it, and what does that cost?

With C~ what the policy began the window with, C* the same steps recomputed from the lane's last restart
under today's parameters (without gradient, dropout, or batch statistics), and theta_i the parameters after
update i::

    S         = |C~ - C*| / |C*|                     over all parts and layers of the state, by lane
    D         = |C*(theta_i) - C*(theta_i-1)| / |C*(theta_i)|
    KL        = KL(p(C*) || p(C~))                   at the window's first and last step, nats
    dL_stale  = L(C~) - L(C*)                        mean loss of the window, nats
    dL_zero   = L(0) - L(C*)
    1 - cos(grad L(C~), grad L(C*))                  L over the probed lanes together

All L of an update have the same dropout masks. D is the inequality of the claim itself (state made in two
epochs differs); drift is not harm: dL_stale is, and dL_zero is what memory gives at all. KL after the
delta-Q of R2D2 (Kapturowski et al., ICLR 2019).

The last restart is `age` steps back, at most to the sequence's start or the last gap; ``lag`` is how many
updates ago that was. It is handed on from place to place in a sequence: where windows come shuffled and begin
with what was stored at their place (`stored`), memory has passed through the updates of several epochs, and
its lag is that of its oldest part. A lane of age 0 carries nothing and is not probed; the lanes are drawn
evenly from the others. Where layers are dropped out or normalizers use batch statistics in training, C~ was
made with them and C* without: S is then not 0 even where no parameter ever changed.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from memcell.probes import cost, estimate
from memcell.probes.base import Probe, Values
from memcell.probes.context import ProbeContext, ProbeWindows, Span, flat, relative
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import map_state, zeros
from memcell.sequences.targets import Classes
from memcell.training.observing import UpdateEvent


class Staleness(Probe):
    """Compares carried memory with memory made anew.

    Values of a line, lists by lane: ``lane``, ``sequence``, ``offset``, ``age``, ``lag`` (updates since the
    restart), ``S``, ``D``, ``kl_first``, ``kl_last``, ``dL_stale``, ``dL_zero``, ``transitions`` (changes
    of label in the window), ``distance`` (between the mean feature vectors of this window and of as many
    steps before it); and ``transitions_batch`` (in all lanes of the batch) and ``gradient_distance``.
    """

    sizes = (16, 8, 4, 2, 1)
    limited_by = "lanes"

    def __init__(self, context: ProbeContext, size: int, config: Any = None) -> None:
        super().__init__(context, size, config)
        #: Sequence and step to the update in which the memory that was left there had begun.
        self.born: dict[tuple[int, int], int] = {}
        self._waiting: tuple[list[Span], Tensor, Values] | None = None

    @classmethod
    def cost(cls, context: ProbeContext, size: int) -> float:
        """Two replays of the longest memory, two windows with gradient and one without."""
        steps = context.config.time_steps
        eager = context.eager
        return (
            2 * cost.forward(context.longest, size, eager)
            + 2 * cost.both(steps, size, eager)
            + cost.forward(steps, size, eager)
        )

    def before_update(self, event: UpdateEvent, due: bool) -> None:
        """Measure all but D."""
        batch, age, now = event.batch, event.state.age.tolist(), event.update
        begins = list(zip(batch.sequence.tolist(), batch.offset.tolist(), strict=True))
        born = [
            now if a == 0 else self.born.get(place, now)
            for place, a in zip(begins, age, strict=True)
        ]
        if due:
            self._measure(event, age, born)
        on = batch.advance
        within = batch.starts[:on].any(0).tolist()
        lengths = batch.valid[:on].sum(0).tolist()
        for (i, offset), b, n, restarted in zip(begins, born, lengths, within, strict=True):
            if i >= 0:
                self.born[i, offset + n] = now if restarted else b

    def _measure(self, event: UpdateEvent, age: list[int], born: list[int]) -> None:
        context, batch = self.context, event.batch
        usable = (batch.valid[0] & ~batch.starts[0]).tolist()
        lanes = [i for i, ok in enumerate(usable) if ok and age[i] > 0]
        if not lanes:
            return
        drawn = context.rng(2, event.update).permutation(len(lanes))[: self.size]
        lanes = sorted(lanes[i] for i in drawn)
        sequence, offset = batch.sequence.tolist(), batch.offset.tolist()
        spans = [
            (sequence[i], context.last_reset(sequence[i], offset[i], age[i]), offset[i])
            for i in lanes
        ]
        windows = context.lanes(batch, lanes)
        index = torch.tensor(lanes, device=batch.x.device)
        carried = CarriedState(
            map_state(lambda part: part.detach()[index], event.state.state),
            event.state.age[index],
        )
        anew = context.replay(spans)
        nothing = CarriedState(zeros(anew.state), torch.zeros_like(anew.age))
        logits_carried, grad_carried = self._graded(windows, carried)
        logits_anew, grad_anew = self._graded(windows, anew)
        with torch.no_grad():
            logits_zero = context.run(windows, nothing, dropout=True).logits
        stale, new, zero = (
            context.lane_losses(windows, logits)
            for logits in (logits_carried, logits_anew, logits_zero)
        )
        kl = _kl(logits_anew, logits_carried)
        classes = isinstance(context.task.target, Classes)
        last = windows.valid.sum(0) - 1
        values: Values = {
            "lane": lanes,
            "sequence": [sequence[i] for i in lanes],
            "offset": [offset[i] for i in lanes],
            "age": [age[i] for i in lanes],
            "lag": [event.update - born[i] for i in lanes],
            "S": relative(flat(carried.state), flat(anew.state)),
            # a divergence is one of probabilities of classes: of other outputs there is none
            "kl_first": kl[0].tolist() if classes else [None] * len(lanes),
            "kl_last": kl.gather(0, last.unsqueeze(0))[0].tolist()
            if classes
            else [None] * len(lanes),
            "loss": new,
            "dL_stale": [estimate.minus(a, b) for a, b in zip(stale, new, strict=True)],
            "dL_zero": [estimate.minus(a, b) for a, b in zip(zero, new, strict=True)],
            "transitions": _transitions(windows),
            "transitions_batch": sum(_transitions(context.lanes(batch, range(batch.batch_size)))),
            "distance": [self._distance(i, r, o, windows.shape[0]) for i, r, o in spans],
            "gradient_distance": _angle(grad_carried, grad_anew),
        }
        self._waiting = spans, flat(anew.state), values

    def after_update(self, event: UpdateEvent, due: bool) -> Values | None:
        """Recompute C* once more, for D."""
        if self._waiting is None:
            return None
        (spans, before, values), self._waiting = self._waiting, None
        after = flat(self.context.replay(spans).state)
        return {**values, "D": relative(before, after)}

    def _graded(self, windows: ProbeWindows, carried: CarriedState) -> tuple[Tensor, Tensor | None]:
        weight = windows.weight.sum()
        with torch.enable_grad():
            logits = self.context.run(windows, carried, dropout=True).logits
            if not weight > 0:
                return logits.detach(), None
            loss = self.context.losses(windows, logits).sum() / weight
            return logits.detach(), self.context.gradient(loss)

    def _distance(self, sequence: int, restart: int, offset: int, steps: int) -> float | None:
        features = self.context.task.train[sequence].features
        before = features[max(restart, offset - steps) : offset].astype("float64")
        now = features[offset : offset + steps].astype("float64")
        return float(((now.mean(0) - before.mean(0)) ** 2).sum() ** 0.5)

    def end(self) -> Values:
        """Return means over measurements, the ratio of means, and rank correlations with dL_stale."""
        if not self.past:
            return {
                "measurements": 0,
                "reason": "no lane carried memory, or the budget was too small",
            }
        names = ("S", "D", "kl_first", "kl_last", "dL_stale", "dL_zero", "lag", "age")
        by_update = {n: [estimate.mean(v[n]) for v in self.past] for n in names}
        pooled = {
            n: [x for v in self.past for x in v[n]] for n in (*names, "transitions", "distance")
        }
        pooled["transitions_batch"] = [
            v["transitions_batch"] for v in self.past for _ in v["dL_stale"]
        ]
        ratio, reason = estimate.ratio_of_means(by_update["dL_stale"], by_update["dL_zero"])
        turned = [v["gradient_distance"] for v in self.past]
        return {
            "measurements": len(self.past),
            "lane_measurements": len(pooled["S"]),
            **{n: estimate.mean(by_update[n]) for n in names},
            "dL_stale_error": estimate.error(by_update["dL_stale"]),
            "dL_zero_error": estimate.error(by_update["dL_zero"]),
            "ratio": ratio,
            **({"ratio_reason": reason} if reason else {}),
            "gradient_distance": estimate.mean(turned),
            "rank_correlation_with_dL_stale": {
                n: estimate.rank_correlation(pooled["dL_stale"], pooled[n])[0]
                for n in ("lag", "age", "S", "transitions", "transitions_batch", "distance")
            },
        }

    def summary_line(self, summary: Values) -> str:
        """Return the means."""
        if not summary["measurements"]:
            return str(summary["reason"])
        show = {
            k: estimate.shown(summary[k]) for k in ("S", "D", "dL_stale", "dL_zero", "ratio", "lag")
        }
        return (
            f"S {show['S']} at a lag of {show['lag']} updates, D {show['D']}, dL_stale {show['dL_stale']}, "
            f"dL_zero {show['dL_zero']} nats, ratio {show['ratio']}"
        )

    def state_dict(self) -> Mapping[str, Any]:
        """Return when the memory at each place had begun."""
        return {"born": [[*place, update] for place, update in self.born.items()]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave; of an older layout nothing."""
        self.born = {(b[0], b[1]): b[2] for b in state["born"] if isinstance(b, list)}


def _kl(p: Tensor, q: Tensor) -> Tensor:
    """Return ``KL(p || q)`` ``[T, B]`` of two sets of logits, nats."""
    a, b = (F.log_softmax(logits.double(), dim=-1) for logits in (p, q))
    return (a.exp() * (a - b)).sum(-1)


def _angle(a: Tensor | None, b: Tensor | None) -> float | None:
    """Return 1 - cos of two vectors, as half the squared distance of their directions (no cancellation)."""
    if a is None or b is None or not float(a.norm()) > 0 or not float(b.norm()) > 0:
        return None
    return 0.5 * float((a / a.norm() - b / b.norm()).square().sum())


def _transitions(windows: ProbeWindows) -> list[int]:
    """Return the changes of label in each window, among labelled steps."""
    if windows.y.dim() > 2 or windows.y.is_floating_point():
        return [0] * windows.shape[1]  # no classes
    found = []
    for column, valid in zip(windows.y.T.tolist(), windows.valid.T.tolist(), strict=True):
        labels = [y for y, v in zip(column, valid, strict=True) if v and y != -1]
        found.append(sum(a != b for a, b in itertools.pairwise(labels)))
    return found
