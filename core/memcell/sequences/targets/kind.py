"""The contract of a kind of targets: what depends on what a step's target is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from memcell.errors import DataError
from memcell.sequences.time_series import TimeSeries

#: No probability counts as smaller than this.
SMALLEST = 1e-12
#: More outputs than any network here has had.
MOST_OUTPUTS = 1_000_000


class TargetKind(ABC):
    """What a step's target is; see `memcell.sequences.targets`."""

    #: Its name in a stored model.
    kind: ClassVar[str]
    #: What an output is called: in an exported file, and in words.
    output: ClassVar[str] = "probability"

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Outputs a step."""

    @property
    def n_classes(self) -> int:
        """Classes that windows are counted by; 1 where steps have none."""
        return 1

    @property
    def importance(self) -> NDArray[np.float64]:
        """``[n_groups]``: what each group of steps counts in a balanced loss."""
        return np.ones(1)

    @property
    def loss_name(self) -> str:
        """The loss, in words."""
        return "log loss"

    @property
    def unit(self) -> str:
        """Unit of the loss."""
        return "nats"

    def groups(self, targets: NDArray[Any]) -> NDArray[np.int64]:
        """Return the group ``[n]`` of steps that are labelled."""
        return np.zeros(len(targets), dtype=np.int64)

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss of each step ``[...]``; any finite number where a step has no target.

        Args:
            outputs: ``[..., n_outputs]`` of the network.
            targets: ``[...]`` or ``[..., n_outputs]``.
            weights: ``[n_groups]``, or None.
        """

    @abstractmethod
    def predictions(self, outputs: Tensor) -> Tensor:
        """Return what outputs ``[..., n_outputs]`` of the network become."""

    @abstractmethod
    def errors(
        self, predictions: NDArray[Any], targets: NDArray[Any], smallest: float = SMALLEST
    ) -> NDArray[np.float64]:
        """Return the loss ``[n]`` of labelled steps, of what outputs became.

        Args:
            predictions: ``[n, n_outputs]``.
            targets: Of these steps.
            smallest: No probability counts as smaller.
        """

    @abstractmethod
    def check(self, sequence: TimeSeries) -> None:
        """Refuse a sequence whose targets are of another kind.

        Raises:
            DataError: Says what they are and what is expected.
        """

    @abstractmethod
    def chance(self, sequences: Sequence[TimeSeries]) -> float:
        """Return the loss of predictions that know nothing, which is also that of a run that diverged.

        Args:
            sequences: Training sequences.
        """

    def facts(self) -> dict[str, Any]:
        """Return this as JSON holds it."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]  # every kind is a dataclass
        return {
            "kind": self.kind,
            **{k: list(v) if isinstance(v, tuple) else v for k, v in own.items()},
        }

    def refused(self, sequence: TimeSeries, expected: str) -> DataError:
        """Return the error that refuses a sequence: what its targets are and what was expected."""
        found = sequence.targets
        return DataError(
            f"sequence '{sequence.name}' has targets of {found.dtype} {list(found.shape)}; expected "
            f"{expected}"
        )
