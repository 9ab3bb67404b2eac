"""What a probe may look at: runs of the network over any steps, without a trace in the training."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from memcell.applications.app import Task
from memcell.backends.precision import mixed_precision
from memcell.network.network import Network, NetworkOutput
from memcell.old_methods import keep_old_names, old_arguments
from memcell.old_paths import renamed_in
from memcell.probes import cost
from memcell.probes.looking import modes, seeded
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import State, leaves
from memcell.sequences import Batch
from memcell.sequences.batch import no_targets
from memcell.sequences.time_series import TimeSeries
from memcell.settings.options import TrainingConfig
from memcell.training.seeds import PROBE, torch_seed

#: Sequence, first step, one past the last.
Span = tuple[int, int, int]


class ProbeWindows(NamedTuple):
    """Windows side by side: ``x``, ``y``, ``valid``, ``weight``, ``starts``, as in a batch."""

    x: Tensor
    y: Tensor
    valid: Tensor
    weight: Tensor
    starts: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """T and B."""
        return self.x.shape[0], self.x.shape[1]


class ProbeContext:
    """The network in training and its data, for looking only.

    Normalizers work with their running statistics and accumulate none, in every run of a probe; so one
    network function is compared with itself. Random numbers come from generators made of the run's seed
    and the update: the same masks in each run within one update, and none taken from the training's.

    Args:
        network: The network.
        task: The data.
        config: How it is trained.
        batches: Batches of the first epoch.
        total: Updates of a run that is not stopped early.
        metrics: The run's ``metrics.jsonl``.
    """

    def __init__(
        self,
        network: Network,
        task: Task,
        config: TrainingConfig,
        *,
        batches: int,
        total: int,
        metrics: Path,
    ) -> None:
        self.network, self.task, self.config = network, task, config
        self.batches, self.total, self.metrics = batches, total, metrics
        self.update = 0
        self.spent = 0.0
        weights = task.class_weights
        self._class_weights = (
            None if weights is None else torch.tensor(weights, device=network.device)
        )
        self._double: Network | None = None

    @property
    def eager(self) -> bool:
        """Whether a probe's runs pay for each operation of a step: where training does, and on a GPU."""
        return self.config.backend == "eager" or self.network.device.type == "cuda"

    def price(self, lanes: int, steps: int | None = None, backward: bool = False) -> float:
        """Return what running windows costs, in the units of `Probe.cost`.

        Args:
            lanes: Windows side by side.
            steps: Of each; those of a training window unless given.
            backward: With a gradient.
        """
        count = cost.both if backward else cost.forward
        return count(steps or self.config.time_steps, lanes, self.eager)

    def rng(self, *purpose: int) -> np.random.Generator:
        """Return a generator of this run and these numbers alone."""
        return np.random.default_rng([self.config.seed, PROBE, *purpose])

    @property
    def longest(self) -> int:
        """The most steps that memory can go back within an epoch."""
        steps = max(s.n_steps for s in self.task.train)
        return min(steps, self.batches * self.config.time_steps)

    def lanes(self, batch: Batch, lanes: Sequence[int]) -> ProbeWindows:
        """Return some lanes of a batch."""
        index = torch.tensor(lanes, device=batch.x.device)
        parts = (batch.x, batch.y, batch.valid, batch.weight, batch.starts)
        return ProbeWindows(*(part.index_select(1, index) for part in parts))

    def windows(self, spans: Sequence[Span], held_out: bool = False) -> ProbeWindows:
        """Return steps of training sequences (or, held out, of validation's) side by side.

        Shorter spans are padded at their end.
        """
        sequences = self.task.valid if held_out else self.task.train
        steps, lanes = max(stop - start for _, start, stop in spans), len(spans)
        first = sequences[0]
        x = torch.zeros(steps, lanes, first.n_features)
        y = torch.from_numpy(no_targets(first, steps, lanes))
        y = y if first.of_values else y.long()
        valid, starts = (torch.zeros(steps, lanes, dtype=torch.bool) for _ in range(2))
        weight = torch.zeros(steps, lanes)
        for lane, (i, start, stop) in enumerate(spans):
            source, n, cut = sequences[i], stop - start, slice(start, stop)
            x[:n, lane] = torch.from_numpy(np.array(source.features[cut]))
            y[:n, lane] = torch.from_numpy(np.array(source.targets[cut])).to(y.dtype)
            valid[:n, lane] = True
            known = source.labelled_in(cut).astype(np.float32)
            weighed = None if held_out else self.task.train_weights
            own = known if weighed is None else weighed[i][cut] * known
            weight[:n, lane] = torch.from_numpy(np.asarray(own, dtype=np.float32))
            starts[:n, lane] = torch.from_numpy(source.starts_in(cut))
        return ProbeWindows(*(t.to(self.network.device) for t in (x, y, valid, weight, starts)))

    def sample(self, count: int, held_out: bool = False, labelled: bool = True) -> list[Span]:
        """Return windows on the fixed grid, drawn once from the seed; the same for every call.

        Args:
            count: How many at most.
            held_out: Of the validation split instead of the training split.
            labelled: Only windows that hold a weighted step.
        """
        sequences = self.task.valid if held_out else self.task.train
        steps, found = self.config.time_steps, list[Span]()
        for i, source in enumerate(sequences):
            weighed = None if held_out else self.task.train_weights
            counts = source.labelled if weighed is None else (weighed[i] * source.labelled > 0)
            edges = range(0, source.n_steps, steps)
            spans = [(i, s, min(s + steps, source.n_steps)) for s in edges]
            found += [s for s in spans if not labelled or counts[s[1] : s[2]].any()]
        order = self.rng(1 if held_out else 0).permutation(len(found))
        return [found[i] for i in sorted(order[:count])]

    @functools.cached_property
    def window_count(self) -> int:
        """Training windows on the fixed grid that hold a weighted step."""
        return len(self.sample(10**9))

    def initial_carried(self, lanes: int) -> CarriedState:
        """Return the model's start at age 0."""
        age = torch.zeros(lanes, dtype=torch.int64, device=self.network.device)
        return CarriedState(self.network.initial_state(lanes), age)

    def replay(self, spans: Sequence[Span]) -> CarriedState:
        """Run over stretches of training sequences from the model's start, each by itself, side by side.

        Returns:
            State and age ``[B, …]`` after each, under today's parameters, without gradient or dropout.
        """
        windows = self.windows(spans)
        with torch.no_grad():
            ran = self.run(
                windows, self.initial_carried(len(spans)), return_steps=(windows.shape[0],)
            )
        after: CarriedState = ran.states[windows.shape[0]]
        return after

    @old_arguments(began="carried", keep="return_steps")
    def run(
        self,
        windows: ProbeWindows,
        carried: CarriedState,
        *,
        dropout: bool = False,
        eager: bool = False,
        return_steps: Collection[int] = (),
        network: Network | None = None,
    ) -> NetworkOutput:
        """Run windows through the network; gradients are as torch has them switched.

        Args:
            windows: The windows.
            carried: State and age of each lane at the window's beginning.
            dropout: Drop between layers as training does, the same masks at each call of an update.
            eager: On the eager loop.
            return_steps: Numbers of steps after which the state is returned.
            network: A copy to run instead (`doubled`).
        """
        steps, lanes = windows.shape
        grad = torch.is_grad_enabled()
        self.spent += (cost.both if grad else cost.forward)(steps, lanes, eager or self.eager)
        with self.looking(grad, dropout, eager, network) as (net, generator):
            ran: NetworkOutput = net(
                windows.x,
                carried,
                net.initial_state(lanes),
                windows.starts,
                windows.valid,
                return_steps=return_steps,
                generator=generator,
            )
        return ran

    @contextlib.contextmanager
    def looking(
        self, grad: bool, dropout: bool = False, eager: bool = False, network: Network | None = None
    ) -> Iterator[tuple[Network, torch.Generator | None]]:
        """Put the network (or a copy) into a state for looking, and back; see `memcell.probes.looking`."""
        net = self.network if network is None else network
        generator = torch.Generator()
        generator.manual_seed(torch_seed(self.config.seed, PROBE) ^ self.update)
        precise = self.config.mixed_precision and network is None
        with (
            modes(net, grad, dropout, eager),
            seeded(net.device, generator.initial_seed()),
            mixed_precision(net.device, precise),
        ):
            yield net, generator if dropout else None

    def losses(self, windows: ProbeWindows, logits: Tensor) -> Tensor:
        """Return weighted losses ``[T, B]`` as training has them."""
        outputs = logits if logits.dtype == torch.float64 else logits.float()
        losses = self.task.target.losses(outputs, windows.y, self._class_weights)
        return losses * windows.weight

    def lane_losses(self, windows: ProbeWindows, logits: Tensor) -> list[float | None]:
        """Return the mean loss of each lane over its weighted steps, None without any."""
        sums = self.losses(windows, logits.detach()).double().sum(0).tolist()
        weights = windows.weight.double().sum(0).tolist()
        return [s / w if w > 0 else None for s, w in zip(sums, weights, strict=True)]

    def window_losses(self, spans: Sequence[Span]) -> list[float | None]:
        """Return the mean loss of training windows, each from the model's start, without dropout."""
        windows = self.windows(spans)
        with torch.no_grad():
            return self.lane_losses(
                windows, self.run(windows, self.initial_carried(len(spans))).logits
            )

    def gradient(self, loss: Tensor, network: Network | None = None) -> Tensor:
        """Return the gradient by all parameters as one float64 vector; nothing is accumulated."""
        parameters = [p for p in (network or self.network).parameters() if p.requires_grad]
        found = torch.autograd.grad(loss, parameters, allow_unused=True)
        return torch.cat(
            [
                (torch.zeros_like(p) if g is None else g).detach().double().flatten()
                for p, g in zip(parameters, found, strict=True)
            ]
        )

    def doubled(self) -> Network:
        """Return a copy of the network in float64, with today's weights."""
        if self._double is None:
            self._double = copy.deepcopy(self.network).double()
        self._double.load_state_dict(self.network.state_dict())
        return self._double

    def last_reset(self, sequence: int, offset: int, age: int) -> int:
        """Return the step at which a lane's memory was last reset, seen from a window's first step."""
        source: TimeSeries = self.task.train[sequence]
        return max([offset - age, 0, *(b for b in source.breaks if b <= offset)])


keep_old_names(ProbeContext, {"afresh": "initial_carried", "restart": "last_reset"})


def flat(state: State) -> Tensor:
    """Return all parts of a state ``[B, …]`` as one ``[B, n]`` in float64."""
    return torch.cat([part.detach().double().flatten(1) for part in leaves(state)], dim=1)


def relative(found: Tensor, true: Tensor) -> list[float | None]:
    """Return ``|found - true| / |true|`` of each row; None where the truth is 0."""
    off, size = (found - true).norm(dim=1).tolist(), true.norm(dim=1).tolist()
    return [o / s if s > 0 else None for o, s in zip(off, size, strict=True)]


if not TYPE_CHECKING:
    __getattr__ = renamed_in(__name__)  # names of version 0.1
