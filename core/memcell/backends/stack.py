"""Layers on top of each other; the state is a tuple over layers."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn

from memcell.backends.layer import Layer
from memcell.recurrent.state import State
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import WindowGradient, WindowOutput


class RecurrentStack(nn.Module):
    """Recurrent layers, each over the whole window before the next.

    Args:
        layers: From the input upwards.
        dropout: Share of each layer's outputs set to zero on the way to the next layer, in training
            (Zaremba et al. 2014: only the non-recurrent connections).
    """

    def __init__(self, layers: Iterable[Layer], dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.dropout = dropout

    @property
    def output_size(self) -> int:
        """Width of the last layer's output."""
        return self._layer(-1).cell.output_size

    @property
    def runs(self) -> str:
        """Which backend the layers run on, in words; each way once where layers differ."""
        return "; ".join(dict.fromkeys(layer.runs for layer in self.each))

    def announce(self) -> str:
        """Return `runs` for a person to read; the layers then do not warn of what it says."""
        runs = self.runs
        for layer in self.each:
            layer.announced = runs
        return runs

    @property
    def each(self) -> list[Layer]:
        """The layers."""
        found: list[Layer] = []
        for layer in self.layers:
            assert isinstance(layer, Layer)
            found.append(layer)
        return found

    def _layer(self, i: int) -> Layer:
        layer = self.layers[i]
        assert isinstance(layer, Layer)
        return layer

    def initial_state(
        self,
        batch_size: int,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> State:
        """Return zeros, a tuple over layers."""
        return tuple(
            self._layer(i).cell.initial_state(batch_size, device=device, dtype=dtype)
            for i in range(len(self.layers))
        )

    def forward(
        self,
        x: Tensor,
        state: State,
        initial_state: State,
        masks: StepMasks,
        return_steps: Collection[int] = (),
        update_statistics: bool = False,
        generator: torch.Generator | None = None,
        mask_generator: torch.Generator | None = None,
    ) -> WindowOutput:
        """Run a window.

        Args:
            x: ``[T, B, I]``.
            state: Tuple over layers, before the first step.
            initial_state: Tuple over layers, the state of a lane that is reset.
            masks: Resets, padding, ages: the same for every layer.
            return_steps: Numbers of steps after which the states are returned.
            update_statistics: Normalizers use and accumulate batch statistics (training, never a replay).
            generator: Random numbers of dropout; None for no dropout.
            mask_generator: Random numbers for cells that draw masks; ``generator`` unless given.
        """
        steps = sorted(set(return_steps)) if len(return_steps) > 1 else list(return_steps)
        drawn = generator if mask_generator is None else mask_generator
        drawn = drawn if self.training else None
        dropped = self.dropout and self.training and generator is not None
        returned: list[dict[int, State]] = []
        for i, layer in enumerate(self.layers):
            if i and dropped:
                assert generator is not None
                x = _dropout(x, self.dropout, generator)
            x, states = layer(x, state[i], initial_state[i], masks, steps, update_statistics, drawn)
            returned.append(states)
        after: dict[int, State] = {}
        for step in steps:
            after[step] = tuple([states[step] for states in returned])
        return WindowOutput(x, after)

    def run_with_gradient(
        self,
        x: Tensor,
        state: State,
        initial_state: State,
        masks: StepMasks,
        return_steps: Collection[int],
        update_statistics: bool,
    ) -> tuple[WindowOutput, WindowGradient] | None:
        """Run a window of training without autograd, and return its gradient as a function.

        Arguments as of `forward`; the gradient of ``x`` is one of the function's where it requires one.

        Returns:
            None where a layer, or what is between layers, needs autograd: nothing has happened then.
        """
        layers = self.each
        if len(layers) > 1 and (self.dropout or any(n.norms.tells_training for n in layers)):
            return None
        steps = sorted(set(return_steps)) if len(return_steps) > 1 else list(return_steps)
        gradients: list[WindowGradient] = []
        returned: list[dict[int, State]] = []
        for i, layer in enumerate(layers):
            given = x if i == 0 else x.detach().requires_grad_()
            found = layer.run_with_gradient(
                given, state[i], initial_state[i], masks, steps, update_statistics
            )
            if found is None:
                return None
            (x, states), gradient = found
            gradients.append(gradient)
            returned.append(states)

        def of_all(d_output: Tensor) -> tuple[Tensor | None, list[tuple[nn.Parameter, Tensor]]]:
            every: list[tuple[nn.Parameter, Tensor]] = []
            d: Tensor | None = d_output
            for gradient in reversed(gradients):
                assert d is not None
                d, of_parameters = gradient(d)
                every += of_parameters
            return d, every

        after = {step: tuple([states[step] for states in returned]) for step in steps}
        return WindowOutput(x, after), of_all

    def normalizers(self) -> Iterable[tuple[str, nn.Module]]:
        """Yield every normalizer with its name ``layer.site``."""
        for i in range(len(self.layers)):
            for site, module in self._layer(i).norms.sites.items():
                yield f"{i}.{site}", module


def _dropout(x: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    # Drawn on the generator's device (the CPU), so that a run is the same on any device.
    kept = torch.rand(x.shape, generator=generator, dtype=torch.float32) >= rate
    return x * kept.to(device=x.device, dtype=x.dtype) / (1.0 - rate)
