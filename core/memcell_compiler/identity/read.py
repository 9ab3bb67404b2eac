"""The reading: again and again, until no attribute is named that was not followed."""

from __future__ import annotations

import enum
import functools
import types
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from memcell_compiler.identity import functions, objects
from memcell_compiler.identity.classes import read_class_as_value
from memcell_compiler.identity.walk import Unknown, Walk


def identity(*roots: object) -> str:
    """Return the digest of some functions, modules, settings and all that they reach.

    Raises:
        Unknown: Something has none; the message says what.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        raise Unknown("several processes")
    names, whole, making = frozenset[str](), False, False
    while True:  # more code names more attributes, which lead to more code
        walk = Walk(_READERS, names, whole, making)
        objects.read_tensor_methods(walk)
        for root in roots:
            walk.value(root)
        if walk.found <= names and (walk.whole, walk.making) == (whole, making):
            return walk.digest.hexdigest()
        names, whole, making = names | walk.found, walk.whole, walk.making


class _Fields(NamedTuple):
    one: int


_DESCRIPTORS = (
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MethodDescriptorType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
)
_READERS: tuple[tuple[Any, Any], ...] = (
    (types.CodeType, functions.read_code),
    (enum.Enum, objects.read_enum),
    (types.FunctionType, functions.read_function),
    (types.BuiltinFunctionType, functions.read_builtin),
    (types.MethodType, functions.read_method),
    ((staticmethod, classmethod), functions.read_wrapped),
    (property, functions.read_property),
    (functools.cached_property, functions.read_cached_property),
    (functools.partial, functions.read_partial),
    (type(_Fields.one), functions.read_field),
    (types.MemberDescriptorType, functions.read_slot),
    (_DESCRIPTORS, functions.read_descriptor),
    ((torch._ops.OpOverload, torch._ops.OpOverloadPacket), functions.read_operator),
    ((types.GenericAlias, types.UnionType), objects.read_typing),
    (type, read_class_as_value),
    (nn.Module, objects.read_module),
    (Tensor, objects.read_tensor),
    (types.ModuleType, objects.read_python_module),
    ((list, tuple), objects.read_sequence),
    ((dict, types.MappingProxyType), objects.read_mapping),
    ((set, frozenset), objects.read_set),
    (object, objects.read_object),
)
