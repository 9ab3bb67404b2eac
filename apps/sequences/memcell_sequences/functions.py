"""A loss and scores that are Python functions, as `memcell.fit` hands them over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from memcell.errors import UsageError
from memcell.sequences.own_loss import with_loss
from memcell.sequences.targets import TargetKind
from memcell_sequences.config import SequencesConfig
from memcell_sequences.scores import KNOWN


@dataclass(frozen=True, kw_only=True)
class Functions:
    """The functions that there are in this process; none where a run is only looked at.

    Args:
        loss: Of each step.
        metrics: Scores by name.
    """

    loss: Callable[..., Any] | None = None
    metrics: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse a score whose name is taken.

        Raises:
            UsageError: Says which.
        """
        taken = sorted({*self.metrics} & {name for known in KNOWN.values() for name in known})
        if taken:
            raise UsageError(
                f"metrics got a function called {taken[0]}, which is a score that every run has: give it "
                f"another name, metrics={{'my_{taken[0]}': function}}"
            )

    def taught(self, target: TargetKind, config: SequencesConfig) -> TargetKind:
        """Return the targets with the loss that is a function; one that is not here trains nothing."""
        if self.loss is not None:
            taught = with_loss(target, self.loss)
            taught.try_out()
            return taught
        lost = next((name for name in config.own if name.startswith("loss:")), None)
        return target if lost is None else with_loss(target, _Lost(lost.partition(":")[2]))

    def there(self, config: SequencesConfig) -> tuple[str, ...]:
        """Return the scores to show, but for functions that are not here."""
        lost = {name.partition(":")[2] for name in config.own if name.startswith("metric:")}
        return tuple(name for name in config.metrics if name in self.metrics or name not in lost)


@dataclass(frozen=True)
class _Lost:
    """A loss that was a function of the program that began the run.

    Args:
        name: Its name there.
    """

    name: str

    def __call__(self, outputs: Any, targets: Any) -> Any:
        """Refuse.

        Raises:
            UsageError: Says what to type.
        """
        raise UsageError(
            f"the loss of this run is the Python function {self.name}, which a run folder does not keep: go "
            f"on in Python, with memcell.fit(resume=RUN, loss={self.name})"
        )
