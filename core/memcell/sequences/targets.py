"""What a step's target is: a class, values, or several labels.

A `TargetKind` is a small frozen value that a task carries and a trained model stores. The trainer, the linear
path, inference, scoring, the probes and the export ask it, and nothing else, for what depends on the kind:

=============  ==========================  =======================  =====================
kind           targets of a sequence       loss of a step           outputs become
=============  ==========================  =======================  =====================
`Classes`      ``[n]`` int64, -1 none      cross-entropy            a softmax
`Values`       ``[n]`` or ``[n, K]``       absolute, squared or     the values themselves
               float32, NaN none           Huber error
`MultiLabel`   ``[n, K]`` int64 of 0 and   binary cross-entropy     a sigmoid each
               1, -1 none
=============  ==========================  =======================  =====================

A step is labelled where it has any target. The loss of a step with several is the mean over those that it
has. Steps are weighed by `groups`: classes, bins of a value, or a single one; `memcell.applications.app.Task`
has a weight for each group (``class_weights``).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from memcell.errors import ConfigError, DataError
from memcell.sequences.time_series import TimeSeries

#: No probability counts as smaller than this.
SMALLEST = 1e-12
#: More outputs than any network here has had.
MOST_OUTPUTS = 1_000_000


class TargetKind(ABC):
    """What a step's target is; see the module."""

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
        """Return the loss of each step ``[...]``; of one without a target a finite number.

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
        """Return the loss of who knows nothing, as a run that diverged has it.

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

    def _refused(self, sequence: TimeSeries, expected: str) -> DataError:
        found = sequence.targets
        return DataError(
            f"sequence '{sequence.name}' has targets of {found.dtype} {list(found.shape)}; expected "
            f"{expected}"
        )


@dataclass(frozen=True)
class Classes(TargetKind):
    """One of ``n`` classes a step, 0 to n - 1; -1 where there is none.

    Args:
        n: How many.
    """

    n: int
    kind: ClassVar[str] = "classes"

    @property
    def n_outputs(self) -> int:
        """The classes."""
        return self.n

    @property
    def n_classes(self) -> int:
        """The classes."""
        return self.n

    @property
    def importance(self) -> NDArray[np.float64]:
        """All the same."""
        return np.ones(self.n)

    def groups(self, targets: NDArray[Any]) -> NDArray[np.int64]:
        """Return the classes."""
        return np.asarray(targets, dtype=np.int64)

    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the cross-entropy, nats."""
        flat = functional.cross_entropy(
            outputs.flatten(0, -2),
            targets.long().clamp_min(0).flatten(),
            weight=None if weights is None else weights.to(outputs.dtype),
            reduction="none",
        )
        return flat.view(targets.shape)

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the probability of each class."""
        return torch.softmax(outputs, dim=-1)

    def errors(
        self, predictions: NDArray[Any], targets: NDArray[Any], smallest: float = SMALLEST
    ) -> NDArray[np.float64]:
        """Return the negative log of the true class's probability."""
        y = np.asarray(targets, dtype=np.int64)
        true = np.asarray(predictions)[np.arange(len(y)), y].astype(np.float64).clip(smallest)
        return np.asarray(-np.log(true))

    def check(self, sequence: TimeSeries) -> None:
        """Refuse what is no class."""
        y = np.asarray(sequence.targets)
        expected = f"an integer class of 0 to {self.n - 1} for each step [n_steps], -1 for none"
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise self._refused(sequence, expected)
        if y.size and not (y.min() >= -1 and y.max() < self.n):
            bad = y.min() if y.min() < -1 else y.max()
            raise DataError(f"sequence '{sequence.name}' has the class {bad}; expected {expected}")

    def chance(self, sequences: Sequence[TimeSeries]) -> float:
        """Return the loss of guessing."""
        return math.log(self.n)


@dataclass(frozen=True)
class Values(TargetKind):
    """One or several numbers a step: regression. NaN where there is none.

    The loss is taken at the scale of the training steps, ``(value - centre) / spread``, which is what the
    network puts out before `predictions`; so its size does not depend on the unit.

    Args:
        names: What they are, a word each.
        loss: ``"absolute"``, ``"squared"`` or ``"huber"`` error.
        delta: Where the Huber error goes from squared to absolute, in spreads.
        centre: A middle of each; those of `fitted`, or 0.
        spread: A size of the variation of each, above 0; those of `fitted`, or 1.
        bins: Edges of the groups of steps, for one value alone, ascending: steps from each edge up to the
            next, the last edge included. Empty for one group.
        bin_importance: What each bin counts in a balanced loss; empty for the same each.
        limits: Least and largest value that is predicted; empty for none. The loss of
            training knows them not.
    """

    names: tuple[str, ...] = ("value",)
    loss: str = "absolute"
    delta: float = 1.0
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    bins: tuple[float, ...] = ()
    bin_importance: tuple[float, ...] = ()
    limits: tuple[float, ...] = ()
    kind: ClassVar[str] = "values"
    output: ClassVar[str] = "value"

    def __post_init__(self) -> None:
        n = len(self.names)
        if not 0 < n <= MOST_OUTPUTS:
            raise ConfigError(f"values got {n} names; expected one for each number of a step")
        if self.loss not in _ERRORS:
            raise ConfigError(f"loss got {self.loss!r}; expected {', '.join(_ERRORS)}")
        if not self.delta > 0:
            raise ConfigError(f"delta got {self.delta:g}; expected a number above 0")
        for name, plain in (("centre", 0.0), ("spread", 1.0)):
            found = getattr(self, name) or (plain,) * n
            if len(found) != n or not all(map(math.isfinite, found)):
                raise ConfigError(f"{name} got {found}; expected {n} finite numbers")
            object.__setattr__(self, name, tuple(map(float, found)))
        if min(self.spread) <= 0:
            raise ConfigError(f"spread got {self.spread}; expected numbers above 0")
        if self.bins and (n > 1 or len(self.bins) < 2 or any(np.diff(self.bins) <= 0)):
            raise ConfigError(
                f"bins got {self.bins}; expected two ascending edges or more, for one value"
            )
        if self.limits and (len(self.limits) != 2 or not self.limits[0] < self.limits[1]):
            raise ConfigError(f"limits got {self.limits}; expected the least and the largest value")
        if self.bin_importance and len(self.bin_importance) != len(self.bins) - 1:
            raise ConfigError(
                f"bin_importance got {len(self.bin_importance)} numbers for {len(self.bins) - 1} bins"
            )

    @property
    def n_outputs(self) -> int:
        """The numbers of a step."""
        return len(self.names)

    @property
    def importance(self) -> NDArray[np.float64]:
        """What each bin counts."""
        return np.array(self.bin_importance or (1.0,) * max(1, len(self.bins) - 1))

    @property
    def loss_name(self) -> str:
        """The error."""
        return f"{self.loss.capitalize() if self.loss == 'huber' else self.loss} error"

    @property
    def unit(self) -> str:
        """What errors are measured in: spreads of the training steps."""
        return "spreads"

    def fitted(self, sequences: Sequence[TimeSeries]) -> Values:
        """Return this with the centre and the spread of training steps: median and mean distance from it.

        Under a squared error they are mean and standard deviation.

        Raises:
            DataError: A value has no training step.
        """
        columns = np.concatenate([self._columns(s.targets) for s in sequences]).T.astype(np.float64)
        centre, spread = [], []
        for name, column in zip(self.names, columns, strict=True):
            known = column[~np.isnan(column)]
            if not len(known):
                raise DataError(
                    f"no training step has a value '{name}': there is nothing to learn from"
                )
            squared = self.loss == "squared"
            centre.append(float(known.mean() if squared else np.median(known)))
            size = float(known.std() if squared else np.abs(known - centre[-1]).mean())
            spread.append(size if size > 1e-12 else 1.0)
        changed = {f.name: getattr(self, f.name) for f in fields(self)}
        return Values(**{**changed, "centre": tuple(centre), "spread": tuple(spread)})

    def balanced(
        self, sequences: Sequence[TimeSeries], weights: Sequence[NDArray[np.float32]] | None = None
    ) -> tuple[float, ...]:
        """Return the weight of each bin's steps under which every bin weighs its importance.

        Their mean over the labelled steps is 1; a bin without a step has weight 0.

        Args:
            sequences: Training sequences.
            weights: Weights of their steps; None for 1 each.
        """
        counts = np.zeros(len(self.importance))
        for k, s in enumerate(sequences):
            known = s.labelled
            own = np.ones(int(known.sum())) if weights is None else weights[k][known]
            counts += np.bincount(self.groups(s.targets[known]), own, minlength=len(counts))
        wanted = np.where(counts > 0, self.importance, 0.0)
        share = wanted / max(wanted.sum(), SMALLEST) * counts.sum()
        return tuple(np.divide(share, counts, out=np.zeros_like(counts), where=counts > 0).tolist())

    def groups(self, targets: NDArray[Any]) -> NDArray[np.int64]:
        """Return the bin of each step."""
        if not self.bins:
            return super().groups(targets)
        inner = np.asarray(self.bins[1:-1], dtype=np.float32)
        values = self._columns(np.asarray(targets))[:, 0].astype(np.float32)
        return np.searchsorted(inner, values, side="right").astype(np.int64)

    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the error in spreads."""
        aims = targets.to(outputs.dtype).reshape(outputs.shape)
        known = ~torch.isnan(aims)
        centre, spread = self._scale(outputs)
        aims = (torch.nan_to_num(aims) - centre) / spread
        each = _ERRORS[self.loss](outputs, aims, self.delta) * known
        found = each.sum(-1) / known.sum(-1).clamp_min(1)
        if weights is None:
            return found
        inner = torch.tensor(self.bins[1:-1], dtype=torch.float32, device=outputs.device)
        values = torch.nan_to_num(targets.float().reshape(outputs.shape)[..., 0]).contiguous()
        return found * weights.to(outputs.dtype)[torch.bucketize(values, inner, right=True)]

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the values in their own unit."""
        centre, spread = self._scale(outputs)
        found = outputs * spread + centre
        return found.clamp(*self.limits) if self.limits else found

    def errors(
        self, predictions: NDArray[Any], targets: NDArray[Any], smallest: float = SMALLEST
    ) -> NDArray[np.float64]:
        """Return the error in spreads, of values in their own unit."""
        aims = self._columns(np.asarray(targets)).astype(np.float64)
        outputs = (np.asarray(predictions, dtype=np.float64) - self.centre) / self.spread
        return self.losses(torch.from_numpy(outputs), torch.from_numpy(aims)).numpy()

    def check(self, sequence: TimeSeries) -> None:
        """Refuse what is no number, and what lies outside the bins."""
        y, n = np.asarray(sequence.targets), self.n_outputs
        shape = "[n_steps]" if n == 1 else f"[n_steps, {n}]"
        if y.dtype.kind != "f" or self._width(y) != n:
            raise self._refused(sequence, f"float32 {shape}, NaN for none")
        known = y[~np.isnan(y)]
        outside = (
            known[(known < self.bins[0]) | (known > self.bins[-1])] if self.bins else known[:0]
        )
        if len(outside):
            raise DataError(
                f"sequence '{sequence.name}' has the target {outside[0]:g} ({self.names[0]}); expected "
                f"{self.bins[0]:g} to {self.bins[-1]:g}, or NaN for none"
            )

    def chance(self, sequences: Sequence[TimeSeries]) -> float:
        """Return the loss of the centre, whatever the step."""
        found = [
            self.errors(np.tile(self.centre, (int(s.labelled.sum()), 1)), s.targets[s.labelled])
            for s in sequences
        ]
        return float(np.concatenate(found).mean()) if found else float("nan")

    def _scale(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return like.new_tensor(self.centre), like.new_tensor(self.spread)

    @staticmethod
    def _columns(targets: NDArray[Any]) -> NDArray[Any]:
        return targets[:, None] if targets.ndim == 1 else targets

    @staticmethod
    def _width(targets: NDArray[Any]) -> int:
        return 1 if targets.ndim == 1 else int(targets.shape[1])


@dataclass(frozen=True)
class MultiLabel(TargetKind):
    """Several labels a step, each there (1) or not (0); -1 where nobody knows.

    Args:
        names: What they are, a word each.
    """

    names: tuple[str, ...]
    kind: ClassVar[str] = "multi_label"

    def __post_init__(self) -> None:
        if not 0 < len(self.names) <= MOST_OUTPUTS:
            raise ConfigError(f"labels got {len(self.names)} names; expected one for each label")

    @property
    def n_outputs(self) -> int:
        """The labels."""
        return len(self.names)

    @property
    def loss_name(self) -> str:
        """The loss."""
        return "binary log loss"

    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the binary cross-entropy, nats."""
        aims = targets.to(outputs.dtype)
        known = aims >= 0
        each = functional.binary_cross_entropy_with_logits(
            outputs, aims.clamp_min(0), reduction="none"
        )
        found = (each * known).sum(-1) / known.sum(-1).clamp_min(1)
        return found if weights is None else found * weights.to(outputs.dtype)[0]

    def predictions(self, outputs: Tensor) -> Tensor:
        """Return the probability of each label."""
        return torch.sigmoid(outputs)

    def errors(
        self, predictions: NDArray[Any], targets: NDArray[Any], smallest: float = SMALLEST
    ) -> NDArray[np.float64]:
        """Return the negative log of the probability of what is true, a mean over the labels known."""
        y, p = np.asarray(targets), np.asarray(predictions, dtype=np.float64)
        known = y >= 0
        true = np.where(y > 0, p, 1 - p).clip(smallest)
        return np.asarray((-np.log(true) * known).sum(axis=1) / known.sum(axis=1).clip(1))

    def check(self, sequence: TimeSeries) -> None:
        """Refuse what is neither 0 nor 1."""
        y = np.asarray(sequence.targets)
        expected = f"integers [n_steps, {self.n_outputs}] of 0 and 1, -1 for none"
        if y.ndim != 2 or y.shape[1] != self.n_outputs or y.dtype.kind not in "iu":
            raise self._refused(sequence, expected)
        if y.size and not (y.min() >= -1 and y.max() <= 1):
            bad = y.min() if y.min() < -1 else y.max()
            raise DataError(f"sequence '{sequence.name}' has the target {bad}; expected {expected}")

    def chance(self, sequences: Sequence[TimeSeries]) -> float:
        """Return the loss of guessing."""
        return math.log(2)


def _absolute(outputs: Tensor, aims: Tensor, delta: float) -> Tensor:
    return (outputs - aims).abs()


def _squared(outputs: Tensor, aims: Tensor, delta: float) -> Tensor:
    return (outputs - aims).square()


def _huber(outputs: Tensor, aims: Tensor, delta: float) -> Tensor:
    return functional.huber_loss(outputs, aims, reduction="none", delta=delta)


_ERRORS = {"absolute": _absolute, "squared": _squared, "huber": _huber}
#: Kinds by the name that a stored model has.
KINDS: Mapping[str, type[Classes] | type[Values] | type[MultiLabel]] = {
    each.kind: each for each in (Classes, Values, MultiLabel)
}


def target_from_facts(facts: Mapping[str, Any]) -> TargetKind:
    """Return what `TargetKind.facts` described.

    Raises:
        ValueError: Nothing wrote this.
    """
    values = dict(facts)
    kind = KINDS.get(str(values.pop("kind", "")))
    if kind is None or values.keys() != {f.name for f in fields(kind)}:
        raise ValueError("its kind of targets is unknown: it may be of a later version of memcell")
    for name, value in values.items():
        if not isinstance(value, list):
            continue
        sort = str if name == "names" else (int, float)
        if len(value) > MOST_OUTPUTS or not all(isinstance(v, sort) for v in value):
            raise ValueError(f"{name} of its targets holds what does not belong there")
        values[name] = tuple(value)
    delta = values.get("delta", 1.0)
    if type(delta) not in (int, float):
        raise ValueError(f"delta of its targets is {str(delta)[:40]}")
    n = values.get("n", 1)
    if type(n) is not int or not 1 <= n <= MOST_OUTPUTS:
        raise ValueError(f"its targets have {str(n)[:40]} classes")
    try:
        return kind(**values)
    except (ConfigError, TypeError) as error:
        raise ValueError(str(error)) from error
