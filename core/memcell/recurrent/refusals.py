"""Why a backend cannot run a cell's step, in the words of the person who wrote it.

Each operation of a traced step knows the author's line that it came from (`place_of_call`). A refusal names
that line, what on it is not supported, and what to write instead.
"""

from __future__ import annotations

import linecache
import os
import sys
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NamedTuple

import torch
from torch import fx

from memcell.errors import Unsupported as Unsupported

#: Characters of a line that are quoted.
_LONGEST = 120


class UnsupportedWindow(Unsupported):
    """A refusal of one window only: the backend may run the next."""


class SourceLine(NamedTuple):
    """A line of the author's source; without text where it lies in no file (a notebook, ``exec``)."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        """Return file, number and text."""
        if not self.text:
            return ""
        name = "" if self.file.startswith("<") else f"{Path(self.file).name}, line {self.number}: "
        text = self.text if len(self.text) <= _LONGEST else f"{self.text[:_LONGEST]} …"
        return f"{name}`{text}`"


_NOT_AUTHORS = (
    str(Path(torch.__file__).parent) + os.sep,
    str(Path(os.__file__).parent) + os.sep + "contextlib",
)
_ENGINE = ("memcell.recurrent.", "memcell.backends.", "memcell_compiler.")


def _is_authors(frame: FrameType) -> bool:
    if frame.f_code.co_filename.startswith(_NOT_AUTHORS):
        return False
    return not str(frame.f_globals.get("__name__", "")).startswith(_ENGINE)


def _line(frame: FrameType, number: int) -> SourceLine:
    file = frame.f_code.co_filename
    text = linecache.getline(file, number, frame.f_globals).strip()
    return SourceLine(file, number, text)


def place_of_call() -> SourceLine | None:
    """Return the author's line that is being executed, or None within torch's own backward."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _is_authors(frame):
        if frame.f_code.co_name == "through_backward":
            return None
        frame = frame.f_back
    return None if frame is None else _line(frame, frame.f_lineno)


def place_of_error(error: BaseException) -> SourceLine | None:
    """Return the author's line in which an error was raised."""
    found = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if _is_authors(trace.tb_frame):
            found = _line(trace.tb_frame, trace.tb_lineno)
        trace = trace.tb_next
    return found


_NAMES = {
    "mm": "a matrix product",
    "bmm": "a matrix product",
    "addmm": "a matrix product",
    "mv": "a matrix product",
    "view": "a change of shape",
    "_unsafe_view": "a change of shape",
    "expand": "a change of shape",
    "permute": "a transposition",
    "t": "a transposition",
    "transpose": "a transposition",
    "slice": "a slice",
    "slice_scatter": "a slice",
    "select": "picking one entry",
    "select_scatter": "picking one entry",
    "index": "indexing by a tensor",
    "index_put": "writing by an index",
    "index_select": "indexing by a tensor",
    "constant_pad_nd": "padding",
    "convert_element_type": "a change of the numbers' type",
    "_to_copy": "a change of the numbers' type",
    "scalar_tensor": "a constant",
    "full": "a constant",
    "lift_fresh_copy": "a constant",
    "convolution": "a convolution",
    "native_group_norm": "F.group_norm",
    "native_batch_norm": "F.batch_norm",
    "_native_batch_norm_legit": "F.batch_norm",
    "_native_batch_norm_legit_functional": "F.batch_norm",
    "_native_batch_norm_legit_no_training": "F.batch_norm",
    "cudnn_batch_norm": "F.batch_norm",
    "_batch_norm_with_update": "F.batch_norm",
    "_trilinear": "F.bilinear",
    "_local_scalar_dense": "`.item()`, `if` or `while`",
}


def operation_name(node: Any) -> str:
    """Return an operation in the words of someone who writes torch: a node of a graph, or its target."""
    target = getattr(node, "target", node)
    if not isinstance(target, torch._ops.OpOverload):
        source = node.args[0] if isinstance(node, fx.Node) and node.args else None
        return operation_name(source) if isinstance(source, fx.Node) else "this"
    name = _base(target)
    if name in _NAMES:
        return _NAMES[name]
    plain = name.strip("_")
    for room in ("linalg", "fft", "special"):
        if plain.startswith(f"{room}_"):
            rest = plain.removeprefix(f"{room}_").removesuffix("_ex")
            return (
                f"torch.{room}.{rest}" if hasattr(getattr(torch, room), rest) else f"torch.{room}"
            )
    known = ((torch, "torch"), (torch.nn.functional, "F"), (torch.Tensor, "Tensor"))
    for holder, prefix in known:
        if hasattr(holder, plain):
            return f"{prefix}.{plain}"
    return plain.replace("_", " ")


def _base(target: torch._ops.OpOverload) -> str:
    name = target._schema.name.split("::")[-1]
    for end in ("_backward_data", "_backward"):
        name = name.removesuffix(end)
    return name


_LARGEST = (
    "torch.amax and torch.amin give values; for a soft choice take torch.softmax of the scores"
)
_RUNNING = "multiply with a triangular matrix of ones kept as a buffer: `z @ self.triangle`"
_PLACES = (
    "keep `torch.arange(n)` as a buffer `places` and write `(i == self.places).to(x.dtype)`: a row of "
    "zeros with a one, to multiply and sum with"
)
_RANDOM = "draw it in `project`, which runs once for all steps, and take it from `p`"

#: What to write instead, by operation.
HINTS = {
    **dict.fromkeys(("cumsum", "logcumsumexp", "cumprod"), _RUNNING),
    **dict.fromkeys(
        ("max", "min", "sort", "topk", "argmax", "argmin", "argsort", "kthvalue", "median"),
        _LARGEST,
    ),
    **dict.fromkeys(("cummax", "cummin"), "keep the running largest in the state: torch.maximum"),
    **dict.fromkeys(
        ("gather", "scatter", "scatter_add", "index", "index_put", "index_select", "embedding"),
        _PLACES,
    ),
    **dict.fromkeys(
        ("bernoulli", "rand", "randn", "rand_like", "randn_like", "native_dropout", "normal"),
        _RANDOM,
    ),
    "_local_scalar_dense": "choose between tensors with torch.where(condition, a, b)",
    "prod": "multiply the slices: `z[..., 0] * z[..., 1]`, or torch.exp of a sum of logarithms",
    "convolution": "shift with torch.roll or slices, and sum what was multiplied",
    "complex": "keep real and imaginary part as two real tensors",
    "view_as_real": "keep real and imaginary part as two real tensors",
    "view_as_complex": "keep real and imaginary part as two real tensors",
    **dict.fromkeys(
        ("_linalg_solve_ex", "linalg_inv_ex", "linalg_matrix_exp", "_linalg_svd", "linalg_qr"),
        "parametrize the weight so that it needs no such function, for example by reflections: "
        "`h - 2 * (h @ v)[:, None] * v / (v @ v)`",
    ),
    "nonzero": "multiply with the mask instead of picking by it",
    "masked_select": "multiply with the mask instead of picking by it",
}
#: Of what a step writes into.
IN_PLACE = (
    "a tensor is changed in place; make a new one: `x = x + y`, torch.where(mask, a, b), or torch.cat of "
    "the parts"
)
_OTHERWISE = (
    "what does not need the state can stand in `project`; as it is, the cell runs on the eager loop, which "
    "takes any step, only slower"
)


def explained(error: Unsupported) -> Unsupported:
    """Return a refusal with the author's line and what to write instead.

    Args:
        error: With the operation it is about, where it is about one.
    """
    node = error.node
    if not isinstance(node, fx.Node):
        return error
    place = node.meta.get("place")
    what = str(error)
    if node.meta.get("backward"):
        what = f"the gradient of this: {what}"
    head = f"{place}: " if place is not None and str(place) else ""
    if node.meta.get("in_place"):  # the line is that of the first change in place
        # where what is written into is a part of something there is nothing else to say
        views = "as_strided" in str(node.target)
        tail = "" if views else f"; with it, {what}; {hint_of(node.target)}"
        return Unsupported(f"{head}{IN_PLACE}{tail}")
    return Unsupported(f"{head}{what}; {hint_of(node.target)}")


def hint_of(target: Any) -> str:
    """Return what to write instead of an operation."""
    if not isinstance(target, torch._ops.OpOverload):
        return _OTHERWISE
    if torch.Tag.nondeterministic_seeded in target.tags:
        return _RANDOM
    return HINTS.get(_base(target), _OTHERWISE)
