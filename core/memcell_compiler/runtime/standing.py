"""A window of training whose arrays stand ready: only what changes from one update to the next is set.

Windows of a run are nearly all alike: one size, no lane reset within, none padded. For a small network most
of a call is finding its plan, gathering its tensors and describing them to the program; here that is done
once, and done again where anything it rests on is no longer what it was.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from memcell.recurrent.cell import Cell
from memcell.recurrent.purity import fingerprint
from memcell.recurrent.reference import transforming
from memcell.recurrent.state import leaves, rebuild
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import WindowCall, WindowOutput
from memcell_compiler.build.target import chosen
from memcell_compiler.runtime.function import NativeCall
from memcell_compiler.runtime.pool import empty
from memcell_compiler.runtime.runner import StandingRun

#: Numbers that a window may save to stand ready: those of larger ones are better lent to others meanwhile.
SMALL = 1 << 20
#: One for each cell: the last kind of window that it was trained on.
_known: WeakKeyDictionary[Cell, StandingWindow] = WeakKeyDictionary()


def standing(call: WindowCall, products: torch.dtype) -> StandingWindow | None:
    """Return what stands ready for a window with such products, None where nothing does."""
    found = _known.get(call.cell)
    return found if found is not None and found.fits(call, products) else None


def keep(call: WindowCall, native: NativeCall, tensors: Sequence[Tensor]) -> None:
    """Let a window stand ready for the next one like it, where it is of the kind that can."""
    layout = native.plan.layout
    if (
        not native.masks.plain
        or native.threads != 1
        or native.fixed
        or native.buffers
        or len(call.norms)
        or layout.statistics
        or list(call.return_steps) != [native.steps]
        or len(layout.input_gradients) != 1
        or native.steps * native.lanes * layout.saved[0] > SMALL
    ):
        return
    before = _known.get(call.cell)
    if before is None or not before.busy:
        _known[call.cell] = StandingWindow(call, native, tensors)


class StandingWindow:
    """Arrays, addresses and packed weights of a window, in place.

    Args:
        call: The window that the next ones are like.
        native: How it is run.
        tensors: Those of ``native.names``.
    """

    def __init__(self, call: WindowCall, native: NativeCall, tensors: Sequence[Tensor]) -> None:
        plan, steps, lanes = native.plan, native.steps, native.lanes
        layout, dtype = plan.layout, plan.dtype
        # not the cell: what stands ready for it must not keep it
        self._made_of, self._target = fingerprint(call.cell), chosen()
        self._norms = weakref.ref(call.norms)
        self._plan, self._steps, self._lanes = plan, steps, lanes
        self._x = (call.x.shape, dtype, call.x.requires_grad)
        self._states = [part.shape for part in leaves(call.state)]
        given = dict(zip(native.names, tensors, strict=True))
        self._parameters = [
            _Parameter.of(call.cell, name, given[c]) for c, name in layout.parameters.items()
        ]
        self._aliased = layout.output_state
        arrays: dict[str, Tensor] = {c: t.detach() for c, t in given.items()}
        for i, width in enumerate(layout.states):
            arrays[f"s{i}_history"] = torch.empty(steps + 1, lanes, width, dtype=dtype)
            arrays[f"s{i}_returned"] = torch.empty(1, lanes, width, dtype=dtype)
            arrays[f"d{i}_returned"] = torch.zeros(1, lanes, width, dtype=dtype)
            arrays[f"d{i}_first"] = torch.empty(lanes, width, dtype=dtype)
            arrays[f"s{i}_before"] = arrays[f"s{i}_history"]
        arrays["y"] = torch.empty(steps, lanes, layout.output, dtype=dtype)
        rows, vector = layout.saved
        arrays["saved"] = torch.empty(steps, lanes, rows, dtype=dtype)
        arrays["saved_vector"] = torch.empty(steps, vector, dtype=dtype)
        arrays["dy"] = torch.empty(steps, lanes, layout.output, dtype=dtype)
        self._forward = StandingRun(
            plan.forward, plan.forward.window(steps, lanes, 1, ring=False), native.masks, arrays
        )
        self._backward = StandingRun(
            plan.backward, plan.backward.window(steps, lanes, 1, ring=False), native.masks, arrays
        )
        self._histories = [arrays[f"s{i}_history"] for i in range(len(layout.states))]
        self._open: weakref.ref[StandingGradient] | None = None

    @property
    def busy(self) -> bool:
        """Whether a window is between its forward and its backward loop, and needs what is in the arrays."""
        gradient = None if self._open is None else self._open()
        return gradient is not None and not gradient.done

    def fits(self, call: WindowCall, products: torch.dtype) -> bool:
        """Whether a window is one of those that this stands ready for, now, with such products."""
        x = call.x
        return (
            (x.shape, x.dtype, x.requires_grad) == self._x
            and type(x) is Tensor
            and x.is_contiguous()
            and call.norms is self._norms()
            and call.generator is None
            and list(call.return_steps) == [self._steps]
            and _unbroken(call.masks)
            and not self.busy
            and all(
                type(part) is Tensor
                and part.shape == shape
                and part.dtype is x.dtype
                and part.is_cpu
                and part.is_contiguous()
                and not part.requires_grad
                for part, shape in zip(leaves(call.state), self._states, strict=True)
            )
            and not any(part.requires_grad for part in leaves(call.initial_state))
            and torch.get_num_threads() == 1
            and chosen() is self._target
            and products is self._plan.products
            and not transforming()
            and fingerprint(call.cell) == self._made_of
            and all(parameter.stands for parameter in self._parameters)
        )

    def run(self, call: WindowCall) -> tuple[WindowOutput, StandingGradient]:
        """Run a window that fits."""
        layout, dtype = self._plan.layout, self._plan.dtype
        run, steps, lanes = self._forward, self._steps, self._lanes
        histories, returned = list(self._histories), []
        for i, (part, width) in enumerate(zip(leaves(call.state), layout.states, strict=True)):
            if i == self._aliased:  # it is the output as well, which the caller keeps
                histories[i] = empty((steps + 1, lanes, width), dtype)
                run.set(f"s{i}_history", histories[i])
            ctypes.memmove(histories[i].data_ptr(), part.data_ptr(), part.numel() * dtype.itemsize)
            run.set(f"s{i}", part)
            returned.append(empty((1, lanes, width), dtype))
            run.set(f"s{i}_returned", returned[i])
        if self._aliased is None:
            output = empty((steps, lanes, layout.output), dtype)
        else:
            output = histories[self._aliased][1:]
        run.set("y", output)
        run.set("x0", call.x)
        run()
        gradient = StandingGradient(self, call.x, output, histories)
        self._open = weakref.ref(gradient)
        parts = (k.view(shape) for k, shape in zip(returned, self._states, strict=True))
        return WindowOutput(output, {steps: rebuild(call.state, parts)}), gradient

    def pull_back(
        self, x: Tensor, histories: Sequence[Tensor], output: Tensor, d_output: Tensor
    ) -> tuple[Tensor | None, list[tuple[nn.Parameter, Tensor]]]:
        """Run the backward loop; see `memcell_compiler.runtime.pullback.Pullback`."""
        layout, dtype = self._plan.layout, self._plan.dtype
        run, d_output = self._backward, d_output.contiguous()
        run.set("dy", d_output)
        run.set("y", output)
        run.set("x0", x)
        for i, history in enumerate(histories):
            run.set(f"s{i}_history", history)
            run.set(f"s{i}_before", history)
        d_x = None
        if layout.input_gradients[0]:
            d_x = empty(x.shape, dtype)
            run.set("dx0", d_x)
        sums = []
        for added in layout.sums:
            sums.append(torch.zeros(1, *added.shape, dtype=dtype))
            run.set(added.name, sums[-1])
        run()
        whole = [
            total[0].t().contiguous() if added.swapped else total[0]
            for total, added in zip(sums, layout.sums, strict=True)
        ]
        wanted = layout.epilogue.parameters
        given = {p.name: p.tensor.detach() for p in self._parameters if p.name in wanted}
        found = layout.epilogue(whole, given)
        return d_x, [(p.tensor, found[p.name]) for p in self._parameters if p.name in found]


class StandingGradient:
    """The gradient of a window that stood ready; called once.

    Args:
        window: Where it ran.
        x: Its input.
        output: Its outputs.
        histories: Of each part of the state.
    """

    def __init__(
        self, window: StandingWindow, x: Tensor, output: Tensor, histories: Sequence[Tensor]
    ) -> None:
        self._window, self._x, self._output, self._histories = window, x, output, histories
        self.done = False

    @torch.no_grad()
    def __call__(self, d_output: Tensor) -> tuple[Tensor | None, list[tuple[nn.Parameter, Tensor]]]:
        """Return the gradient of the input, where it has one, and of each parameter."""
        found = self._window.pull_back(self._x, self._histories, self._output, d_output)
        self.done = True
        return found


def _unbroken(masks: StepMasks) -> bool:
    return not any(masks.any_reset) and all(masks.all_valid)


class _Parameter(NamedTuple):
    """A parameter where it was: another one in its place, or in other memory, is seen.

    Args:
        name: In the plan.
        holder: The dictionary of its module.
        key: There.
        tensor: The parameter.
        address: Of its numbers.
        needs_gradient: Whether it takes one.
    """

    name: str
    holder: dict[str, nn.Parameter]
    key: str
    tensor: nn.Parameter
    address: int
    needs_gradient: bool

    @classmethod
    def of(cls, cell: Cell, name: str, tensor: Tensor) -> _Parameter:
        """Find a parameter of a cell.

        Args:
            cell: The cell.
            name: In the plan.
            tensor: Its numbers as the program is given them.
        """
        path, _, key = name.removeprefix("cell.").rpartition(".")
        holder: dict[str, nn.Parameter] = vars(cell.get_submodule(path))["_parameters"]
        found = holder[key]
        return cls(name, holder, key, found, tensor.data_ptr(), found.requires_grad)

    @property
    def stands(self) -> bool:
        """Whether it is what and where it was."""
        return (
            self.holder[self.key] is self.tensor
            and self.tensor.data_ptr() == self.address
            and self.tensor.requires_grad is self.needs_gradient
        )
