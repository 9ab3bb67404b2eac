"""State policies in a training loop of one's own: what a layer's windows begin with."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from memcell.errors import IncompatibleError, PluginError
from memcell.nn.recurrent import Recurrent
from memcell.nn.state import RecurrentState
from memcell.nn.windows import LoopBatch, Windows
from memcell.plugins import default_registry
from memcell.recurrent.policy import CarriedState, StatePolicy
from memcell.recurrent.state import State
from memcell.training.memory import RunMemory
from memcell.training.seeds import run_generator


class Policy(nn.Module):
    """A state policy for a `Recurrent` layer in a loop of one's own.

    A window is ``y, states = rnn(x, **policy.begin(batch))``, and after it ``policy.end(batch, states)``.
    It is a module, since some policies have weights (``"learned"``): give its ``parameters()`` to the
    optimizer too. Its ``state_dict`` holds what is carried, so that a loop that was stopped can go on.

    Args:
        policy: Name of a state policy (``memcell plugins``): ``"carry"``, ``"reset"``, ``"burn_in"``, ...
        rnn: The layer whose memory it is.
        windows: What the loop runs over.
        encoder: Makes the layer's input ``[T, B, I]`` of ``batch.x``, for policies that run earlier steps
            again; None where the layer is given ``batch.x`` itself.
        options: The policy's options by name.

    Raises:
        memcell.UsageError: No policy of that name.
        memcell.ConfigError: Policy and sampler do not fit; says what to choose.

    >>> import numpy as np
    >>> windows = Windows([np.random.randn(40, 3)], time_steps=10, batch_size=1)
    >>> rnn = Recurrent("gru", 3, 5)
    >>> policy = Policy("carry", rnn, windows)
    >>> for batch in windows:
    ...     y, states = rnn(batch.x, **policy.begin(batch))
    ...     policy.end(batch, states)
    >>> states[10].age.tolist()
    [40]
    """

    def __init__(
        self,
        policy: str,
        rnn: Recurrent,
        windows: Windows,
        *,
        encoder: nn.Module | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(rnn, Recurrent):
            raise ValueError(
                f"rnn is a {type(rnn).__name__}; expected a memcell.nn.Recurrent, which torch's own "
                "becomes by Recurrent.from_torch(rnn)"
            )
        if rnn.batch_first:
            raise ValueError(
                "the layer is batch_first and batches are [T, B, …]: make it with batch_first=False"
            )
        entry = default_registry().get("policy", policy)
        config = entry.config(dict(options or {}))
        _check_fit(policy, entry.capabilities(config), windows)
        built = entry.build(config)
        if not isinstance(built, StatePolicy):
            raise PluginError(
                f"{entry.origin} built a {type(built).__name__}; expected a StatePolicy"
            )
        self.policy = built
        #: Makes the state of lanes that are reset; has the policy's weights, if it has any.
        self.start = built.make_start(rnn.stack.initial_state(1))
        self.to(next(rnn.parameters(), torch.empty(0)).device)
        network = _Replayed(rnn, encoder, self.start)
        self._memory = RunMemory(network, windows.sequences, run_generator(windows.seed))
        self._epoch = -1

    def begin(self, batch: LoopBatch) -> dict[str, Any]:
        """Return what to call the layer with, beside x: its arguments by name.

        Args:
            batch: The next batch of the windows.
        """
        memory, policy = self._memory, self.policy
        if self._epoch != batch.epoch:
            memory.epoch = self._epoch = batch.epoch
            policy.begin_epoch(memory)
        carried = policy.begin(batch, memory)
        age = torch.zeros_like(carried.age)
        return {
            "state": RecurrentState(*carried),
            "resets": policy.resets(batch, memory) | batch.starts,
            "mask": batch.valid,
            "initial": RecurrentState(policy.initial_state(batch, memory), age),
            "return_steps": policy.return_steps(batch),
        }

    def end(self, batch: LoopBatch, states: Mapping[int, RecurrentState]) -> None:
        """Take the states that the layer returned; gradients are cut from them.

        Args:
            batch: The batch.
            states: By number of steps, as the layer returned them.
        """
        if not isinstance(states, Mapping):
            raise ValueError(
                f"states is a {type(states).__name__}; expected what rnn(x, **policy.begin(batch)) returned"
            )
        found = {n: CarriedState(*state.detach()) for n, state in states.items()}
        self.policy.end(batch, found, self._memory)
        self._memory.update += 1

    def counts(self) -> dict[str, float]:
        """Return what the policy counted since the epoch began."""
        return self.policy.counts()

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is carried, and where the random numbers are."""
        return {
            "carried": self.policy.memory_dict(),
            "generator": self._memory.generator.get_state(),
            "update": self._memory.update,
            "epoch": self._epoch,
        }

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` gave."""
        self.policy.load_memory_dict(state["carried"], self.start.template)
        self._memory.generator.set_state(state["generator"])
        self._memory.update, self._epoch = state["update"], state["epoch"]
        self._memory.epoch = max(0, self._epoch)


def _check_fit(policy: str, needs: Mapping[str, Any], windows: Windows) -> None:
    """Refuse a policy that cannot work with the sampler.

    Raises:
        IncompatibleError: It cannot; says what to choose.
    """
    sampler = f"sampler '{windows.sampler_name}'"
    if needs["needs_streams"] and not windows.promises["preserves_streams"]:
        raise IncompatibleError(
            f"policy '{policy}' needs row i of batch k+1 to continue row i of batch k, and {sampler} does "
            "not: use sampler 'stream', or policy 'reset'."
        )
    if needs["needs_fixed_grid"] and not windows.promises["fixed_grid"]:
        raise IncompatibleError(
            f"policy '{policy}' needs windows that start at the same steps in every epoch, and {sampler} "
            "with these options moves them: switch its jitter off, or use policy 'carry'."
        )


class _Replayed:
    """Encoder and layer as one network, for steps that are run again; it owns neither."""

    def __init__(self, rnn: Recurrent, encoder: nn.Module | None, start: nn.Module) -> None:
        self.rnn, self.encoder, self.start = rnn, encoder, start
        self._modes: list[tuple[nn.Module, bool]] = []

    @property
    def training(self) -> bool:
        return self.rnn.training

    @property
    def device(self) -> torch.device:
        return self._like.device

    @property
    def _like(self) -> Tensor:
        return next(self.rnn.parameters(), torch.empty(0))

    def initial_state(self, batch_size: int) -> State:
        return self.start(batch_size, self.device, self._like.dtype)

    def _modules(self) -> nn.ModuleDict:
        parts = {"rnn": self.rnn, "encoder": self.encoder, "start": self.start}
        return nn.ModuleDict({name: part for name, part in parts.items() if part is not None})

    def state_dict(self) -> Mapping[str, Tensor]:
        return self._modules().state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        self._modules().load_state_dict(state_dict)

    def eval(self) -> None:
        parts = [self.rnn] if self.encoder is None else [self.rnn, self.encoder]
        self._modes = [(m, m.training) for part in parts for m in part.modules()]
        for part in parts:
            part.eval()

    def train(self, mode: bool) -> None:
        """Let each part be in the mode that it was in."""
        for module, training in self._modes:
            module.training = training

    def __call__(
        self,
        x: Tensor,
        carried: CarriedState,
        initial_state: State,
        resets: Tensor,
        valid: Tensor,
        *,
        return_steps: tuple[int, ...],
    ) -> SimpleNamespace:
        _, states = self.rnn(
            x if self.encoder is None else self.encoder(x),
            RecurrentState(*carried),
            resets=resets,
            mask=valid,
            initial=RecurrentState(initial_state, torch.zeros_like(carried.age)),
            return_steps=return_steps,
        )
        return SimpleNamespace(states={n: CarriedState(*s) for n, s in states.items()})
