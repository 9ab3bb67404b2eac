"""Batches of windows for a training loop of one's own, in the order of any sampler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memcell.errors import PluginError
from memcell.plugins import default_registry
from memcell.sequences import UNLABELLED, Batch, Ends, TimeSeries, WindowTable, collate
from memcell.sequences.sampler import Sampler
from memcell.sequences.windows import window_table
from memcell.training.seeds import epoch_rng

Array: TypeAlias = "NDArray[Any] | Tensor"


@dataclass(frozen=True, kw_only=True)
class LoopBatch(Batch):
    """A batch of a loop of one's own.

    Args:
        epoch: Number of the epoch that it is of, which a loop that fetches ahead cannot know otherwise.
    """

    epoch: int


class Windows:
    """Windows of sequences, batch by batch; each loop over it is the next epoch.

    Args:
        sequences: Arrays or tensors ``[n_steps, F]``, pairs ``(x, y)`` of them, or `memcell.TimeSeries`
            (which have gaps, subjects and names). y is ``[n_steps]`` or ``[n_steps, K]``: classes or labels,
            whole numbers, -1 for none; or values, NaN for none. ``batch.weight`` is 0 where a step has none,
            and ``batch.y`` is then -1, or 0 of values.
        time_steps: T, steps a window.
        batch_size: B, lanes.
        sampler: Name of a sampler (``memcell plugins``); ``"stream"`` lets lanes run through whole sequences.
        sampler_options: The sampler's options by name.
        seed: All that is drawn comes from it: the same seed gives the same batches.
        device: Where batches go; None for the CPU.

    Raises:
        ValueError: A sequence is of another form than the others; says which.
        memcell.UsageError: No sampler of that name.

    >>> import numpy as np
    >>> windows = Windows([np.zeros((30, 4)), np.ones((20, 4))], time_steps=10, batch_size=2)
    >>> [tuple(batch.x.shape) for batch in windows], windows.epoch
    ([(10, 2, 4), (10, 2, 4), (10, 2, 4)], 1)
    """

    def __init__(
        self,
        sequences: Sequence[TimeSeries | Array | tuple[Array, Array]],
        time_steps: int,
        batch_size: int,
        *,
        sampler: str = "stream",
        sampler_options: Mapping[str, Any] | None = None,
        seed: int = 0,
        device: torch.device | str | None = None,
    ) -> None:
        for name, size in (("time_steps", time_steps), ("batch_size", batch_size)):
            if not isinstance(size, int) or size < 1:
                raise ValueError(f"{name}={size!r}; expected a whole number from 1")
        if not len(sequences):
            raise ValueError("no sequence was given; expected at least one, [n_steps, F] each")
        #: The sequences, as samplers and policies see them.
        self.sequences = [_sequence(i, each) for i, each in enumerate(sequences)]
        _check_alike(self.sequences)
        self.time_steps, self.batch_size, self.seed = time_steps, batch_size, seed
        self.device = torch.device("cpu" if device is None else device)
        entry = default_registry().get("sampler", sampler)
        config = entry.config(dict(sampler_options or {}))
        built = entry.build(config)
        if not isinstance(built, Sampler):
            raise PluginError(f"{entry.origin} built a {type(built).__name__}; expected a Sampler")
        self.sampler, self.sampler_name = built, sampler
        self.sampler.seed = seed
        #: What the sampler promises of its batches, by name (`memcell.SamplerSpec`).
        self.promises = entry.capabilities(config)
        #: Epochs whose batches were all handed out; the number of the one that is begun next.
        self.epoch = 0
        self._batch = self._skip = 0
        self._ends: Ends | None = None
        self._table: tuple[int, WindowTable] | None = None  # of the phase that was used last

    def __len__(self) -> int:
        """Batches of the next epoch."""
        return len(self._order(self.epoch)[1])

    def __iter__(self) -> Iterator[LoopBatch]:
        """Yield an epoch's batches; after `load_state_dict` those that were left of it."""
        epoch = self.epoch
        table, order = self._order(epoch)
        skipped, self._skip = self._skip, 0
        for k in range(skipped, len(order)):
            batch = collate(self.sequences, table, order[k], self._ends)
            self._ends = table.ends(order[k])
            # before the batch is handed out: who knows the number of batches asks for no more than these
            last = k + 1 == len(order)
            self.epoch, self._batch = (epoch + 1, 0) if last else (epoch, k + 1)
            y = batch.y
            if y.is_floating_point():  # a loss there is a number, and its weight 0
                y[batch.weight == 0] = 0.0
            yield LoopBatch(**{**vars(batch), "y": y}, epoch=epoch).to(self.device)

    def observe(self, batch: Batch, losses: Tensor, gradients: Tensor | None = None) -> None:
        """Tell the sampler how each window went; samplers that learn from it choose the epochs to come by it.

        Args:
            batch: The batch.
            losses: ``[T, B]`` loss of each step, 0 where it has no target.
            gradients: ``[B, D]`` gradient of each window's mean loss to what comes last in the model, for
                samplers that ask for it (`memcell.SamplerSpec.observes_gradients`).
        """
        if not self.promises["observes"]:
            return
        if losses.shape != batch.weight.shape:
            raise ValueError(
                f"losses are of shape {list(losses.shape)}; expected {list(batch.weight.shape)}: one a step"
            )
        if self.promises["observes_gradients"] and gradients is None:
            raise ValueError(
                f"sampler '{self.sampler_name}' learns from gradients [B, D] too: give gradients=, or "
                "another sampler"
            )
        weight = batch.weight.sum(0).clamp_min(1e-12)
        seen = [batch.window, (losses.detach().sum(0) / weight).double()]
        if gradients is not None and self.promises["observes_gradients"]:
            seen.append(gradients.detach().float())
        self.sampler.observe(*(values.cpu().numpy() for values in seen))

    def state_dict(self) -> dict[str, Any]:
        """Return where it is, also in the middle of an epoch, and what its sampler has learned."""
        ends = None if self._ends is None else [list(map(int, part)) for part in self._ends]
        return {
            "epoch": self.epoch,
            "batch": self._batch,
            "ends": ends,
            "sampler": dict(self.sampler.state_dict()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken: the next loop yields what was left of that epoch."""
        self.epoch, self._batch = state["epoch"], state["batch"]
        self._skip = self._batch
        ends = state["ends"]
        self._ends = None if ends is None else Ends(*(np.array(e, dtype=np.int64) for e in ends))
        self.sampler.load_state_dict(state["sampler"])

    def _order(self, epoch: int) -> tuple[WindowTable, NDArray[np.int64]]:
        """Return the windows of an epoch and their order ``[n_batches, B]``: always the same."""
        rng = epoch_rng(self.seed, epoch)
        phase = self.sampler.phase(epoch, self.time_steps, rng)
        if self._table is None or self._table[0] != phase:
            self._table = phase, self._windows(phase)
        table = self._table[1]
        return table, self.sampler.order(table, self.batch_size, epoch, rng)

    def _windows(self, phase: int) -> WindowTable:
        """Return the windows of a grid whose first ones have ``phase`` steps."""
        classes = [s.targets for s in self.sequences if s.of_classes]
        n_classes = 1 + max((int(each.max(initial=0)) for each in classes), default=0)
        return window_table(self.sequences, self.time_steps, n_classes, phase=phase)


def _sequence(index: int, given: TimeSeries | Array | tuple[Array, Array]) -> TimeSeries:
    """Return a sequence as samplers and policies see it."""
    if isinstance(given, TimeSeries):
        return given
    x, y = given if isinstance(given, tuple) else (given, None)
    features = np.asarray(_on_host(x), dtype=np.float32)
    if features.ndim != 2:
        raise ValueError(
            f"sequence {index} has shape {list(features.shape)}; expected [n_steps, F]: one sequence each"
        )
    targets = np.full(len(features), UNLABELLED) if y is None else np.asarray(_on_host(y))
    targets = targets.astype(np.float32 if targets.dtype.kind == "f" else np.int64)
    if targets.ndim not in (1, 2) or len(targets) != len(features):
        raise ValueError(
            f"sequence {index} has {len(features)} steps and targets of shape {list(targets.shape)}; "
            f"expected a target for each step: [{len(features)}] or [{len(features)}, K]"
        )
    if targets.dtype.kind == "i" and targets.min(initial=0) < UNLABELLED:
        raise ValueError(
            f"sequence {index} has the target {targets.min()}; expected classes from 0, -1 for none"
        )
    return TimeSeries(name=str(index), subject=str(index), features=features, targets=targets)


def _on_host(values: Array) -> Any:
    return values.detach().cpu() if isinstance(values, Tensor) else values


def _check_alike(sequences: Sequence[TimeSeries]) -> None:
    """Refuse sequences that do not fit into one batch.

    Raises:
        ValueError: One is of another form than the first; says which.
    """
    first = sequences[0]
    for i, sequence in enumerate(sequences):
        if sequence.n_features != first.n_features:
            raise ValueError(
                f"sequence {i} has {sequence.n_features} features a step, sequence 0 {first.n_features}; "
                "expected the same of all"
            )
        ours, theirs = sequence.targets, first.targets
        if ours.shape[1:] != theirs.shape[1:] or ours.dtype != theirs.dtype:
            raise ValueError(
                f"sequence {i} has targets {_form(ours)}, sequence 0 {_form(theirs)}; "
                "expected the same of all"
            )


def _form(targets: NDArray[Any]) -> str:
    return f"{targets.dtype} [{', '.join(['n_steps', *map(str, targets.shape[1:])])}]"
