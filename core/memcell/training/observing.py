"""What a trainer tells of its updates, to whom, and what it needs of the folder that it writes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from memcell.recurrent.policy import CarriedState
from memcell.sequences import Batch


@dataclass(frozen=True, kw_only=True)
class UpdateEvent:
    """An update of the parameters, about to be made or just made.

    Args:
        update: Its number, from 1, as in ``metrics.jsonl``.
        epoch: From 0.
        batch: What is trained on.
        state: State and age that the policy began the batch with.
        trains: A step of the batch has a weight; otherwise no parameter changes.
    """

    update: int
    epoch: int
    batch: Batch
    state: CarriedState
    trains: bool


class Observer(Protocol):
    """Sees a training, and leaves it as it is."""

    def before_update(self, event: UpdateEvent) -> None:
        """See an update before its gradient is taken."""

    def after_update(self) -> None:
        """See the update that was announced last, after the optimizer's step."""

    def end_of_epoch(self, epoch: int) -> None:
        """See an epoch end."""

    def end(self) -> list[str]:
        """See the training end; return lines for the person."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return what a resumed run needs, as JSON values."""

    def load_state_dict(self, state: Mapping[str, Any], update: int) -> None:
        """Go back to what `state_dict` returned after ``update`` updates."""


class TrainingFolder(Protocol):
    """Where a training writes its metrics and checkpoints."""

    @property
    def checkpoint(self) -> Path:
        """The file of the last checkpoint."""

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a line to the metrics."""

    def metrics_size(self) -> int:
        """Return the bytes of the metrics, all of them on the disk."""

    def cut_metrics(self, size: int) -> None:
        """Forget what was written after the first ``size`` bytes of the metrics."""
