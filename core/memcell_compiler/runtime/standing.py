"""A window of training whose arrays stand ready: only what changes from one update to the next is set.

Windows of a run are nearly all alike: one size, no lane reset within, none padded. For a small network most
of a call is finding its plan, gathering its tensors and describing them to the program; here that is done
once, and done again where anything it rests on is no longer what it was. Normalizers are asked of each window
and get its statistics; where the program reads what they say (lanes of several ages), nothing stands ready.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.purity import Snapshot
from memcell.recurrent.reference import transforming
from memcell.recurrent.state import State, leaves, rebuild
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import WindowCall, WindowOutput
from memcell_compiler.build.target import chosen
from memcell_compiler.emit.layout import ArrayLayout
from memcell_compiler.runtime.function import NativeCall
from memcell_compiler.runtime.norm_statistics import hand_over
from memcell_compiler.runtime.pool import Lease, empty
from memcell_compiler.runtime.runner import StandingRun

#: What the normalizers say of a window, asked when it is first called.
AskNorms = Callable[[], dict[str, NormWindow]]
#: Numbers that a window may save to stand ready (32 MiB in float32). Of a larger one describing is a small
#: part, and what it saves in is better lent to others meanwhile.
MOST = 1 << 23
#: One for each cell: the last kind of window that it was trained on.
_known: WeakKeyDictionary[Cell, StandingWindow] = WeakKeyDictionary()
#: Sizes of each cell's last window with autograd.
_seen: WeakKeyDictionary[Cell, object] = WeakKeyDictionary()


def standing(call: WindowCall, products: torch.dtype, windows: AskNorms) -> StandingWindow | None:
    """Return what stands ready for a window with such products, None where nothing does.

    Args:
        call: The window.
        products: What is multiplied.
        windows: What its normalizers say of it.
    """
    found = _known.get(call.cell)
    return found if found is not None and found.fits(call, products, windows) else None


def forget(cell: Cell) -> None:
    """Let nothing stand ready for a cell."""
    _known.pop(cell, None)


def keep(
    call: WindowCall, native: NativeCall, tensors: Sequence[Tensor], windows: AskNorms
) -> None:
    """Let a window stand ready for the next one like it, where it is of the kind that can.

    It does from the second of its sizes on that follow each other: in one's own loop any may come.

    Args:
        call: The window.
        native: How it was run.
        tensors: Those of ``native.names``.
        windows: What its normalizers said of it.
    """
    layout = native.plan.layout
    if (
        not simple(native)
        or list(call.return_steps) != [native.steps]
        or len(layout.input_gradients) != 1
        or native.steps * native.lanes * layout.saved[0] > MOST
        # a weight that is computed anew each time would be held with its graph
        or not all(
            t.is_leaf for c, t in zip(native.names, tensors, strict=True) if c in layout.parameters
        )
    ):
        return
    kind = (call.x.shape, call.x.dtype, call.x.requires_grad)
    before = _known.get(call.cell)
    if _seen.get(call.cell) != kind:
        _seen[call.cell] = kind
    elif before is None or not before.busy:
        _known[call.cell] = StandingWindow(call, native, tensors, windows())


class StandingWindow:
    """Arrays, addresses and packed weights of a window, in place.

    Args:
        call: The window that the next ones are like.
        native: How it is run.
        tensors: Those of ``native.names``.
        windows: What its normalizers said of it.
    """

    def __init__(
        self,
        call: WindowCall,
        native: NativeCall,
        tensors: Sequence[Tensor],
        windows: Mapping[str, NormWindow],
    ) -> None:
        plan, steps, lanes = native.plan, native.steps, native.lanes
        layout, dtype = plan.layout, plan.dtype
        # not the cell: what stands ready for it must not keep it
        self._made_of, self._target = Snapshot(call.cell), chosen()
        self._norms = StandingNorms(call.norms, windows)
        self._plan, self._steps, self._lanes = plan, steps, lanes
        self._x = (call.x.shape, dtype, call.x.requires_grad)
        self._states = [part.shape for part in leaves(call.state)]
        self._lease = lease = Lease()
        given = dict(zip(native.names, tensors, strict=True))
        self._parameters = [
            StandingParameter.of(call, name, given[c]) for c, name in layout.parameters.items()
        ]
        self._aliased = layout.output_state
        arrays: dict[str, Tensor] = {c: t.detach() for c, t in given.items()}
        nothing = torch.empty(0, dtype=dtype)  # each window brings its own
        for i, width in enumerate(layout.states):
            history = (steps + 1, lanes, width)
            arrays[f"s{i}_history"] = nothing if i == self._aliased else lease.take(history, dtype)
            arrays[f"s{i}_returned"] = torch.empty(1, lanes, width, dtype=dtype)
            arrays[f"d{i}_returned"] = torch.zeros(1, lanes, width, dtype=dtype)
            arrays[f"d{i}_first"] = torch.empty(lanes, width, dtype=dtype)
            arrays[f"s{i}_before"] = arrays[f"s{i}_history"]
        arrays["y"] = arrays["dy"] = nothing
        rows, vector = layout.saved
        arrays["saved"] = lease.take((steps, lanes, rows), dtype)
        arrays["saved_vector"] = torch.empty(steps, vector, dtype=dtype)
        self._forward = StandingRun(
            plan.forward, plan.forward.window(steps, lanes, 1, ring=False), native.masks, arrays
        )
        self._backward = StandingRun(
            plan.backward, plan.backward.window(steps, lanes, 1, ring=False), native.masks, arrays
        )
        self._histories = [arrays[f"s{i}_history"] for i in range(len(layout.states))]
        run, numbers = self._forward, range(len(layout.states))
        self._at_state = [
            (run.at(f"s{i}"), run.at(f"s{i}_history"), run.at(f"s{i}_returned")) for i in numbers
        ]
        self._at_output, self._at_x = run.at("y"), run.at("x0")
        self._statistics = [
            ((steps, *(lanes if size is None else size for size in shape)), run.at(f"g{i}"))
            for i, shape in enumerate(layout.statistics)
        ]
        run = self._backward
        self._at_history = [(run.at(f"s{i}_history"), run.at(f"s{i}_before")) for i in numbers]
        self._at_back = [run.at(name) for name in ("dy", "y", "x0", "dx0")]
        self._at_d_state = [(run.at(f"d{i}_returned"), arrays[f"d{i}_returned"]) for i in numbers]
        self._sums = [(added, run.at(added.name)) for added in layout.sums]
        self._whole = self._gradients_that_are_sums()
        self._open: weakref.ref[StandingGradient] | None = None

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters that the programs read, in the order of the layout."""
        return [p.tensor for p in self._parameters]

    @property
    def layout(self) -> ArrayLayout:
        """What the programs' arrays are."""
        return self._plan.layout

    @property
    def busy(self) -> bool:
        """Whether a window is between its forward and its backward loop, and needs what is in the arrays."""
        gradient = None if self._open is None else self._open()
        return gradient is not None and not gradient.done

    def fits(self, call: WindowCall, products: torch.dtype, windows: AskNorms) -> bool:
        """Whether a window is one of those that this stands ready for, now, with such products."""
        x = call.x
        return (
            (x.shape, x.dtype, x.requires_grad) == self._x
            and type(x) is Tensor
            and x.is_contiguous()
            and call.generator is None
            and list(call.return_steps) == [self._steps]
            and unbroken(call.masks)
            and not self.busy
            and plain_state(call.state, self._states, self._plan.dtype)
            and not any(
                part.requires_grad for part in (*leaves(call.state), *leaves(call.initial_state))
            )
            and torch.get_num_threads() == 1
            and chosen() is self._target
            and products is self._plan.products
            and not transforming()
            and self._made_of.same(call.cell)
            and all(parameter.stands for parameter in self._parameters)
            and self._norms.same(call.norms, windows)
        )

    def run(
        self, call: WindowCall, windows: Mapping[str, NormWindow]
    ) -> tuple[WindowOutput, StandingGradient]:
        """Run a window that fits.

        Args:
            call: The window.
            windows: What its normalizers said of it.
        """
        layout, dtype = self._plan.layout, self._plan.dtype
        addresses, steps, lanes = self._forward.addresses, self._steps, self._lanes
        histories, returned = list(self._histories), []
        for i, part in enumerate(leaves(call.state)):
            at_first, at_history, at_returned = self._at_state[i]
            if i == self._aliased:  # it is the output as well, which the caller keeps
                histories[i] = empty((steps + 1, lanes, layout.states[i]), dtype)
                addresses[at_history] = histories[i].data_ptr()
            first = part.data_ptr()
            ctypes.memmove(histories[i].data_ptr(), first, part.numel() * dtype.itemsize)
            returned.append(empty(self._states[i], dtype))
            addresses[at_first], addresses[at_returned] = first, returned[i].data_ptr()
        if self._aliased is None:
            output = empty((steps, lanes, layout.output), dtype)
        else:
            output = histories[self._aliased][1:]
        addresses[self._at_output], addresses[self._at_x] = output.data_ptr(), call.x.data_ptr()
        statistics = []
        for shape, at in self._statistics:  # the normalizers may keep them
            statistics.append(empty(shape, dtype))
            addresses[at] = statistics[-1].data_ptr()
        self._forward()
        if statistics and call.update_statistics:
            hand_over(layout, call.norms, windows, statistics)
        gradient = StandingGradient(self, call.x, output, histories)
        self._open = weakref.ref(gradient)
        return WindowOutput(output, {steps: rebuild(call.state, iter(returned))}), gradient

    def pull_back(
        self,
        x: Tensor,
        histories: Sequence[Tensor],
        output: Tensor,
        d_output: Tensor,
        d_states: Sequence[Tensor | None],
    ) -> tuple[Tensor | None, list[tuple[nn.Parameter, Tensor]]]:
        """Run the backward loop; see `memcell_compiler.runtime.pullback.Pullback`."""
        layout, dtype = self._plan.layout, self._plan.dtype
        addresses, d_output = self._backward.addresses, d_output.contiguous()
        d_x = empty(x.shape, dtype) if layout.input_gradients[0] else None
        for at, tensor in zip(self._at_back, (d_output, output, x, d_x), strict=True):
            if tensor is not None:
                addresses[at] = tensor.data_ptr()
        for (at_history, at_before), history in zip(self._at_history, histories, strict=True):
            addresses[at_history] = addresses[at_before] = history.data_ptr()
        kept: list[Tensor] = []
        for i, (at, none) in enumerate(self._at_d_state):
            d_state = d_states[i] if d_states else None
            kept.append(none if d_state is None else d_state.contiguous())
            addresses[at] = kept[-1].data_ptr()
        if self._whole is not None:
            gradients = [(p, torch.zeros(p.shape, dtype=dtype)) for p, _ in self._whole]
            for (_, at), (_, gradient) in zip(self._whole, gradients, strict=True):
                addresses[at] = gradient.data_ptr()
            self._backward()
            return d_x, gradients
        sums = []
        for added, at in self._sums:
            sums.append(torch.zeros(added.shape, dtype=dtype))
            addresses[at] = sums[-1].data_ptr()
        self._backward()
        whole = [
            total.t().contiguous() if added.swapped else total
            for total, added in zip(sums, layout.sums, strict=True)
        ]
        wanted = layout.epilogue.parameters
        given = {p.name: p.tensor.detach() for p in self._parameters if p.name in wanted}
        found = layout.epilogue(whole, given)
        return d_x, [(p.tensor, found[p.name]) for p in self._parameters if p.name in found]

    def _gradients_that_are_sums(self) -> list[tuple[nn.Parameter, int]] | None:
        """Return the parameters with where each's gradient is added up, where that is all there is to do.

        None where what the loop adds up is anything but the gradients as they are, one each.
        """
        layout = self._plan.layout
        if layout.epilogue.parameters or any(added.swapped for added in layout.sums):
            return None
        sums = [torch.zeros(added.shape, dtype=self._plan.dtype) for added in layout.sums]
        found = layout.epilogue(sums, {})
        places = {total.data_ptr(): i for i, total in enumerate(sums)}
        whole: list[tuple[nn.Parameter, int]] = []
        for parameter in self._parameters:
            gradient = found.get(parameter.name)
            if gradient is None:
                continue
            i = places.pop(gradient.data_ptr(), None)
            if i is None or not gradient.is_contiguous() or gradient.numel() != sums[i].numel():
                return None
            if gradient.shape != parameter.tensor.shape:
                return None
            whole.append((parameter.tensor, self._sums[i][1]))
        return None if places else whole


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

    def let_output_go(self) -> None:
        """Hold the outputs by another tensor than the one that was handed out, for that may hold this."""
        self._output = self._output.detach()

    def __call__(
        self, d_output: Tensor, d_states: Sequence[Tensor | None] = ()
    ) -> tuple[Tensor | None, list[tuple[nn.Parameter, Tensor]]]:
        """Return the gradient of the input, where it has one, and of each parameter.

        Args:
            d_output: Gradient of the outputs.
            d_states: That of each part of the returned state; zero where it is None or missing.
        """
        with torch.no_grad():
            found = self._window.pull_back(
                self._x, self._histories, self._output, d_output, d_states
            )
        self.done = True
        return found


class StandingNorms:
    """Normalizers as they were, and what they said of a window of which programs read nothing.

    Args:
        norms: The normalizers, which are not held.
        windows: What they said.
    """

    def __init__(self, norms: SiteNorms, windows: Mapping[str, NormWindow]) -> None:
        self._norms, self._any = weakref.ref(norms), len(norms) > 0
        self._made_of = Snapshot(norms) if self._any else None
        self._said = _kinds(windows)

    def same(self, norms: SiteNorms, windows: AskNorms) -> bool:
        """Whether they are what they were, and say of a window what they said.

        Args:
            norms: Those of the window.
            windows: What they say of it; asked last.
        """
        if norms is not self._norms():
            return False
        if self._made_of is None:
            return not len(norms)
        return self._made_of.same(norms) and _kinds(windows()) == self._said


def _kinds(windows: Mapping[str, NormWindow]) -> list[tuple[object, ...]]:
    """Return all of what normalizers said but the numbers."""
    return [
        (site, window.mode, *((i.dtype, i.shape) for i in window.inputs))
        for site, window in windows.items()
    ]


def simple(native: NativeCall) -> bool:
    """Whether from window to window nothing but numbers changes: one thread, no reset, padding or buffer."""
    return native.masks.plain and native.threads == 1 and not native.fixed and not native.buffers


def plain_state(state: State, shapes: Sequence[torch.Size], dtype: torch.dtype) -> bool:
    """Whether the parts of a state are plain tensors of these shapes and this type, on the CPU."""
    parts = list(leaves(state))
    return len(parts) == len(shapes) and all(
        part.dtype is dtype
        and part.shape == shape
        and type(part) is Tensor
        and part.is_cpu
        and part.is_contiguous()
        for part, shape in zip(parts, shapes, strict=True)
    )


def unbroken(masks: StepMasks) -> bool:
    """Whether no lane is reset and none is padding."""
    return not any(masks.any_reset) and all(masks.all_valid)


class StandingParameter(NamedTuple):
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
    def of(cls, call: WindowCall, name: str, tensor: Tensor) -> StandingParameter:
        """Find a parameter of a window's cell or normalizers.

        Args:
            call: The window.
            name: In the plan: ``cell.`` or ``norms.`` and the path from there.
            tensor: Its numbers as the program is given them.
        """
        owner, _, rest = name.partition(".")
        path, _, key = rest.rpartition(".")
        module: nn.Module = {"cell": call.cell, "norms": call.norms}[owner].get_submodule(path)
        holder: dict[str, nn.Parameter] = vars(module)["_parameters"]
        found = holder[key]
        return cls(name, holder, key, found, tensor.data_ptr(), found.requires_grad)

    @property
    def stands(self) -> bool:
        """Whether it is what and where it was."""
        return (
            self.holder.get(self.key) is self.tensor
            and self.tensor.data_ptr() == self.address
            and self.tensor.requires_grad is self.needs_gradient
        )
