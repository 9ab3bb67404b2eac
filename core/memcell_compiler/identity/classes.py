"""Classes: the methods that may be called, and the bases."""

from __future__ import annotations

from types import FunctionType

from memcell_compiler.identity.trust import is_trusted_class
from memcell_compiler.identity.walk import Unknown, Walk

_METACLASSES = ("type", "ABCMeta", "EnumType", "EnumMeta", "FunctionMeta")
#: Called without being named.
_UNNAMED = frozenset(("forward", "backward", "setup_context", "jvp"))
#: Says nothing of what methods do.
_ASIDE = frozenset(
    (
        "__abstractmethods__",
        "__annotate__",
        "__annotations__",
        "__class_getitem__",
        "__classcell__",
        "__copy__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__deepcopy__",
        "__del__",
        "__dict__",
        "__dir__",
        "__doc__",
        "__firstlineno__",
        "__getnewargs__",
        "__getstate__",
        "__hash__",
        "__init_subclass__",
        "__match_args__",
        "__module__",
        "__orig_bases__",
        "__parameters__",
        "__qualname__",
        "__reduce__",
        "__reduce_ex__",
        "__replace__",
        "__set_name__",
        "__setstate__",
        "__sizeof__",
        "__static_attributes__",
        "__subclasshook__",
        "__type_params__",
        "__weakref__",
        "_abc_impl",
    )
)
_MAKING = frozenset(("__init__", "__new__", "__post_init__"))
#: Makes what finds attributes by a word.
_BY_WORD = frozenset(("attrgetter", "methodcaller"))


def read_class_as_value(walk: Walk, cls: type) -> None:
    """Read a class that code names, and so may make objects of."""
    read_class(walk, cls, making=True)


def read_class(walk: Walk, cls: type, making: bool) -> None:
    """Read a class; ``making``: objects of it are made."""
    if is_trusted_class(cls):
        walk.whole = walk.whole or cls.__name__ in _BY_WORD
        walk.say("known", cls.__module__, cls.__qualname__)
        return
    making = making or walk.making or walk.whole
    if walk.met(cls, making):
        return
    if type(cls).__name__ not in _METACLASSES or not is_trusted_class(type(cls)):
        raise Unknown(f"a class of {type(cls).__name__}")
    if not isinstance(vars(cls).get("__init__", read_class), FunctionType):
        raise Unknown(f"class {cls.__qualname__}, which is not written in Python")
    walk.say("class", cls.__qualname__)
    for name, item in sorted(vars(cls).items()):
        if name in _ASIDE or (name in _MAKING and not making) or _is_generated(cls, name, item):
            continue
        special = name.startswith("__") and name.endswith("__")
        if special or name in _UNNAMED or walk.follows(name):
            walk.say(name)
            walk.value(item)
    for base in cls.__bases__:
        read_class(walk, base, making)


def _is_generated(cls: type, name: str, item: object) -> bool:
    """Whether a method is one that dataclasses write and that no number comes from."""
    if name == "__repr__":
        return hasattr(item, "__wrapped__")
    if name in ("__setattr__", "__delattr__"):  # one's own is refused where a dataclass is frozen
        return bool(getattr(vars(cls).get("__dataclass_params__"), "frozen", False))
    return False
