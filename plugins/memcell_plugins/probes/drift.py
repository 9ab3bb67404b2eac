"""Drift: a window's start state moves from one epoch to the next, though its data are the same. How far?

With C_i(w) what window w began with in epoch i, and C* the state that the parameters of that update make of
the same past (recomputed from the last restart, as in `memcell_plugins.probes.staleness`)::

    between = |C_i(w) - C_(i-1)(w)| / |C_i(w)|      over all parts and layers of the state, by lane
    within  = |C_i(w) - C*| / |C*|                  the S of ``staleness``

The claim about carried memory is ``between``: in each epoch a state stands for the same past and is
another. ``within`` is its lag in the epoch at work. Both are 0 for parameters that do not change, and
``between`` alone is 0 where starts are made by parameters that stand still (`fixed_lens`).

Needs windows that lie at the same steps in every epoch. A sample of them, drawn once from the seed, is kept
from one epoch to the next; a measurement looks at those of it in one batch that carry memory. Where layers
are dropped out or normalizers use batch statistics in training, ``within`` counts that too, as S does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from memcell.probes import cost, estimate
from memcell.probes.base import Probe, Values
from memcell.probes.context import ProbeContext, flat, relative
from memcell.training.observing import UpdateEvent


class Drift(Probe):
    """Compares what windows begin with in one epoch and in the next.

    Values of a line, lists by lane: ``sequence``, ``offset``, ``age``, ``between``, ``within``; and
    ``epoch``.
    """

    sizes = (16, 8, 4, 2, 1)
    limited_by = "lanes"

    def __init__(self, context: ProbeContext, size: int, config: Any = None) -> None:
        super().__init__(context, size, config)
        windows = 256 if config is None else config.windows
        sample = context.sample(windows, labelled=False)
        self.sample = {(sequence, start) for sequence, start, _ in sample}
        #: Epoch in which a window of the sample began last, and with what.
        self.kept: dict[tuple[int, int], tuple[int, Tensor]] = {}
        self._found: Values | None = None

    @classmethod
    def cost(cls, context: ProbeContext, size: int) -> float:
        """A replay of the longest memory."""
        return cost.forward(context.longest, size, context.eager)

    def before_update(self, event: UpdateEvent, due: bool) -> None:
        """Keep what the sample's windows begin with, and measure where it is due."""
        batch, age = event.batch, event.state.age.tolist()
        within_memory = (batch.valid[0] & ~batch.starts[0]).tolist()
        places = list(zip(batch.sequence.tolist(), batch.offset.tolist(), strict=True))
        lanes = [
            i
            for i, place in enumerate(places)
            if within_memory[i] and age[i] > 0 and place in self.sample
        ]
        self._found = None
        if not lanes:
            return
        now = flat(event.state.state)
        before = {i: self.kept[places[i]] for i in lanes if places[i] in self.kept}
        chosen = [i for i, (epoch, _) in before.items() if epoch == event.epoch - 1][: self.size]
        if due and chosen:
            self._measure(event, chosen, places, torch.stack([before[i][1] for i in chosen]), now)
        for i in lanes:
            self.kept[places[i]] = event.epoch, now[i].cpu()

    def _measure(
        self,
        event: UpdateEvent,
        lanes: list[int],
        places: list[tuple[int, int]],
        before: Tensor,
        now: Tensor,
    ) -> None:
        age = [int(event.state.age[lane]) for lane in lanes]
        at = [(*places[lane], old) for lane, old in zip(lanes, age, strict=True)]
        spans = [(i, self.context.last_reset(i, offset, old), offset) for i, offset, old in at]
        began = now.index_select(0, torch.tensor(lanes, device=now.device))
        self._found = {
            "epoch": event.epoch,
            "sequence": [i for i, _, _ in at],
            "offset": [offset for _, offset, _ in at],
            "age": age,
            "between": relative(before.to(began.device), began),
            "within": relative(began, flat(self.context.replay(spans).state)),
        }

    def after_update(self, event: UpdateEvent, due: bool) -> Values | None:
        """Return what was measured."""
        return self._found

    def end(self) -> Values:
        """Return means over measurements, and the ratio of means."""
        if not self.past:
            return {
                "measurements": 0,
                "reason": "no window that carries memory came again in the next epoch, or the budget was "
                "too small",
            }
        names = ("between", "within")
        by_update = {n: [estimate.mean(v[n]) for v in self.past] for n in names}
        ratio, reason = estimate.ratio_of_means(by_update["between"], by_update["within"])
        return {
            "measurements": len(self.past),
            **{n: estimate.mean(by_update[n]) for n in names},
            "first": {n: by_update[n][0] for n in names},
            "last": {n: by_update[n][-1] for n in names},
            "ratio": ratio,
            **({"ratio_reason": reason} if reason else {}),
        }

    def summary_line(self, summary: Values) -> str:
        """Return the means."""
        if not summary["measurements"]:
            return str(summary["reason"])
        show = {k: estimate.shown(summary[k]) for k in ("between", "within", "ratio")}
        return (
            f"a window's start state moved by {show['between']} of its size from epoch to epoch, and was "
            f"{show['within']} from what the weights of its update make (ratio {show['ratio']})"
        )

    def state_dict(self) -> Mapping[str, Any]:
        """Return what the sample's windows began with."""
        return {"kept": [[*at, epoch, c.tolist()] for at, (epoch, c) in self.kept.items()]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""
        self.kept = {
            (i, o): (epoch, torch.tensor(c, dtype=torch.float64))
            for i, o, epoch, c in state["kept"]
        }
