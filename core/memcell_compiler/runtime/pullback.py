"""The gradient of a window as a function: the generated backward loop without autograd around it.

A window of a small network takes tens of microseconds; a graph of torch around it takes hundreds. Where the
gradient is wanted once, at once and by nobody else, a training update calls it here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from memcell_compiler.runtime.function import NativeCall, kept_arrays, run_backward, run_forward
from memcell_compiler.runtime.pool import Lease


class Pullback:
    """A window between its forward and its backward loop.

    Args:
        call: The window.
        tensors: Those of ``call.names``.
        owners: The parameters by the names of the plan.
    """

    def __init__(
        self, call: NativeCall, tensors: Sequence[Tensor], owners: Mapping[str, nn.Parameter]
    ) -> None:
        self._call, self._owners = call, owners
        self._tensors = [t.detach() for t in tensors]
        self._kept: dict[str, Tensor] = {}
        self._lease = Lease()

    def forward(self) -> tuple[Tensor, Sequence[Tensor]]:
        """Run the forward loop; outputs ``[T, B, H]``, returned states ``[returned, B, width]`` by part."""
        with torch.no_grad():
            arrays, output, returned = run_forward(self._call, self._tensors, self._lease)
        self._kept = kept_arrays(arrays, len(returned))
        return output, returned

    @torch.no_grad()
    def __call__(self, d_output: Tensor) -> tuple[Tensor | None, list[tuple[nn.Parameter, Tensor]]]:
        """Run the backward loop, once: the gradient of the input, where it has one, and of each parameter.

        Args:
            d_output: Gradient of the outputs; that of the returned states is zero.
        """
        call = self._call
        lanes, dtype = call.lanes, call.plan.dtype
        layout = call.plan.layout
        zeros = [torch.zeros(call.returned, lanes, width, dtype=dtype) for width in layout.states]
        found = run_backward(call, self._tensors, self._kept, d_output, zeros)
        self._lease.end()
        gradients = [
            (self._owners[n], found[c]) for c, n in layout.parameters.items() if c in found
        ]
        return found.get("x0"), gradients
