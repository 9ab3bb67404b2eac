"""The trained network: encoder, recurrent layers, readout, a linear path, the initial state of a lane."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

import torch
from torch import Tensor, nn

from memcell.backends import Layer, RecurrentStack, StepMasks
from memcell.network.around import Unchanged, WindowHead, width_of
from memcell.network.input_noise import InputNoise
from memcell.network.linear_path import LinearPath
from memcell.old_methods import keep_old_names
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.start import Start
from memcell.recurrent.state import State, detach
from memcell.sequences.targets import Classes, TargetKind


class NetworkOutput(NamedTuple):
    """What a network gave for a window.

    Args:
        logits: ``[T, B, n_outputs]``.
        hidden: ``[T, B, H]`` what the readout was given: outputs of the last recurrent layer, or of a head.
        states: State and age after each of the steps that were asked for, detached.
    """

    logits: Tensor
    hidden: Tensor
    states: dict[int, CarriedState]


NO_NOISE = InputNoise()


def _called(module: nn.Module, x: Tensor) -> Tensor:
    found: Tensor = module(x)
    return found


class Network(nn.Module):
    """Encoder, recurrent layers, head, readout: ``logits = W_r h + b``, and ``+ W_s x`` with a linear path.

    Heads and encoders that keep something are layers of ``recurrent`` (`memcell.network.around`).

    Args:
        encoder: Features of a step ``[T, B, F]`` to the cell's input ``[T, B, I]``, each step by
            itself.
        recurrent: The recurrent layers.
        n_outputs: Outputs a step.
        start: The state of a lane that is reset.
        noise: On the features, in training.
        skip: From a step's features ``x``, as the encoder gets them, to the outputs; None for none.
        target: What a step's target is; ``n_outputs`` classes unless given.
        head: From the outputs of ``recurrent`` to what the readout is given: a `WindowHead`, or a module that
            treats each step by itself; None for nothing.
    """

    def __init__(
        self,
        encoder: nn.Module,
        recurrent: RecurrentStack,
        n_outputs: int,
        start: Start,
        noise: InputNoise = NO_NOISE,
        skip: LinearPath | None = None,
        target: TargetKind | None = None,
        head: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.target = Classes(n_outputs) if target is None else target
        self.noise = noise
        self.encoder = encoder
        self.recurrent = recurrent
        self.head = Unchanged(recurrent.output_size) if head is None else head
        self.readout = nn.Linear(width_of(self.head), n_outputs)
        self.skip = skip
        self.start = start

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.readout.weight.device

    def initial_state(self, batch_size: int) -> State:
        """Return the state of lanes that are reset."""
        state: State = self.start(batch_size, self.device, self.readout.weight.dtype)
        return state

    @property
    def layers(self) -> list[Layer]:
        """Every recurrent layer: those of ``recurrent``, then those that a head has inside."""
        return [module for module in self.modules() if isinstance(module, Layer)]

    @property
    def looks_ahead(self) -> bool:
        """Whether a step's outputs rest on later steps of its window: it cannot be run step by step."""
        return isinstance(self.head, WindowHead)

    def read(
        self,
        hidden: Tensor,
        inputs: Tensor,
        masks: StepMasks,
        run: Callable[[nn.Module, Tensor], Tensor] = _called,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return what the readout is given.

        Args:
            hidden: ``[T, B, H]`` outputs of the last recurrent layer.
            inputs: ``[T, B, I]`` what the encoder gave.
            masks: Of the window.
            run: As in `logits`.
            generator: Random numbers in training.
        """
        if isinstance(self.head, WindowHead):
            found: Tensor = self.head(hidden, inputs, masks, generator)
            return found
        return run(self.head, hidden)

    def logits(
        self,
        hidden: Tensor,
        x: Tensor,
        run: Callable[[nn.Module, Tensor], Tensor] = _called,
    ) -> Tensor:
        """Return the logits ``[T, B, n_outputs]``.

        Args:
            hidden: ``[T, B, H]`` what the readout is given (`read`).
            x: ``[T, B, F]`` features.
            run: Calls a module that treats each step by itself (`memcell.network.blocks.by_blocks`).
        """
        if hidden.is_cpu and torch.is_autocast_enabled("cpu"):
            # the few numbers that decide gain no time from bfloat16
            with torch.autocast("cpu", enabled=False):
                return self.logits(hidden.to(x.dtype), x, run)
        out = run(self.readout, hidden)
        return out if self.skip is None else out + run(self.skip, x)

    def forward(
        self,
        x: Tensor,
        carried: CarriedState,
        initial_state: State,
        resets: Tensor,
        valid: Tensor,
        return_steps: Collection[int] = (),
        update_statistics: bool = False,
        generator: torch.Generator | None = None,
        mask_generator: torch.Generator | None = None,
    ) -> NetworkOutput:
        """Run a window.

        Args:
            x: ``[T, B, F]`` features.
            carried: State and age that each lane begins with.
            initial_state: State of a lane that is reset.
            resets: ``[T, B]`` bool, where memory is reset.
            valid: ``[T, B]`` bool, False where memory stands still.
            return_steps: Numbers of steps after which the state is returned.
            update_statistics: Training: normalizers use and accumulate batch statistics.
            generator: Random numbers of dropout and noise; None for none.
            mask_generator: Random numbers for cells that draw masks; ``generator`` unless given.
        """
        if self.training and generator is not None:
            x = self.noise(x, generator)
        masks = StepMasks.of(resets, valid, carried.age)
        inputs = self.encoder(x)
        hidden, states = self.recurrent(
            inputs,
            carried.state,
            initial_state,
            masks,
            return_steps,
            update_statistics,
            generator,
            mask_generator,
        )
        after = {
            step: CarriedState(detach(state), masks.age_after(step, carried.age))
            for step, state in states.items()
        }
        drawn = generator if mask_generator is None else mask_generator
        hidden = self.read(hidden, inputs, masks, generator=drawn if self.training else None)
        return NetworkOutput(self.logits(hidden, x), hidden, after)


keep_old_names(Network, {"fresh": "initial_state"})
