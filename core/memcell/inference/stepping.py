"""A trained network one step at a time, for live signals: a step costs microseconds.

Encoder, recurrent layers (`memcell.backends.Stepper`), head, readout, softmax (or what the target asks for);
one lane, no gradient, on the CPU.
Where the layers run as generated C (``reason`` is empty) a step gives the bits that
`memcell.inference.inference.probabilities` gives for the whole sequence with memory carried.

For that the encoder, the readout and the linear path are given a block, with the step at its place
(`memcell.network.blocks`), and steps are counted from the first one on, over gaps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memcell.backends.layer import Layer
from memcell.backends.precision import mixed_precision
from memcell.backends.stepper import Stepper
from memcell.errors import DataError, UsageError
from memcell.inference.overflow import TRAIN_BOUNDED, TRAIN_SMALLER
from memcell.network.around import Unchanged
from memcell.network.blocks import BLOCK
from memcell.network.network import Network
from memcell.recurrent.state import map_state


def check_looks_back(network: Network, what: str) -> None:
    """Refuse a network whose head reads windows backwards.

    Args:
        network: The network.
        what: What it is wanted for: "a network with the head X cannot be ...".

    Raises:
        UsageError: It does; says what to train instead.
    """
    if network.looks_ahead:
        raise UsageError(
            f"a network with the head {type(network.head).__name__} cannot be {what}: it reads each window "
            "from its end, which is not there yet; train one with --head linear, or another that looks back "
            "('memcell plugins --kind head')"
        )


class NetworkStepper:
    """Runs a network step by step, memory carried until `restart`.

    Args:
        network: The network; put into inference mode. Its weights stay where they are.
        n_features: F.
        mixed: The recurrent layers in bfloat16, as `memcell.inference.inference.probabilities` has it.
        say: Told when memory overflows; a warning unless given.

    Attributes:
        reason: Why not all layers run as generated C; empty where they do.
        overflows: How many times memory overflowed and was restarted.

    Raises:
        UsageError: The weights are not on the CPU, or the network looks ahead.
    """

    def __init__(
        self,
        network: Network,
        n_features: int,
        mixed: bool = False,
        say: Callable[[str], object] = warnings.warn,
    ) -> None:
        if network.device.type != "cpu":
            raise UsageError(
                f"the network is on '{network.device}'; steps are run on the CPU: move it with "
                "network.cpu()"
            )
        check_looks_back(network, "run step by step, as a stream does")
        self._network, self._say = network.eval(), say
        layers = [layer for layer in network.recurrent.layers if isinstance(layer, Layer)]
        with mixed_precision(network.device, mixed):
            self._steppers = [Stepper(layer) for layer in layers]
        self.reason = "; ".join(dict.fromkeys(s.reason for s in self._steppers if s.reason))
        #: Generated code goes on as it was made; the eager loop asks autocast at each step.
        self._mixed = mixed and bool(self.reason)
        self._x = torch.zeros(BLOCK, 1, n_features)
        self._top = torch.zeros(BLOCK, 1, network.recurrent.output_size)
        #: None where the readout reads the memory itself: a call costs as much as a small step.
        self._head = None if isinstance(network.head, Unchanged) else network.head
        self.begin()

    def begin(self) -> None:
        """Begin a recording: `restart`, and steps are counted anew."""
        self._done = 0
        self.overflows = 0
        self.restart()

    @torch.inference_mode()
    def restart(self) -> None:
        """Forget: the memory is the network's start again, at age 0."""
        initial_state = self._network.initial_state(1)
        for stepper, state in zip(self._steppers, initial_state, strict=True):
            stepper.load(map_state(torch.clone, state))

    @torch.inference_mode()
    def step(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the features ``[F]`` of a step and return its predictions ``[C]`` (class probabilities).

        Where they are not finite memory has overflowed: it is restarted, and the step taken again without it.

        Raises:
            DataError: They are not finite without memory either; the next step begins anew.
        """
        found = self._step(features)
        if np.isfinite(found).all():
            return found
        self._done -= 1
        self.restart()
        found = self._step(features)
        if not np.isfinite(found).all():
            self.restart()
            raise DataError(self._without_memory_either(features))
        if not self.overflows:
            self._say(
                f"memory overflowed at step {self._done} and is restarted there, and whenever it does so "
                f"again, without a further line; {TRAIN_BOUNDED}"
            )
        self.overflows += 1
        return found

    def _without_memory_either(self, features: NDArray[np.float32]) -> str:
        step, wrong = self._done, int((~np.isfinite(features)).sum())
        if wrong:
            return (
                f"{wrong} of the {features.size} features of step {step} are not finite; expected numbers: "
                "leave such a step out, and call restart() before the next one"
            )
        return (
            f"the network's predictions are not finite at step {step}, though its memory was restarted there "
            f"(features from {features.min():.3g} to {features.max():.3g}); {TRAIN_SMALLER}"
        )

    def _step(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        place = self._done % BLOCK
        if place == 0:
            self._x.zero_()
            self._top.zero_()
        self._done += 1
        self._x[place, 0] = torch.from_numpy(features)
        h = self._network.encoder(self._x)[place]
        if self._mixed:
            with mixed_precision(h.device, True):
                h = self._through_layers(h)
        else:
            h = self._through_layers(h)
        self._top[place] = h
        top = self._top if self._head is None else self._head(self._top)
        logits = self._network.logits(top, self._x)[place].float()
        return np.asarray(self._network.target.predictions(logits)[0].numpy())

    def _through_layers(self, h: Tensor) -> Tensor:
        for stepper in self._steppers:
            h = stepper.step(h)
        return h
