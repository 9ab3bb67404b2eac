"""Compiled chunks: one for each combination that needs code of its own, never one more for another T."""

from __future__ import annotations

import itertools
import types
import weakref
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch._dynamo.exc import TorchDynamoException

from memcell.backends.inductor.chunk import ChunkOutput, Form, StepChunk, run_chunk
from memcell.backends.inductor.probe import probe
from memcell.errors import MemcellError
from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.state import State, leaves

Run = Callable[[Cell, SiteNorms, Form, StepChunk, State, State], ChunkOutput]

#: For each cell: what was compiled for it, or why that is not possible.
_compiled: weakref.WeakKeyDictionary[Cell, dict[Hashable, Run | Unsupported]] = (
    weakref.WeakKeyDictionary()
)
_numbers = itertools.count()


def run_compiled(
    cell: Cell, norms: SiteNorms, form: Form, chunk: StepChunk, state: State, initial_state: State
) -> ChunkOutput:
    """Run a chunk compiled, compiling it where there is nothing yet for its key.

    Raises:
        Unsupported: It cannot be compiled, or the probe refused it; said again, at no cost, on every
            later call.
    """
    known = _compiled.setdefault(cell, {})
    key = _key(norms, form, chunk, state, initial_state)
    found = known.get(key)
    if isinstance(found, Unsupported):
        raise Unsupported(str(found))
    first = found is None
    try:
        if found is None:
            probe(cell, norms, form, chunk, state, initial_state)
            found = _compile(chunk.parts[0].device)
        with _backward_compiled_too() if first else nullcontext():
            result = found(cell, norms, form, chunk, state, initial_state)
    except Unsupported as error:
        known[key] = error
        raise
    except (torch.OutOfMemoryError, MemcellError):
        raise
    except Exception as error:
        # The compiler and its backend raise whatever they like the first time; later only guards do.
        if not first and not isinstance(error, TorchDynamoException):
            raise
        known[key] = reason = Unsupported(f"torch.compile: {_line(error)}")
        raise reason from error
    known[key] = found
    return _out_of_the_pool(result) if chunk.parts[0].is_cuda else result


def _key(
    norms: SiteNorms, form: Form, chunk: StepChunk, state: State, initial_state: State
) -> Hashable:
    tensors = (*chunk.parts, *leaves(state), *leaves(initial_state))
    return (
        id(norms),
        form,
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        tuple((t.shape, t.dtype, t.device, t.requires_grad) for t in tensors),
    )


def _compile(device: torch.device) -> Run:
    """Return `run_chunk` compiled on its own.

    The compiler counts what it compiled for a code object and stops at a limit, so each key has a copy
    of the code: the limit stays where it is and is never met by other cells and sizes.
    """
    code = run_chunk.__code__
    own = types.FunctionType(
        code.replace(co_name=f"run_chunk_{next(_numbers)}"), run_chunk.__globals__
    )
    # reduce-overhead records the chunk as a CUDA graph, one for each place in the window: several forwards
    # in flight before the first backward each keep what theirs needs. Once a backward has begun, the next
    # call of any of them may write over it: nothing else may run between a window and its backward that
    # has a backward of its own (`memcell.probes.looking`).
    mode = "reduce-overhead" if device.type == "cuda" else None
    return torch.compile(own, fullgraph=True, dynamic=False, mode=mode)


def _backward_compiled_too() -> AbstractContextManager[None]:
    """Let the backward be compiled with the forward, where a refusal still leaves the eager loop.

    Torch would compile it when the gradient is asked for, in the middle of an update.
    """
    config: Any = torch._functorch.config
    found: AbstractContextManager[None] = config.patch(force_non_lazy_backward_lowering=True)
    return found


def _out_of_the_pool(result: ChunkOutput) -> ChunkOutput:
    """Return copies: the next replay of a CUDA graph may write over what this one returned.

    Gradients stay in the pool until they are added up; they are to be used up before the next window runs.
    """
    copied: ChunkOutput = torch.utils._pytree.tree_map_only(torch.Tensor, torch.clone, result)
    return copied


def _line(error: BaseException) -> str:
    lines: list[Any] = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200] if lines else ''}"
