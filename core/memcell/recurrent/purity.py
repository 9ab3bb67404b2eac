"""Whether a step keeps something on its modules: what a traced step would do only once."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import is_
from types import CodeType, FunctionType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from memcell.recurrent.called import called, closed_over, in_modules, own_classes, used_names
from memcell.recurrent.refusals import Unsupported

_PLAIN = frozenset((int, float, bool, str, bytes, type(None)))
#: What every module has; what of it says what a step does is looked at by itself.
_OWN = frozenset(vars(nn.Module())) - {"training"}
#: Entries of a list, dict or set that is looked into: a longer one is a record, not a setting.
_ENTRIES = 16


@contextmanager
def watched(step: nn.Module) -> Iterator[None]:
    """Refuse what a step changes on its modules while it is traced, and put it back.

    Raises:
        Unsupported: An attribute was set, replaced or (a list, dict or set) changed.
    """
    modules = [(name, m, dict(vars(m)), _contents(m)) for name, m in step.named_modules() if name]
    # not of what only holds them: it is no person's
    written = {kind: _written(kind) for kind in _kinds(step) if kind is not type(step)}
    try:
        yield
    except BaseException:  # the eager loop runs it now, and must find what was there
        for _, module, before, _ in modules:
            for key in {**before, **vars(module)}:
                _put_back(module, before, key)
        raise
    for kind, was in written.items():
        if _written(kind) != was:
            raise Unsupported(
                f"the step changes a global or an attribute of {kind.__name__}; a step must be pure"
            )
    for name, module, before, contents in modules:
        now = dict(vars(module))
        changed = [k for k in {**before, **now} if before.get(k, module) is not now.get(k, module)]
        grown = [k for k, v in _contents(module).items() if contents.get(k) != v]
        if changed or grown:
            for key in changed:
                _put_back(module, before, key)
            what = (changed or grown)[0]
            raise Unsupported(
                f"the step keeps something on itself ({name}.{what}); a step must be pure"
            )


def _put_back(module: nn.Module, before: dict[str, Any], key: str) -> None:
    if key in before:
        vars(module)[key] = before[key]
    else:
        del vars(module)[key]


def fingerprint(module: nn.Module) -> tuple[Any, ...]:
    """Return what a trace of a module and its parts holds for: as long as it is the same.

    Types of the parts, settings, functions and hooks on them, sizes of parameters and buffers and which of
    them are one tensor; the code of what a step calls (`memcell.recurrent.called`), plain attributes of their
    classes, and the plain values that the code names or closes over.
    """
    found: list[Any] = [written for kind in _kinds(module) for written in _written(kind)]
    tensors: dict[int, int] = {}
    for part in module.modules():
        found.append(type(part))
        own = vars(part)
        for key, value in own.items():
            if key not in _OWN:
                found.append((key, type(value), _settings(value)))
        for held in (own["_parameters"], own["_buffers"]):
            for key, tensor in held.items():
                if tensor is not None:
                    first = tensors.setdefault(id(tensor), len(tensors))
                    found.append((key, first, tensor.shape, tensor.dtype))
        for hooks in (own["_forward_pre_hooks"], own["_forward_hooks"]):
            found += [_settings(hook) for hook in hooks.values()]
    return tuple(found)


class Snapshot:
    """What a module was when its `fingerprint` was taken, so that the same is seen in a few microseconds.

    Args:
        module: The module, which is not held.
    """

    def __init__(self, module: nn.Module) -> None:
        self.fingerprint = fingerprint(module)
        #: How often it was looked at: once more where something is another object, and equal.
        self.looked = 0
        self._look(module)

    def same(self, module: nn.Module) -> bool:
        """Whether the fingerprint of the module is still what it was."""
        if self._quick and self._unchanged():
            return True
        if fingerprint(module) != self.fingerprint:
            return False
        if not self._quick:  # which objects are in it now is not known
            self.looked += 1
            return True
        self._look(
            module
        )  # something is another object and equal: that one is looked for from now on
        return True

    def _look(self, module: nn.Module) -> None:
        """Note every object that the fingerprint rests on, where all of them can only be replaced."""
        self.looked += 1
        self._dicts: list[tuple[Any, list[Any]]] = []
        self._empty: list[Any] = []
        self._codes: list[_Code] = []
        self._tensors: list[tuple[Tensor, Any, Any]] = []
        self._quick = True
        for each in dict.fromkeys(own for kind in _kinds(module) for own in own_classes(kind)):
            self._note(vars(each))
        for function in dict.fromkeys(f for kind in _kinds(module) for f in called(kind)):
            self._codes.append(_Code.of(function))
            self._quick &= _constant(function.__defaults__) and function.__kwdefaults__ is None
            self._quick &= all(
                isinstance(c, type | FunctionType) or _constant(c) for c in closed_over(function)
            )
        for part in module.modules():
            own = vars(part)
            self._note(own)
            hooks = (own["_forward_pre_hooks"], own["_forward_hooks"])
            self._quick &= not any(hooks) and all(
                key in _OWN or _constant(value) for key, value in own.items()
            )
            for held in (own["_parameters"], own["_buffers"], own["_modules"], *hooks):
                self._note(held)
                tensors = (t for t in held.values() if isinstance(t, Tensor))
                self._tensors += [(t, t.shape, t.dtype) for t in tensors]

        if not self._quick:  # nothing is held, for it may lead back to the module
            self._dicts, self._empty, self._codes, self._tensors = [], [], [], []

    def _note(self, held: Any) -> None:
        if held:
            self._dicts.append((held, list(held.values())))
        else:
            self._empty.append(held)

    def _unchanged(self) -> bool:
        if any(self._empty):
            return False
        for held, values in self._dicts:
            if len(held) != len(values) or not all(map(is_, held.values(), values)):
                return False
        for code in self._codes:
            if not code.same:
                return False
        for tensor, shape, dtype in self._tensors:
            if tensor.shape != shape or tensor.dtype is not dtype:
                return False
        return True


#: One for each module that a fingerprint was asked of.
_snapshots: WeakKeyDictionary[nn.Module, Snapshot] = WeakKeyDictionary()


def known_fingerprint(module: nn.Module) -> tuple[Any, ...]:
    """Return a `fingerprint`, taken anew where something is no longer what it was."""
    found = _snapshots.get(module)
    if found is None or not found.same(module):
        found = _snapshots[module] = Snapshot(module)
    return found.fingerprint


class _Code(NamedTuple):
    """A function, and the globals that it names.

    Args:
        function: The function.
        code: Its code.
        defaults: Of its arguments.
        names: Global names that stand for something.
        values: What for.
        others: Names in it that are no globals.
        closure: What it closes over.
        beyond: What it may take out of modules that it names.
    """

    function: FunctionType
    code: CodeType
    defaults: tuple[Any, ...] | None
    names: tuple[str, ...]
    values: tuple[Any, ...]
    others: frozenset[str]
    closure: tuple[Any, ...]
    beyond: tuple[tuple[dict[str, Any], str, Any], ...]

    @classmethod
    def of(cls, function: FunctionType) -> _Code:
        """Look at a function."""
        code, known = function.__code__, function.__globals__
        used = used_names(code)
        names = tuple(n for n in used if n in known)
        values = tuple(known[n] for n in names)
        others = frozenset(used) - frozenset(names)
        closure, beyond = tuple(closed_over(function)), tuple(in_modules(function))
        return cls(function, code, function.__defaults__, names, values, others, closure, beyond)

    @property
    def same(self) -> bool:
        """Whether it is what it was."""
        function, code, defaults, names, values, others, closure, beyond = self
        known = function.__globals__
        return (
            function.__code__ is code
            and function.__defaults__ is defaults
            and all(map(is_, map(known.get, names), values))
            and known.keys().isdisjoint(others)
            and (not closure or _same_objects(closed_over(function), closure))
            and all(held.get(name) is value for held, name, value in beyond)
        )


def _same_objects(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))


def _constant(value: Any) -> bool:
    """Whether a value cannot change, only be replaced by another one."""
    if isinstance(value, tuple | frozenset):
        return all(map(_constant, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        frozen = type(value).__dataclass_params__.frozen  # type: ignore[attr-defined]  # every one has it
        return frozen and all(_constant(getattr(value, f.name)) for f in dataclasses.fields(value))
    return type(value) in _PLAIN


def _kinds(module: nn.Module) -> dict[type, None]:
    """Return the classes of a module and its parts, each once, in order."""
    return dict.fromkeys(type(part) for part in module.modules())


def _written(kind: type) -> list[Any]:
    """Return code and plain settings of a class, which a notebook may change under what is in use."""
    found: list[Any] = []
    for each in own_classes(kind):
        for key, value in vars(each).items():
            if type(value) in _PLAIN and not key.startswith("__"):
                found.append((key, type(value), value))
    for function in called(kind):
        known = function.__globals__
        values = [(n, known.get(n, function)) for n in used_names(function.__code__)]
        values += [("", content) for content in closed_over(function)]
        values += [(name, value) for _, name, value in in_modules(function)]
        found += [(name, type(v), v) for name, v in values if type(v) in _PLAIN]
        defaults = (function.__defaults__, function.__kwdefaults__)
        found.append((function.__code__, _settings(defaults)))
    return found


def _settings(value: Any, depth: int = 4) -> Any:
    """Return something to compare: what holds settings may be changed in place."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Tensor) or depth == 0:
        return id(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return (type(value), *(_settings(getattr(value, f.name), depth - 1) for f in fields))
    if isinstance(value, tuple):
        return (type(value), *(_settings(item, depth - 1) for item in value))
    if isinstance(value, list | dict | set):
        if len(value) > _ENTRIES:
            return (type(value), id(value))
        items = value.items() if isinstance(value, dict) else value
        return (type(value), *(_settings(item, depth - 1) for item in items))
    try:  # by a weak reference: a cell must not live on in what is known of it
        found = weakref.ref(value)
        hash(found)
    except TypeError:
        return _hashable(value)
    return found


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return (type(value), repr(value))
    return value


def _contents(module: nn.Module) -> dict[str, Any]:
    own = {k: v for k, v in vars(module).items() if not k.startswith("_")}
    found: dict[str, Any] = {
        k: [id(item) for item in (v.values() if isinstance(v, dict) else v)]
        for k, v in own.items()
        if isinstance(v, list | dict | set)
    }
    found.update(
        {
            k: v._version
            for k, v in own.items()
            if isinstance(v, Tensor) and not v.is_inference()  # those keep no count
        }
    )
    return found
