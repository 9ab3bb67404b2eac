"""Plans on disk: a later process finds there what tracing the same step would give it.

What is stored is the layout and the C of the three programs, as JSON, under a key that is known before the
step is traced: what the step is made of (`identity`), how it is called, and who would trace it (Python, torch
and this package's own source). A step without an identity is not stored, and an entry that is damaged,
another user's, or not of this form is not read: the step is traced.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import torch

from memcell_compiler.build import cache as disk
from memcell_compiler.emit.layout import ArrayLayout, SumArray, Written
from memcell_compiler.identity import Unknown, identity
from memcell_compiler.passes.gradient_epilogue import Operation, Ref, TorchOperations

PROGRAMS = ("forward", "backward", "inference")
_KIND = "plan"


def stored_key(call: object, parts: Iterable[object]) -> str | None:
    """Return the key of a step's plan, or None where it has none.

    Args:
        call: How the step is called; what its ``repr`` says.
        parts: What it is made of.
    """
    try:
        if torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack():
            return None  # somebody listens to, or changes, what torch does
        made_of = identity(*parts)
    except (Unknown, RecursionError, AttributeError):
        return None
    known = (_tracer(), sys.version, torch.__version__, torch.get_default_dtype(), call, made_of)
    return "plan-" + hashlib.sha256(repr(known).encode()).hexdigest()[:32]


def load_plan(key: str) -> tuple[ArrayLayout, dict[str, Written]] | None:
    """Return what is stored under a key, or None."""
    try:
        path = disk.lookup(key, disk.writable_folder(), _KIND)
        return None if path is None else decoded(json.loads(disk.read(path)))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def store_plan(key: str, layout: ArrayLayout, written: dict[str, Written]) -> None:
    """Store a plan; where there is no place for it, or it is of another kind, nothing is."""

    def build(path: Path) -> None:
        path.write_text(json.dumps(encoded(layout, written)))

    with suppress(OSError, TypeError):
        disk.store(key, build, disk.writable_folder(), _KIND)


def encoded(layout: ArrayLayout, written: dict[str, Written]) -> dict[str, Any]:
    """Return a plan as JSON.

    Raises:
        TypeError: An operation has an argument that is not plain.
    """
    return {
        "layout": {**asdict(layout), "epilogue": None, "before": None},
        "epilogue": _operations(layout.epilogue),
        "before": _operations(layout.before),
        "written": {name: asdict(w) for name, w in written.items()},
    }


def decoded(found: dict[str, Any]) -> tuple[ArrayLayout, dict[str, Written]]:
    """Return the plan that `encoded` was given.

    Raises:
        LookupError, TypeError, AttributeError: It is of another form.
    """
    parts = {name: _tuples(value) for name, value in found["layout"].items()}
    parts["sums"] = tuple(
        SumArray(s["name"], tuple(s["shape"]), s["swapped"]) for s in parts["sums"]
    )
    parts["epilogue"], parts["before"] = _epilogue(found["epilogue"]), _epilogue(found["before"])
    written = {
        name: Written(**{k: _tuples(v) for k, v in found["written"][name].items()})
        for name in PROGRAMS
    }
    return ArrayLayout(**parts), written


def _operations(epilogue: TorchOperations) -> dict[str, Any]:
    return {
        "parameters": epilogue.parameters,
        "operations": [
            [o.name, _plain(o.args), {k: _plain(v) for k, v in o.kwargs.items()}]
            for o in epilogue.operations
        ],
        "results": {name: ref.number for name, ref in epilogue.results.items()},
    }


def _epilogue(found: dict[str, Any]) -> TorchOperations:
    return TorchOperations(
        tuple(found["parameters"]),
        tuple(
            Operation(name, tuple(map(_meant, args)), {k: _meant(v) for k, v in kwargs.items()})
            for name, args, kwargs in found["operations"]
        ),
        {name: Ref(number) for name, number in found["results"].items()},
    )


_WORDS = (torch.dtype, torch.layout, torch.memory_format)


def _plain(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"tensor": value.number}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, _WORDS):
        return {"torch": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{value!r} is not stored")


def _meant(value: Any) -> Any:
    if isinstance(value, list):
        return [_meant(v) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, word),) = value.items()
    if kind == "tensor":
        return Ref(int(word))
    found = torch.device(word) if kind == "device" else getattr(torch, word)
    if not isinstance(found, (*_WORDS, torch.device)):
        raise TypeError(word)
    return found


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


@cache
def _tracer() -> str:
    """Return the digest of the source that traces, lowers and writes."""
    digest = hashlib.sha256()

    def read(folder: Traversable) -> None:
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            if entry.is_dir():
                read(entry)
            elif entry.name.endswith((".py", ".h", ".c")):
                digest.update(entry.name.encode() + b"\0" + entry.read_bytes() + b"\0")

    for package in ("memcell_compiler", "memcell.recurrent"):
        read(resources.files(package))
    return digest.hexdigest()
