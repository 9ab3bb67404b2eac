"""The compiled unroll: the window in chunks, the chunks compiled."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from memcell.backends.inductor.cache import run_compiled
from memcell.backends.inductor.chunk import Done, Form, run_chunk
from memcell.backends.inductor.graphs import Cut, cuts
from memcell.backends.inductor.probe import probe
from memcell.backends.norms import SiteNorms
from memcell.backends.step_masks import WindowMarks
from memcell.errors import UsageError
from memcell.recurrent.cell import Cell, projected
from memcell.recurrent.state import State, leaves, map_state
from memcell_compiler.trace.unsupported import Unsupported

#: K, steps of a chunk: more make the compiler slow, fewer leave the dispatcher's cost a chunk.
CHUNK = 16


def unroll_compiled(
    cell: Cell,
    norms: SiteNorms,
    x: Tensor,
    state: State,
    fresh: State,
    marks: WindowMarks,
    keep: Collection[int],
    gather: bool,
    generator: torch.Generator | None = None,
    chunk: int = CHUNK,
) -> tuple[Tensor, dict[int, State]]:
    """Run a cell over a window. Arguments and result as `memcell.backends.eager.unroll_eager`.

    A first call compiles for seconds, as does another B, dtype or device; another T does not. Nothing is
    folded before the whole window has run, so that after a refusal the eager loop may run it.

    Args:
        cell: The cell.
        norms: Its normalizers.
        x: ``[T, B, I]``.
        state: The state before the first step.
        fresh: The state of a restarted lane.
        marks: Restarts, padding, ages.
        keep: Numbers of steps after which the state is wanted.
        gather: Training: normalizers use and fold batch statistics.
        generator: Random numbers for a cell that draws masks; None for none.
        chunk: K.

    Raises:
        Unsupported: The step cannot be compiled; says why.
    """
    found = projected(cell, x, generator)
    single = isinstance(found, Tensor)
    parts = (found,) if isinstance(found, Tensor) else tuple(found)
    windows = norms.windows(marks, gather)
    modes = tuple((site, window.mode) for site, window in windows.items())
    inputs = [window.inputs for window in windows.values()]
    training = _needs_gradient(cell, norms, parts, state, fresh)
    outputs, gathered = list[Tensor](), list[tuple[tuple[Tensor, ...], ...]]()
    states = {0: state} if 0 in keep else {}
    # a state that is the very tensor of fresh would be compiled as such, and the next chunk's anew
    state = map_state(lambda t: t.view_as(t), state)
    compiled = False
    with torch.set_grad_enabled(training):
        for cut in cuts(parts, inputs, marks, chunk):
            compiled |= cut.compiled
            last = cut.start + cut.steps
            every = any(cut.start < step < last for step in keep)
            # CUDA graphs are recorded along the way through a window: with and without marks, chunk by
            # chunk, there would be as many ways as windows, each recorded anew. One form, one way.
            marked = cut.marked or x.is_cuda
            form = Form(modes, single, marked, every)
            run = run_compiled if cut.compiled else run_chunk
            before = _alike(state) if training and cut.compiled else state
            done = run(cell, norms, form, cut.piece, before, fresh)
            state = done.state
            outputs.append(done.outputs[: cut.steps])
            # what was gathered in its real steps, without the filling
            gathered.append(tuple(tuple(g[: cut.steps] for g in site) for site in done.gathered))
            states |= _kept(done, cut, keep)
        result = torch.cat(outputs)
    if gather:
        for column, (site, window) in enumerate(windows.items()):
            stacks = zip(*(g[column] for g in gathered), strict=True)
            stacked = tuple(torch.cat(stack) for stack in stacks)
            if stacked:
                norms.site(site).fold(stacked, window.mode, window.inputs)
    if training and compiled:  # a short window is the plain loop
        for tensor in (result, *(part for kept in states.values() for part in leaves(kept))):
            if tensor.grad_fn is not None:
                tensor.register_hook(_once)  # type: ignore[no-untyped-call]
    return result, states


def _once(cotangent: Tensor) -> None:
    """Refuse a gradient of the gradient, which compiled code has not.

    Raises:
        UsageError: The backward pass is to be differentiated.
    """
    if torch.is_grad_enabled():
        raise UsageError(
            "a compiled window has no gradient of its gradient (create_graph=True); run it natively or on "
            "the eager loop, with --unroll native or --unroll eager, or Layer(..., unroll='eager')"
        )


def compiled_reason(cell: Cell, norms: SiteNorms) -> str | None:
    """Return why a cell with its normalizers is not compiled, or None where nothing is against it.

    One step of two lanes is run as it is; what the compiler itself refuses comes out when it is used.
    """
    like = next(cell.parameters(), torch.zeros(()))
    x = like.new_zeros(1, 2, cell.input_size)
    no = torch.zeros(1, 2, dtype=torch.bool, device=like.device)
    marks = WindowMarks.of(no, ~no, no[0].to(torch.int64))
    state = cell.initial_state(2, device=like.device, dtype=like.dtype)
    try:
        with torch.no_grad():
            found = projected(cell, x)
            single = isinstance(found, Tensor)
            parts = (found,) if isinstance(found, Tensor) else tuple(found)
            for gather in (True, False):
                windows = norms.windows(marks, gather)
                modes = tuple((site, window.mode) for site, window in windows.items())
                (cut,) = cuts(parts, [w.inputs for w in windows.values()], marks, 1)
                form = Form(modes, single, marked=False, every=False)
                probe(cell, norms, form, cut.piece, state, state)
    except Unsupported as error:
        return str(error)
    return None


def _needs_gradient(
    cell: Cell, norms: SiteNorms, parts: tuple[Tensor, ...], state: State, fresh: State
) -> bool:
    tensors = [*parts, *leaves(state), *leaves(fresh), *cell.parameters(), *norms.parameters()]
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def _alike(state: State) -> State:
    """Let every state need a gradient, so that the first chunk runs the code of the others."""
    return map_state(
        lambda t: (
            t if t.requires_grad or not t.is_floating_point() else t.detach().requires_grad_()
        ),
        state,
    )


def _kept(done: Done, cut: Cut, keep: Collection[int]) -> dict[int, State]:
    last = cut.start + cut.steps
    found = {}
    for step in keep:
        if step == last:
            found[step] = done.state
        elif cut.start < step < last and done.states is not None:
            k = step - cut.start - 1
            found[step] = map_state(lambda t, k=k: t[k], done.states)
    return found
