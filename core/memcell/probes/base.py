"""The contract of a probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from memcell.old_methods import keep_old_names
from memcell.old_paths import renamed_in
from memcell.probes.context import ProbeContext
from memcell.training.observing import UpdateEvent

#: What one line of ``probes.jsonl`` says: JSON values by name.
Values = dict[str, Any]

#: Old name to new name.
_RENAMED = {"wanted": "measurements", "wanted_with": "measurements_with"}


class Probe:
    """Base class of probes: measurements that leave the training as it is, to the bit.

    A probe reads the network, the data and the batch through its `ProbeContext`, which leaves no trace in the
    training. It is told of every update and measures where it is ``due``; bookkeeping that costs nothing
    may happen at any update. Which updates are due depends on counted work alone, never on a clock.

    Args:
        context: The network and its data, for looking only.
        size: How much a measurement may look at, one of `sizes`.
        config: Options of the probe's own.

    Attributes:
        sizes: How much one measurement may look at (lanes, windows), the most first. One of them is
            chosen before training, the largest that can be paid for `measurements` times.
        measurements: How many are hoped for in a run.
        limited_by: An option that says the largest of `sizes`; empty where none does.
        at_start: The first update is measured at once, and paid for later.
        past: The values of all lines of this probe so far, also those before a resume.
    """

    sizes: ClassVar[tuple[Any, ...]] = (8, 4, 2, 1)
    measurements: ClassVar[int] = 16
    limited_by: ClassVar[str] = ""
    at_start: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        keep_old_names(cls, _RENAMED)

    def __init__(self, context: ProbeContext, size: Any, config: Any = None) -> None:
        self.context, self.size, self.config = context, size, config
        self.past: list[Values] = []

    @classmethod
    def sizes_with(cls, config: Any) -> Sequence[Any]:
        """Return the sizes that the options allow, the most first; at least one."""
        most = getattr(config, cls.limited_by, None) if cls.limited_by else None
        return cls.sizes if most is None else [size for size in cls.sizes if size <= most]

    @classmethod
    def measurements_with(cls, config: Any) -> int:
        """Return how many measurements are hoped for: the option ``measurements`` where there is one."""
        return int(getattr(config, "measurements", cls.measurements))

    @classmethod
    def cost(cls, context: ProbeContext, size: Any) -> float:
        """Return the most that one measurement of a size can cost, in units (`memcell.probes.cost`)."""
        raise TypeError(f"{cls.__name__} does not define cost")

    def owed(self) -> float:
        """Return what measurements that have begun will still cost."""
        return 0.0

    def before_update(self, event: UpdateEvent, due: bool) -> None:
        """See an update before its gradient is taken; the parameters are those before it."""

    def after_update(self, event: UpdateEvent, due: bool) -> Values | None:
        """See it after the optimizer's step; return what was measured."""
        return None

    def end_of_epoch(self, epoch: int) -> Values | None:
        """See an epoch end."""
        return None

    def end(self) -> Values:
        """Return the run's summary, made of `past`. What cannot be said is None, with the reason."""
        return {}

    def summary_line(self, summary: Values) -> str:
        """Return the summary in a few words."""
        return ""

    def state_dict(self) -> Mapping[str, Any]:
        """Return what a resumed run needs beside `past`, as JSON values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to what `state_dict` returned."""


keep_old_names(Probe, _RENAMED)

if not TYPE_CHECKING:
    __getattr__ = renamed_in(__name__)  # names of version 0.1
