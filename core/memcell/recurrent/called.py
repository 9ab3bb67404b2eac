"""The functions of Python that a step calls, as far as names lead from its own code.

A notebook changes them under a cell in use: a helper is defined anew, a method patched, a module reloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

#: What of a class is traced: of a cell, of a normalizer, and of any module within them.
STEPS = ("project", "step", "normalize", "forward")
#: Packages whose functions stay what they are.
_KEPT = ("torch", "numpy", "memcell.recurrent")


def own_classes(kind: type) -> Iterator[type]:
    """Return a class and its bases, up to torch's and the contract's."""
    for each in kind.__mro__:
        if each.__module__.startswith(("torch.", "memcell.recurrent.")):
            break
        yield each


def called(kind: type) -> tuple[FunctionType, ...]:
    """Return what the steps of a class call: methods of its own, functions beside them and in modules.

    Only names that stand in the code are followed, not those that are computed or handed over.

    Args:
        kind: Of a cell, a normalizer, or a module within one.
    """
    own = [vars(each) for each in own_classes(kind)]
    waiting = [f for name in reversed(STEPS) for held in own for f in _functions(held.get(name))]
    found: dict[FunctionType, None] = {}
    while waiting:
        function = waiting.pop()
        if function in found or _is_kept(function.__module__):
            continue
        found[function] = None
        names = used_names(function.__code__)
        for name in names:
            for held in own:
                waiting += _functions(held.get(name))
            waiting += _functions(function.__globals__.get(name))
        for _, _, value in in_modules(function):
            waiting += _functions(value)
        for content in closed_over(function):
            waiting += _functions(content)
    return tuple(found)


def in_modules(function: FunctionType) -> list[tuple[dict[str, Any], str, Any]]:
    """Return what a function may take out of modules that it names: where it stands, its name, and it."""
    names, found = used_names(function.__code__), []
    waiting = [function.__globals__.get(name) for name in names]
    seen: set[int] = set()
    while waiting:
        module = waiting.pop()
        if not isinstance(module, ModuleType) or _is_kept(module.__name__) or id(module) in seen:
            continue
        seen.add(id(module))
        held = vars(module)
        each = [(held, name, held[name]) for name in names if name in held]
        waiting += [value for _, _, value in each]
        found += each
    return found


def used_names(code: CodeType) -> tuple[str, ...]:
    """Return the names of globals and attributes in some code and in what is defined within it."""
    names = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= dict.fromkeys(used_names(constant))
    return tuple(names)


def closed_over(function: FunctionType) -> list[Any]:
    """Return what a function closes over."""
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not yet
            continue
    return found


def _functions(value: Any) -> list[FunctionType]:
    """Return the function that something is or wraps."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    return [value] if isinstance(value, FunctionType) else []


def _is_kept(module: str | None) -> bool:
    return any(module == name or (module or "").startswith(f"{name}.") for name in _KEPT)
