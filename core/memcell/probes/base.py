"""The contract of a probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from memcell.probes.context import Scene
from memcell.recurrent.policy import CarriedState
from memcell.sequences import Batch

#: What one line of ``probes.jsonl`` says: JSON values by name.
Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """An update, as a probe sees it.

    Args:
        update: Its number, from 1, as in ``metrics.jsonl``.
        epoch: From 0.
        batch: What is trained on.
        began: State and age that the policy began the batch with.
        trains: A step of the batch has a weight; otherwise no parameter changes.
    """

    update: int
    epoch: int
    batch: Batch
    began: CarriedState
    trains: bool


class Probe:
    """Base class of probes.

    A probe reads the network, the data and the batch through its `Scene`, which leaves no trace in the
    training. It is told of every update and measures where it is ``due``; bookkeeping that costs nothing
    may happen at any update. Which updates are due depends on counted work alone, never on a clock.

    Attributes:
        sizes: How much one measurement may look at (lanes, windows), the most first. One of them is
            chosen before training, the largest that can be paid for `wanted` times.
        wanted: Measurements hoped for in a run.
        at_start: The first update is measured at once, and paid for later.
        size: The one that was chosen.
        past: The values of all lines of this probe so far, also those before a resume.
    """

    name: ClassVar[str]
    sizes: ClassVar[tuple[Any, ...]] = (8, 4, 2, 1)
    wanted: ClassVar[int] = 16
    at_start: ClassVar[bool] = False

    def __init__(self, scene: Scene, size: Any) -> None:
        self.scene, self.size = scene, size
        self.past: list[Values] = []

    @classmethod
    def cost(cls, scene: Scene, size: Any) -> float:
        """Return the most that one measurement of a size can cost, in units (`memcell.probes.cost`)."""
        raise TypeError(f"{cls.__name__} does not define cost")

    def owed(self) -> float:
        """Return what measurements that have begun will still cost."""
        return 0.0

    def before_update(self, moment: Moment, due: bool) -> None:
        """See an update before its gradient is taken; the parameters are those before it."""

    def after_update(self, moment: Moment, due: bool) -> Values | None:
        """See it after the optimizer's step; return what was measured."""
        return None

    def end_of_epoch(self, epoch: int) -> Values | None:
        """See an epoch end."""
        return None

    def end(self) -> Values:
        """Return the run's summary, made of `past`. What cannot be said is None, with the reason."""
        return {}

    def said(self, summary: Values) -> str:
        """Return the summary in a few words."""
        return ""

    def state_dict(self) -> Mapping[str, Any]:
        """Return what a resumed run needs beside `past`, as JSON values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` gave."""
