"""The test harness of state policies: recordings, batches, a network and its memory, all of them small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memcell.backends import Layer, RecurrentStack
from memcell.network.network import Network, NetworkOutput
from memcell.plugins.specs import StatePolicySpec
from memcell.recurrent.policy import CarriedState, StatePolicy
from memcell.recurrent.state import State
from memcell.sequences import Batch, TimeSeries, WindowTable, collate, window_table
from memcell.testing.failure import require
from memcell.testing.numbers import seeded
from memcell.testing.trace_parts import TraceCell
from memcell.training.memory import RunMemory

BuildPolicy = Callable[[], StatePolicy]

TIME_STEPS, LANES, FEATURES, HIDDEN, EPOCHS = 4, 3, 2, 3, 2

#: Steps of each recording, and the gaps in it: inside a window, at its edge, and twice in one window.
RECORDINGS: tuple[tuple[int, tuple[int, ...]], ...] = (
    (22, (6,)),
    (14, ()),
    (9, (4,)),
    (19, (9, 11)),
    (16, ()),
)


def recordings() -> list[TimeSeries]:
    """Return recordings of three subjects."""
    rng = np.random.default_rng(8)
    return [
        TimeSeries(
            name=f"recording {i}",
            subject=f"subject {i % 3}",
            features=rng.normal(size=(n, FEATURES)).astype(np.float32),
            targets=rng.integers(0, 2, n).astype(np.int64),
            breaks=breaks,
        )
        for i, (n, breaks) in enumerate(RECORDINGS)
    ]


def disturbed(sequences: list[TimeSeries], which: int, start: int, stop: int) -> list[TimeSeries]:
    """Return the recordings with other features in steps ``[start, stop)`` of one of them."""
    features = sequences[which].features.copy()
    features[start:stop] = 2.0 - 1.5 * features[start:stop]
    changed = list(sequences)
    changed[which] = replace(sequences[which], features=features)
    return changed


def stream_order(table: WindowTable, epoch: int) -> NDArray[np.int64]:
    """Return lanes that each run through whole recordings, one after the other."""
    lanes: list[list[int]] = [[] for _ in range(LANES)]
    for s in np.unique(table.sequence):
        min(lanes, key=len).extend(np.flatnonzero(table.sequence == s).tolist())
    order = np.full((max(map(len, lanes)), LANES), -1, dtype=np.int64)
    for i, lane in enumerate(lanes):
        order[: len(lane), i] = lane
    return order


def cut_order(table: WindowTable, epoch: int) -> NDArray[np.int64]:
    """Return the line of all windows cut into lanes: some begin in the middle of a recording.

    In odd epochs the first two parts change places, so that over the border of two epochs one lane
    continues, one starts a recording, and one begins in the middle of a recording, continuing nothing.
    """
    steps = -(-len(table) // LANES)
    line = np.full(steps * LANES, -1, dtype=np.int64)
    line[: len(table)] = np.arange(len(table))
    lanes = line.reshape(LANES, steps)
    return (lanes[[1, 0, 2]] if epoch % 2 else lanes).T.copy()


def shuffled_order(table: WindowTable, epoch: int) -> NDArray[np.int64]:
    """Return windows in no order at all."""
    flat = np.full(-(-len(table) // LANES) * LANES, -1, dtype=np.int64)
    flat[: len(table)] = np.random.default_rng([4, epoch]).permutation(len(table))
    return flat.reshape(-1, LANES)


#: Steps from window to window in the "overlapping" order.
STRIDE = 3

ORDERS: dict[str, Callable[[WindowTable, int], NDArray[np.int64]]] = {
    "stream": stream_order,
    "cut": cut_order,
    "overlapping": stream_order,
    "shuffled": shuffled_order,
}


def orders(spec: StatePolicySpec, overlapping: bool = False) -> list[str]:
    """Return the names of the orders that a policy must work with.

    Args:
        spec: What the policy declares.
        overlapping: Also streams of windows that overlap: for checks that see a state of the wrong step.
    """
    left_out = {"shuffled"} if spec.needs_streams else set()
    if not overlapping:
        left_out.add("overlapping")
    return [name for name in ORDERS if name not in left_out]


def made(build: BuildPolicy) -> StatePolicy:
    """Return a policy."""
    policy = build()
    require(
        isinstance(policy, StatePolicy),
        expected="a memcell.recurrent.StatePolicy",
        did=f"the factory returned a {type(policy).__name__}",
        change="Derive from StatePolicy and name the class as factory.",
    )
    return policy


def network_of(policy: StatePolicy) -> Network:
    """Return a network of two layers with this policy's start, its weights always the same."""
    with seeded():
        encoder = nn.Linear(FEATURES, HIDDEN)
        layers = [Layer(TraceCell(HIDDEN, HIDDEN), None, "eager") for _ in range(2)]
        stack = RecurrentStack(layers)
        network = Network(encoder, stack, 2, policy.make_start(stack.initial_state(1)))
        with torch.no_grad():
            # a trained start is not at its initial value, which may be zeros
            for parameter in network.start.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return network.train()


@dataclass(frozen=True, kw_only=True)
class HarnessBatch:
    """What happened at one batch.

    Args:
        batch: The batch.
        begin: What the policy began with.
        initial_state: The state of a lane that is reset.
        resets: ``[T, B]`` where it reset memory.
        ran: What the network gave.
        random: State of the run's generator before the batch.
    """

    batch: Batch
    begin: CarriedState
    initial_state: State
    resets: Tensor
    ran: NetworkOutput
    random: Tensor


class PolicyHarness:
    """One run of a policy; iterate to live through it.

    Args:
        policy: The policy.
        sequences: The recordings.
        order: A name of `ORDERS`.
        seed: Of the run's random numbers.
    """

    def __init__(
        self, policy: StatePolicy, sequences: list[TimeSeries], order: str = "stream", seed: int = 0
    ) -> None:
        self.policy, self.sequences = policy, sequences
        self.network = network_of(policy)
        self.memory = RunMemory(self.network, sequences, torch.Generator().manual_seed(seed))
        stride = STRIDE if order == "overlapping" else None
        self.table = window_table(sequences, TIME_STEPS, 2, stride=stride)
        self.orders = [ORDERS[order](self.table, epoch) for epoch in range(EPOCHS)]

    @property
    def n_batches(self) -> int:
        """Batches of an epoch."""
        return len(self.orders[0])

    def batch(self, k: int, epoch: int = 0) -> Batch:
        """Return batch ``k`` of an epoch; its lanes may continue those of the epoch before."""
        order = self.orders[epoch]
        before = order[k - 1] if k else self.orders[epoch - 1][-1] if epoch else None
        ends = None if before is None else self.table.ends(before)
        return collate(self.sequences, self.table, order[k], ends)

    def live(self, epoch: int = 0, k: int = 0) -> Iterator[HarnessBatch]:
        """Yield every moment from batch ``k`` of an epoch on, to the end of the last one."""
        for self.memory.epoch in range(epoch, EPOCHS):
            if k == 0:
                self.policy.begin_epoch(self.memory)
            for i in range(k, self.n_batches):
                yield self.run(self.batch(i, self.memory.epoch))
            k = 0

    def run(self, batch: Batch) -> HarnessBatch:
        """Run one batch as the trainer does."""
        policy, memory = self.policy, self.memory
        random = memory.generator.get_state()
        begin, initial_state = policy.begin(batch, memory), policy.initial_state(batch, memory)
        resets = policy.resets(batch, memory)
        ran = self.network(
            batch.x,
            begin,
            initial_state,
            resets | batch.starts,
            batch.valid,
            return_steps=policy.return_steps(batch),
            update_statistics=True,
            generator=memory.generator,
        )
        policy.end(batch, ran.states, memory)
        memory.update += 1
        return HarnessBatch(
            batch=batch,
            begin=begin,
            initial_state=initial_state,
            resets=resets,
            ran=ran,
            random=random,
        )


@torch.no_grad()
def lived(
    build: BuildPolicy, sequences: list[TimeSeries], order: str = "stream", seed: int = 0
) -> list[HarnessBatch]:
    """Return all moments of a run, without gradients."""
    return list(PolicyHarness(made(build), sequences, order, seed).live())
