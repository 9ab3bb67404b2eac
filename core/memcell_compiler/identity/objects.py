"""Objects: collections, settings, modules of torch and what they hold."""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Mapping
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

from torch import Tensor, nn

from memcell_compiler.identity.classes import read_class
from memcell_compiler.identity.trust import is_trusted_class, is_written_in_torch
from memcell_compiler.identity.walk import Unknown, Walk, is_plain

_MODULE_OWN = frozenset(vars(nn.Module())) - {"training"}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def read_sequence(walk: Walk, value: list[Any] | tuple[Any, ...]) -> None:
    """Read a list or tuple."""
    _kind(walk, value, (list, tuple))
    walk.say(len(value))
    for item in value:
        walk.value(item)


def read_mapping(walk: Walk, value: Mapping[Any, Any]) -> None:
    """Read a dict, in its order."""
    _kind(walk, value, (dict, OrderedDict, MappingProxyType))
    walk.say(len(value))
    for key, item in value.items():
        walk.value(key)
        walk.value(item)


def read_set(walk: Walk, value: set[Any] | frozenset[Any]) -> None:
    """Read a set of plain values."""
    if not all(map(is_plain, value)):
        raise Unknown("a set of objects")
    _kind(walk, value, (set, frozenset))
    walk.say(sorted(map(repr, value)))


def _kind(walk: Walk, value: object, plain: tuple[type, ...]) -> None:
    if type(value) in plain:
        walk.say(type(value).__name__)
    else:
        read_class(walk, type(value), making=False)
        walk.attributes(getattr(value, "__dict__", {}))


def read_enum(walk: Walk, value: enum.Enum) -> None:
    """Read a member of an enumeration."""
    read_class(walk, type(value), making=False)
    walk.say(value.name)
    walk.value(value.value)


def read_typing(walk: Walk, value: object) -> None:
    """Read a generic type."""
    walk.say(repr(value))


def read_python_module(walk: Walk, module: ModuleType) -> None:
    """Refuse a module that is not used by a name of it."""
    raise Unknown(f"module {module.__name__}, which is handed around")


def read_module(walk: Walk, module: nn.Module) -> None:
    """Read a module of torch: settings, sizes of parameters and buffers, and its parts."""
    cls, own = type(module), vars(module)
    read_class(walk, cls, making=False)
    if any(own[kind] for kind in _HOOKS):
        raise Unknown(f"a hook on {cls.__qualname__}")
    for held in (own["_parameters"], own["_buffers"]):
        for name, tensor in held.items():
            walk.say(name)
            _held(walk, tensor)
    rest = {k: v for k, v in own.items() if k not in _MODULE_OWN}
    walk.attributes(rest, all_of_them=is_trusted_class(cls))
    for name, part in own["_modules"].items():
        walk.say(name)
        walk.value(part)


def _held(walk: Walk, tensor: Tensor | None) -> None:
    if tensor is None:
        walk.say(None)
    elif type(tensor) not in (Tensor, nn.Parameter):
        raise Unknown(f"a tensor of type {type(tensor).__name__}")
    elif not walk.met(tensor):
        walk.say(tuple(tensor.shape), tensor.dtype, tensor.requires_grad)


def read_tensor(walk: Walk, tensor: Tensor) -> None:
    """Refuse a tensor that a module does not own."""
    raise Unknown("a tensor that is neither parameter nor buffer")


def read_object(walk: Walk, value: Any) -> None:
    """Read an object of a class that is written in Python: what it holds."""
    cls = type(value)
    if cls.__module__ == "typing":
        return walk.say(repr(value))
    if is_trusted_class(cls):
        raise Unknown(f"an object of {cls.__module__}.{cls.__qualname__}")
    read_class(walk, cls, making=False)
    for kind in (int, float, complex, str, bytes):
        if isinstance(value, kind):
            walk.say(kind.__repr__(value))
    held = dict(getattr(value, "__dict__", {}))
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                held[name] = getattr(value, name)
    return walk.attributes(held)


def read_tensor_methods(walk: Walk) -> None:
    """Read what tensors do: any method may have been replaced."""
    for cls in Tensor.__mro__[:-1]:
        for name, item in vars(cls).items():
            if name not in walk.names and not name.startswith("__"):
                continue
            if isinstance(item, FunctionType):
                if is_written_in_torch(item):
                    walk.say(name, item.__qualname__, item.__code__.co_firstlineno)
                else:
                    walk.value(item)
            elif hasattr(item, "__objclass__"):
                walk.say(name, item.__name__)
