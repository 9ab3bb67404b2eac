"""Whether a step keeps something on its modules: what a traced step would do only once."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from memcell.unroll.native.unsupported import Unsupported

_PLAIN = (int, float, bool, str, bytes, type(None))
#: Types of most attributes of a module, which say nothing of what a step does.
_PASSED = frozenset((dict, OrderedDict, set, list))


@contextmanager
def watched(step: nn.Module) -> Iterator[None]:
    """Refuse what a step changes on its modules while it is traced, and put it back.

    Raises:
        Unsupported: An attribute was set, replaced or (a list, dict or set) changed.
    """
    modules = [(name, m, dict(vars(m)), _contents(m)) for name, m in step.named_modules() if name]
    yield
    for name, module, before, contents in modules:
        now = dict(vars(module))
        changed = [k for k in {**before, **now} if before.get(k, module) is not now.get(k, module)]
        grown = [k for k, v in _contents(module).items() if contents.get(k) != v]
        if changed or grown:
            for key in changed:
                if key in before:
                    vars(module)[key] = before[key]
                else:
                    del vars(module)[key]
            what = (changed or grown)[0]
            raise Unsupported(
                f"the step keeps something on itself ({name}.{what}); a step must be pure"
            )


def fingerprint(module: nn.Module) -> tuple[Any, ...]:
    """Return the plain values on a module and its parts: a trace holds as long as they are the same."""
    found: list[Any] = []
    for part in module.modules():
        for key, value in vars(part).items():
            if type(value) in _PASSED:
                continue
            if isinstance(value, _PLAIN) or (
                isinstance(value, tuple | frozenset) and not _has_tensor(value)
            ):
                found.append((key, value))
            elif dataclasses.is_dataclass(value):
                found.append((key, _settings(value)))
            elif isinstance(value, Tensor):
                found.append((key, id(value)))
    return tuple(found)


def _settings(value: Any) -> Any:
    """Return the fields of a dataclass as something to compare: it may be changed in place."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [(f.name, _settings(getattr(value, f.name))) for f in dataclasses.fields(value)]
        return (type(value), *parts)
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
    found.update({k: v._version for k, v in own.items() if isinstance(v, Tensor)})
    return found


def _has_tensor(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    return isinstance(value, tuple | frozenset) and any(_has_tensor(v) for v in value)
