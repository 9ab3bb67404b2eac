"""Whose code is known by its version alone: Python's own and torch's, where it depends on nothing else."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import torch

from memcell import errors

#: Packages whose functions give the same for the same arguments, the ones below excepted.
_ROOTS = frozenset(
    (
        "_abc",
        "_collections",
        "_collections_abc",
        "_functools",
        "_operator",
        "abc",
        "builtins",
        "collections",
        "dataclasses",
        "enum",
        "functools",
        "itertools",
        "math",
        "numbers",
        "operator",
        "torch",
        "types",
        "typing",
    )
)
#: What reads or sets the state of a process.
_MODULES = re.compile(
    r"torch\.(_dynamo|_inductor|accelerator|backends|compiler|cuda|fx|hub|jit|library|multiprocessing|"
    r"overrides|profiler|random|serialization|utils|xpu)(\.|$)"
)
_NAMES = re.compile(r"_*(get|set|is|are|has|use)_|.*seed|load$|save$|compile$|vitals")
_FINE = frozenset(("is_tensor", "is_floating_point", "is_complex", "is_nonzero"))
#: Of the builtins, what neither reads the process nor reaches an object's insides by another way.
_BUILTINS = frozenset(
    (
        "abs",
        "all",
        "any",
        "bool",
        "bytes",
        "callable",
        "chr",
        "complex",
        "dict",
        "divmod",
        "enumerate",
        "filter",
        "float",
        "format",
        "frozenset",
        "getattr",
        "hasattr",
        "int",
        "isinstance",
        "issubclass",
        "iter",
        "len",
        "list",
        "map",
        "max",
        "min",
        "next",
        "object",
        "ord",
        "pow",
        "property",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "slice",
        "sorted",
        "str",
        "sum",
        "super",
        "tuple",
        "type",
        "zip",
        "NotImplemented",
        "Ellipsis",
        "__debug__",
    )
)


def is_trusted_class(cls: type) -> bool:
    """Whether a class is Python's or torch's own."""
    return _root(cls) in _ROOTS and _found(cls.__module__, cls.__qualname__) is cls


def is_trusted_function(function: FunctionType) -> bool:
    """Whether a function is Python's or torch's own and nothing else decides what it does."""
    if _root(function) not in _ROOTS or function.__closure__:
        return False
    file = function.__code__.co_filename
    own = file.startswith((_LIBRARY, _TORCH, "<frozen "))
    same = _found(function.__module__, function.__qualname__) is function
    return own and same and _depends_on_nothing(function.__module__, function.__name__)


def is_own(function: FunctionType) -> bool:
    """Whether a function is one of this package."""
    own = function.__code__.co_filename.startswith(_OWN)
    return own and _found(function.__module__, function.__qualname__) is function


def is_written_in_torch(function: FunctionType) -> bool:
    """Whether the source of a function is torch's."""
    return function.__code__.co_filename.startswith(_TORCH)


def is_trusted_builtin(function: BuiltinFunctionType) -> bool:
    """Whether a function written in C is Python's or torch's own and depends on nothing else."""
    owner: Any = function.__self__
    if isinstance(owner, type):  # tuple.__new__, dict.fromkeys
        return is_trusted_class(owner) and _depends_on_nothing(owner.__module__, function.__name__)
    if isinstance(owner, ModuleType):
        place = owner.__name__
    elif owner is None and function.__module__ == "torch":
        place = "torch"
    else:
        return False
    if place == "builtins":
        return function.__name__ in _BUILTINS
    return place.partition(".")[0] in _ROOTS and _depends_on_nothing(place, function.__name__)


def is_plain_builtin(name: str) -> bool:
    """Whether a builtin may be used; exceptions may."""
    found = getattr(sys.modules["builtins"], name, None)
    return name in _BUILTINS or (isinstance(found, type) and issubclass(found, BaseException))


def _depends_on_nothing(module: str, name: str) -> bool:
    if _MODULES.match(module):
        return False
    return name in _FINE or not _NAMES.match(name)


def _root(thing: type | FunctionType) -> str:
    return str(thing.__module__).partition(".")[0]


def _found(module: str, qualname: str) -> object:
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
    return found


_LIBRARY = sysconfig.get_paths()["stdlib"] + os.sep
_TORCH = str(Path(str(torch.__file__)).parent) + os.sep
_OWN = str(Path(errors.__file__).parent) + os.sep
