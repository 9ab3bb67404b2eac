"""A window through Inductor: cut into chunks, the chunks compiled."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from memcell.backends.inductor.cache import run_compiled
from memcell.backends.inductor.chunk import ChunkOutput, Cut, Form, cuts, run_chunk
from memcell.backends.inductor.probe import probe
from memcell.errors import UsageError
from memcell.recurrent.cell import Cell, projected
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.state import State, leaves, map_state
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import WindowCall, WindowOutput

#: K, steps of a chunk: more make the compiler slow, fewer leave the dispatcher's cost a chunk.
CHUNK = 16


def unroll_inductor(call: WindowCall, chunk: int = CHUNK) -> WindowOutput:
    """Run a window in chunks of compiled steps.

    A first call compiles for seconds, as does another B, dtype or device; another T does not. No statistics
    are accumulated before the whole window has run, so that after a refusal the eager loop may run it.

    Args:
        call: The window.
        chunk: K.

    Raises:
        Unsupported: The step cannot be compiled; says why.
    """
    cell, norms, x, masks, return_steps = (
        call.cell,
        call.norms,
        call.x,
        call.masks,
        call.return_steps,
    )
    parts, single = _parts(projected(cell, x, call.generator))
    windows = call.norm_windows()
    modes = tuple((site, window.mode) for site, window in windows.items())
    inputs = [window.inputs for window in windows.values()]
    training = _needs_gradient(call, parts)
    outputs, statistics = list[Tensor](), list[tuple[tuple[Tensor, ...], ...]]()
    states = {0: call.state} if 0 in return_steps else {}
    # a state that is the very tensor of the initial one would be compiled as such, and the next chunk's anew
    state = map_state(lambda t: t.view_as(t), call.state)
    compiled = False
    with torch.set_grad_enabled(training):
        for cut in cuts(parts, inputs, masks, chunk):
            compiled |= cut.compiled
            last = cut.start + cut.steps
            every = any(cut.start < step < last for step in return_steps)
            # CUDA graphs are recorded along the way through a window: with and without masks, chunk by
            # chunk, there would be as many graphs as windows, each recorded anew. One form, one graph.
            masked = cut.masked or x.is_cuda
            form = Form(modes, single, masked, every)
            run = run_compiled if cut.compiled else run_chunk
            before = _alike(state) if training and cut.compiled else state
            result = run(cell, norms, form, cut.chunk, before, call.initial_state)
            state = result.state
            outputs.append(result.outputs[: cut.steps])
            # the statistics of its real steps, without the filling
            statistics.append(
                tuple(tuple(s[: cut.steps] for s in site) for site in result.statistics)
            )
            states |= _returned(result, cut, return_steps)
        joined = torch.cat(outputs)
    if call.update_statistics:
        for column, (site, window) in enumerate(windows.items()):
            stacks = zip(*(each[column] for each in statistics), strict=True)
            stacked = tuple(torch.cat(stack) for stack in stacks)
            if stacked:
                norms.site(site).accumulate(stacked, window.mode, window.inputs)
    if training and compiled:  # a short window is the plain loop
        for tensor in (joined, *(part for each in states.values() for part in leaves(each))):
            if tensor.grad_fn is not None:
                tensor.register_hook(_once)
    return WindowOutput(joined, states)


def _parts(found: Tensor | tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], bool]:
    """Return what ``project`` returned as a tuple, and whether it was a single tensor."""
    return ((found,), True) if isinstance(found, Tensor) else (tuple(found), False)


def _once(cotangent: Tensor) -> None:
    """Refuse a gradient of the gradient, which compiled code has not.

    Raises:
        UsageError: The backward pass is to be differentiated.
    """
    if torch.is_grad_enabled():
        raise UsageError(
            "a compiled window has no gradient of its gradient (create_graph=True); run it natively or on "
            "the eager loop, with --backend native or --backend eager, or Layer(..., backend='eager')"
        )


def inductor_reason(cell: Cell, norms: SiteNorms) -> str | None:
    """Return why a cell with its normalizers is not compiled, or None where nothing is against it.

    One step of two lanes is run as it is; what the compiler itself refuses comes out when it is used.
    """
    like = next(cell.parameters(), torch.zeros(()))
    x = like.new_zeros(1, 2, cell.input_size)
    no = torch.zeros(1, 2, dtype=torch.bool, device=like.device)
    masks = StepMasks.of(no, ~no, no[0].to(torch.int64))
    state = cell.initial_state(2, device=like.device, dtype=like.dtype)
    try:
        with torch.no_grad():
            parts, single = _parts(projected(cell, x))
            for update_statistics in (True, False):
                windows = norms.windows(masks, update_statistics)
                modes = tuple((site, window.mode) for site, window in windows.items())
                (cut,) = cuts(parts, [w.inputs for w in windows.values()], masks, 1)
                form = Form(modes, single, masked=False, every=False)
                probe(cell, norms, form, cut.chunk, state, state)
    except Unsupported as error:
        return str(error)
    return None


def _needs_gradient(call: WindowCall, parts: tuple[Tensor, ...]) -> bool:
    states = (*leaves(call.state), *leaves(call.initial_state))
    tensors = [*parts, *states, *call.cell.parameters(), *call.norms.parameters()]
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def _alike(state: State) -> State:
    """Let every state need a gradient, so that the first chunk runs the code of the others."""
    return map_state(
        lambda t: (
            t if t.requires_grad or not t.is_floating_point() else t.detach().requires_grad_()
        ),
        state,
    )


def _returned(result: ChunkOutput, cut: Cut, return_steps: Collection[int]) -> dict[int, State]:
    last = cut.start + cut.steps
    found = {}
    for step in return_steps:
        if step == last:
            found[step] = result.state
        elif cut.start < step < last and result.states is not None:
            k = step - cut.start - 1
            found[step] = map_state(lambda t, k=k: t[k], result.states)
    return found
