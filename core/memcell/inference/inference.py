"""Inference over whole sequences, with memory carried through them or restarted every window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from memcell.backends import StepMasks
from memcell.backends.precision import mixed_precision
from memcell.network.blocks import by_blocks
from memcell.network.network import Network
from memcell.recurrent.policy import CarriedState
from memcell.sequences.targets import TargetKind
from memcell.sequences.time_series import TimeSeries

#: Steps run at once: whole blocks of `memcell.network.blocks`. Fixed, so that a recording gives the same
#: bits however it is handed over. What a call costs before its first step is that of some 500 steps of a
#: small network.
CHUNK = 8192


@torch.no_grad()
def probabilities(
    network: Network,
    sequences: Sequence[TimeSeries],
    policy: str,
    time_steps: int,
    mixed: bool = False,
) -> list[NDArray[np.float32]]:
    """Return predictions ``[n_steps, n_outputs]`` of each sequence: class probabilities, values ...

    Each sequence is run by itself, so that its result does not depend on which others there are.

    Args:
        network: The network; put into inference mode for the call.
        sequences: The sequences.
        policy: ``"carry"``: memory runs from a sequence's start to its end, restarting at gaps;
            ``"reset"``: it restarts every ``time_steps`` steps as well.
        time_steps: The window of ``"reset"``.
        mixed: The recurrent layers in bfloat16, where that is faster (`memcell.backends.precision`).
    """
    was_training = network.training
    network.eval()
    try:
        return [_one(network, sequence, policy, time_steps, mixed) for sequence in sequences]
    finally:
        network.train(was_training)


def _one(
    network: Network, sequence: TimeSeries, policy: str, time_steps: int, mixed: bool
) -> NDArray[np.float32]:
    stream = InferenceStream(network, policy, time_steps, mixed)
    pieces = [stream.push(np.asarray(sequence.features), sequence.starts), stream.end()]
    return np.concatenate(pieces)


class InferenceStream:
    """The network along one sequence that comes in pieces, however cut: the bits of the whole.

    It runs chunks of `CHUNK` steps counted from the sequence's start, so up to `CHUNK` - 1 steps wait for
    the next piece. A network that looks ahead runs chunks of ``time_steps``, the windows of its training.

    Args:
        network: The network, in inference mode.
        policy: As in `probabilities`.
        time_steps: Likewise.
        mixed: Likewise.
    """

    def __init__(self, network: Network, policy: str, time_steps: int, mixed: bool = False) -> None:
        self._network, self._device, self._mixed = network, network.device, mixed
        self._every = time_steps if policy == "reset" else 0
        self._chunk = time_steps if network.looks_ahead else CHUNK
        self._initial_state = network.initial_state(1)
        self._remembered = CarriedState(
            self._initial_state, torch.zeros(1, dtype=torch.int64, device=self._device)
        )
        self._step = 0
        self._waiting: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []
        self._n_waiting = 0

    def push(
        self, features: NDArray[np.float32], starts: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Return the predictions ``[m, n_outputs]`` of the next steps that fill a chunk.

        Args:
            features: ``[k, F]`` of the next k steps.
            starts: ``[k]``: memory restarts before such a step; None where it does before none.
        """
        marks = np.zeros(len(features), dtype=np.bool_) if starts is None else starts
        self._waiting.append((features, marks))
        self._n_waiting += len(features)
        chunk = self._chunk
        if self._n_waiting < chunk:
            return self._nothing()
        x, marks = self._taken()
        complete = len(x) - len(x) % chunk
        pieces = [
            self._run(x[i : i + chunk], marks[i : i + chunk]) for i in range(0, complete, chunk)
        ]
        self._waiting = [(x[complete:].copy(), marks[complete:].copy())]
        self._n_waiting = len(x) - complete
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def end(self) -> NDArray[np.float32]:
        """Return the predictions of the steps that wait."""
        if not self._n_waiting:
            return self._nothing()
        x, marks = self._taken()
        self._waiting, self._n_waiting = [], 0
        return self._run(x, marks)

    def _taken(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        if len(self._waiting) == 1:
            return self._waiting[0]
        features, starts = zip(*self._waiting, strict=True)
        return np.concatenate(features), np.concatenate(starts)

    def _nothing(self) -> NDArray[np.float32]:
        return np.empty((0, self._network.readout.out_features), dtype=np.float32)

    @torch.no_grad()
    def _run(self, features: NDArray[np.float32], starts: NDArray[np.bool_]) -> NDArray[np.float32]:
        steps = len(features)
        if self._step == 0 or self._every:
            starts = starts.copy()
            starts[0] |= self._step == 0
        if self._every:
            starts |= np.arange(self._step, self._step + steps) % self._every == 0
        self._step += steps
        x = torch.from_numpy(np.array(features, dtype=np.float32)).unsqueeze(1).to(self._device)
        marks = torch.from_numpy(starts).unsqueeze(1).to(self._device)
        network, before = self._network, self._remembered
        window = StepMasks.of(marks, torch.ones_like(marks), before.age)
        # in blocks, as a stream of single steps runs them (`memcell.inference.stepping`): the same bits
        inputs = by_blocks(network.encoder, x)
        with mixed_precision(self._device, self._mixed):
            hidden, states = network.recurrent(
                inputs, before.state, self._initial_state, window, (steps,)
            )
        hidden = hidden.to(inputs.dtype)
        self._remembered = CarriedState(states[steps], window.age_after(steps, before.age))
        logits = network.logits(network.read(hidden, inputs, window, by_blocks), x, by_blocks)
        return np.asarray(network.target.predictions(logits[:, 0].float()).cpu().numpy())


def mean_loss(
    probability: Sequence[NDArray[np.float32]],
    sequences: Sequence[TimeSeries],
    class_weights: tuple[float, ...] | None,
    target: TargetKind,
) -> float:
    """Return the mean loss over labelled steps, weighted by their group; NaN without any."""
    total, weight = 0.0, 0.0
    for p, sequence in zip(probability, sequences, strict=True):
        known = sequence.labelled
        y = sequence.targets[known]
        groups = target.groups(y)
        w = np.ones(len(y)) if class_weights is None else np.asarray(class_weights)[groups]
        total += float((w * target.errors(p[known], y)).sum())
        weight += float(w.sum())
    return total / weight if weight else float("nan")
