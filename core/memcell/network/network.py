"""The trained network: encoder, recurrent layers, readout, and the start of a restarted lane."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor, nn

from memcell.backends import RecurrentStack, StepMasks
from memcell.network.input_noise import InputNoise
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.start import Start
from memcell.recurrent.state import State, detach


class NetworkOutput(NamedTuple):
    """What a network gave for a window.

    Args:
        logits: ``[T, B, n_outputs]``.
        hidden: ``[T, B, H]`` outputs of the last recurrent layer.
        states: State and age after the numbers of steps that were wanted, detached.
    """

    logits: Tensor
    hidden: Tensor
    states: dict[int, CarriedState]


NO_NOISE = InputNoise()


class Network(nn.Module):
    """Encoder, recurrent layers, readout.

    Args:
        encoder: Features of a step ``[T, B, F]`` to the cell's input ``[T, B, I]``, each step by
            itself.
        recurrent: The recurrent layers.
        n_outputs: Outputs a step.
        start: What a restarted lane starts from.
        noise: On the features, in training.
    """

    def __init__(
        self,
        encoder: nn.Module,
        recurrent: RecurrentStack,
        n_outputs: int,
        start: Start,
        noise: InputNoise = NO_NOISE,
    ) -> None:
        super().__init__()
        self.noise = noise
        self.encoder = encoder
        self.recurrent = recurrent
        self.readout = nn.Linear(recurrent.output_size, n_outputs)
        self.start = start

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.readout.weight.device

    def fresh(self, batch_size: int) -> State:
        """Return the state of lanes that remember nothing."""
        state: State = self.start(batch_size, self.device, self.readout.weight.dtype)
        return state

    def forward(
        self,
        x: Tensor,
        remembered: CarriedState,
        fresh: State,
        restarts: Tensor,
        valid: Tensor,
        keep: Collection[int] = (),
        gather: bool = False,
        generator: torch.Generator | None = None,
        mask_generator: torch.Generator | None = None,
    ) -> NetworkOutput:
        """Run a window.

        Args:
            x: ``[T, B, F]`` features.
            remembered: State and age that each lane begins with.
            fresh: State of a restarted lane.
            restarts: ``[T, B]`` bool, where memory restarts.
            valid: ``[T, B]`` bool, False where memory stands still.
            keep: Numbers of steps after which states are wanted.
            gather: Training: normalizers use and fold batch statistics.
            generator: Random numbers of dropout and noise; None for none.
            mask_generator: Random numbers for cells that draw masks; ``generator`` unless given.
        """
        if self.training and generator is not None:
            x = self.noise(x, generator)
        marks = StepMasks.of(restarts, valid, remembered.age)
        hidden, states = self.recurrent(
            self.encoder(x),
            remembered.state,
            fresh,
            marks,
            keep,
            gather,
            generator,
            mask_generator,
        )
        kept = {
            step: CarriedState(detach(state), marks.age_after(step, remembered.age))
            for step, state in states.items()
        }
        return NetworkOutput(self.readout(hidden), hidden, kept)
