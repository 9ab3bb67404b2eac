"""Methods and arguments of version 0.1, which go on working until version 0.3 and say the new name.

A plugin that was written for version 0.1 overrides a method under its old name, or calls it: on itself, by
``super()``, on an object that it wraps. `keep_old_names` gives the classes of a contract both names of each
method that was renamed. Which one counts is decided class by class, from the most derived one down, as Python
itself decides which method is called. This file is removed together with its calls.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

from memcell.old_paths import REMOVED_IN

P = ParamSpec("P")
R = TypeVar("R")


def keep_old_names(cls: type, renamed: Mapping[str, str]) -> None:
    """Let a class have each renamed method under both names.

    To be called for the class of a contract, and for each of its subclasses as it is made.

    Args:
        cls: The class.
        renamed: Old name to new name.
    """
    for old, new in renamed.items():
        old_owner, new_owner = _owner(cls, old), _owner(cls, new)
        if old_owner < new_owner:  # the most derived class that has either has the old one
            owner = cls.__mro__[old_owner]
            method = vars(owner)[old]
            setattr(cls, new, method)
            if owner is not cls:
                setattr(cls, old, method)  # a mixin outside the contract
            _say_overridden(owner, old, new, method)
        elif new_owner < old_owner:
            setattr(cls, old, _OldName(old, new, vars(cls.__mro__[new_owner])[new]))


def old_arguments(**renamed: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take arguments under the names that they had.

    Args:
        **renamed: Old name to new name.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def either(*args: P.args, **kwargs: P.kwargs) -> R:
            for old in renamed.keys() & kwargs.keys():
                _say(f"the argument '{old}' of {function.__qualname__} is now '{renamed[old]}'", 3)
                kwargs[renamed[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return either

    return decorate


def keep_old_field(cls: type, old: str, new: str) -> None:
    """Let a dataclass take and give a field under the name that it had."""

    def value(self: Any) -> Any:
        _say(f"{cls.__name__}.{old} is now {cls.__name__}.{new}", 3)
        return getattr(self, new)

    construct = old_arguments(**{old: new})(vars(cls)["__init__"])
    for name, member in {old: property(value), "__init__": construct}.items():
        setattr(cls, name, member)


#: The code of every function that `old_arguments` made.
_EITHER = old_arguments()(lambda: None).__code__


def without_old_arguments(function: FunctionType) -> FunctionType:
    """Return the function that `old_arguments` was given, or the function itself where it was not."""
    while function.__code__ is _EITHER:
        function = function.__wrapped__  # type: ignore[attr-defined]  # set by functools.wraps
    return function


class _OldName:
    """A method, or an attribute of the class, under the name that it had."""

    def __init__(self, old: str, new: str, method: Any) -> None:
        self.old, self.new, self.method = old, new, method

    def __get__(self, instance: object, owner: type) -> Any:
        _say(f"{owner.__name__}.{self.old} is now {owner.__name__}.{self.new}", 3)
        bind = getattr(self.method, "__get__", None)
        return self.method if bind is None else bind(instance, owner)


def _owner(cls: type, name: str) -> int:
    """Return the place in a class's method resolution order of the first class that defines a name."""
    owners = (i for i, each in enumerate(cls.__mro__) if name in vars(each))
    return next(owners, len(cls.__mro__))


def _say_overridden(owner: type, old: str, new: str, method: Any) -> None:
    """Warn at the line of the method itself, wherever its class is made."""
    text = _text(f"{owner.__module__}.{owner.__qualname__} defines '{old}', which is now '{new}'")
    code = getattr(getattr(method, "__func__", method), "__code__", None)
    if code is None:
        warnings.warn(text, FutureWarning, stacklevel=4)
        return
    module = sys.modules.get(owner.__module__)
    registry = {} if module is None else vars(module).setdefault("__warningregistry__", {})
    warnings.warn_explicit(
        text, FutureWarning, code.co_filename, code.co_firstlineno, owner.__module__, registry
    )


def _say(what: str, stacklevel: int) -> None:
    warnings.warn(_text(what), FutureWarning, stacklevel=stacklevel)


def _text(what: str) -> str:
    return f"{what}; the old name works until memcell {REMOVED_IN}"
