"""Functions: their code, and what it looks up."""

from __future__ import annotations

import functools
import importlib
import sys
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import torch

from memcell.old_methods import without_old_arguments
from memcell_compiler.identity.bytecode import Lookups, facts, lookups
from memcell_compiler.identity.classes import read_class
from memcell_compiler.identity.trust import (
    is_own,
    is_plain_builtin,
    is_trusted_builtin,
    is_trusted_class,
    is_trusted_function,
)
from memcell_compiler.identity.walk import Unknown, Walk

#: Attributes through which others are found by a word that is computed.
_BY_WORD = frozenset(("__dict__", "__getattr__", "__getattribute__"))


def read_function(walk: Walk, function: FunctionType) -> None:
    """Read a function of Python."""
    if is_trusted_function(function):
        return walk.say("known", function.__module__, function.__qualname__)
    function = without_old_arguments(function)
    read_code(walk, function.__code__)
    walk.value(function.__defaults__)
    walk.value(function.__kwdefaults__)
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        try:
            content = cell.cell_contents
        except ValueError:
            walk.say("empty")
            continue
        if name == "__class__":  # for super()
            read_class(walk, content, making=False)
        else:
            walk.value(content)
    walk.attributes(vars(function))
    found = lookups(function.__code__)
    if found.opaque:
        raise Unknown(f"{function.__qualname__} writes globals or defines classes, or matches them")
    walk.found |= found.attributes
    walk.whole = walk.whole or not found.attributes.isdisjoint(_BY_WORD)
    for chain in found.chains:
        _looked_up(walk, function, chain, found)
    for module, taken in found.imports:
        _imported(walk, module, taken)
    return None


def read_code(walk: Walk, code: CodeType) -> None:
    """Read compiled code and its constants."""
    for fact in facts(code):
        walk.say(fact)
    for constant in code.co_consts:
        walk.value(constant)


def _looked_up(walk: Walk, function: FunctionType, chain: tuple[str, ...], all_of: Lookups) -> None:
    name, *rest = chain
    if name in function.__globals__:
        found = function.__globals__[name]
    elif is_plain_builtin(name):
        found = vars(sys.modules["builtins"])[name]
        if name == "type" and not is_own(function):  # ours makes states, which are roots
            walk.making = True
        elif name == "hasattr":
            walk.found |= all_of.words
    else:
        raise Unknown(f"{function.__qualname__} uses {name}")
    walk.say(chain)
    while isinstance(found, ModuleType) and rest:
        if found is torch.distributed:  # nothing while there is one process alone
            return
        found = vars(found).get(rest.pop(0), None)
    walk.value(found)


def _imported(walk: Walk, module: str, name: str | None) -> None:
    try:
        found = getattr(importlib.import_module(module), name or "")
    except (ImportError, AttributeError) as e:
        raise Unknown(f"an import of {module}") from e
    walk.say(module, name)
    walk.value(found)


def read_builtin(walk: Walk, function: BuiltinFunctionType) -> None:
    """Read a function written in C, or a method of an object that is."""
    if function is getattr:
        walk.whole = True  # what it reaches, no name says
    if is_trusted_builtin(function):
        return walk.say("known", function.__qualname__, str(function.__module__))
    owner = function.__self__
    if owner is None or isinstance(owner, ModuleType | type):
        raise Unknown(f"{function.__qualname__}, which may give something else each time")
    walk.say(function.__name__)
    return walk.value(owner)


def read_method(walk: Walk, method: MethodType) -> None:
    """Read a function bound to an object."""
    walk.value(method.__func__)
    walk.value(method.__self__)


def read_wrapped(walk: Walk, value: staticmethod[Any, Any] | classmethod[Any, Any, Any]) -> None:
    """Read what a class wraps."""
    walk.say(type(value).__name__)
    walk.value(value.__func__)


def read_property(walk: Walk, value: property) -> None:
    """Read a property."""
    walk.value((value.fget, value.fset, value.fdel))


def read_cached_property(walk: Walk, value: functools.cached_property[Any]) -> None:
    """Read a property that is computed once."""
    walk.value(value.func)


def read_partial(walk: Walk, value: functools.partial[Any]) -> None:
    """Read a function with some of its arguments."""
    walk.value((value.func, value.args, value.keywords))


def read_field(walk: Walk, value: Any) -> None:
    """Read a field of a NamedTuple: its place."""
    walk.say("field", value.__reduce__()[1][0])


def read_slot(walk: Walk, value: Any) -> None:
    """Read a slot, or a method of a class that is written in C."""
    walk.say(type(value).__name__, value.__qualname__)


def read_descriptor(walk: Walk, value: Any) -> None:
    """Read a method of a class that is written in C."""
    if not is_trusted_class(value.__objclass__):
        raise Unknown(f"{value.__qualname__}, which is not written in Python")
    read_slot(walk, value)


def read_operator(walk: Walk, operator: Any) -> None:
    """Read an operation of torch's dispatcher."""
    if not str(operator).startswith(("aten.", "prims.")):
        raise Unknown(f"operator {operator}")
    walk.say(str(operator))
