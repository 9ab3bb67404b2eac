"""What a module holds, before and after: parameters, buffers and every other attribute."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: Attributes of `nn.Module` that hold no part of the author's.
_MACHINERY = frozenset({"_parameters", "_buffers", "_modules"})


def attributes_of(module: nn.Module) -> dict[str, Any]:
    """Return names to values over the module and its submodules; tensors as copies."""
    found: dict[str, Any] = {}
    for prefix, part in module.named_modules():
        held = {**part._parameters, **part._buffers}
        held |= {name: value for name, value in vars(part).items() if name not in _MACHINERY}
        for name, value in held.items():
            found[f"{prefix}.{name}" if prefix else name] = _copy(value)
    return found


def changed_attributes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return the names that came, went or changed, in order."""
    names = sorted(before.keys() | after.keys())
    return [
        name
        for name in names
        if name not in before or name not in after or not _same(before[name], after[name])
    ]


def _copy(value: Any) -> Any:
    """Copy tensors, also inside of collections; other objects stand for themselves."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copy(item) for item in value]
    if isinstance(value, set):
        return set(value)
    return value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return (
            isinstance(a, Tensor)
            and isinstance(b, Tensor)
            and a.shape == b.shape
            and torch.equal(a, b)
        )
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if a is b:
        return True
    try:
        return bool(a == b)
    except Exception:  # an object of the author's whose == cannot answer is another object
        return False
