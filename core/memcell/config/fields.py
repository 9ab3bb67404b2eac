"""Fields of a config dataclass: documentation, default, unit and bounds in one place."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_KEY = "memcell"
_SCALARS = (bool, int, float, str)


@dataclass(frozen=True, kw_only=True)
class FieldInfo:
    """One option of a config dataclass, resolved.

    Args:
        name: The attribute, ``snake_case``.
        type: ``bool``, ``int``, ``float`` or ``str``: the type of the value, or of its items.
        many: The value is a tuple of items.
        optional: The value may be None.
        default: The default.
        help: What it does, one or two sentences.
        unit: The unit of the value, empty for a pure number.
        low: Smallest allowed value, or None.
        high: Largest allowed value, or None.
        choices: The allowed words, empty for any.
    """

    name: str
    type: type
    many: bool
    optional: bool
    default: Any
    help: str
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]

    @property
    def flag(self) -> str:
        """The name as it is typed on a command line, without dashes before it."""
        return self.name.replace("_", "-")

    @property
    def bounds(self) -> str:
        """The allowed values in words, empty where anything goes."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.low is not None and self.high is not None:
            return f"{_plain(self.low)} to {_plain(self.high)}"
        if self.low is not None:
            return f"{_plain(self.low)} or more"
        return f"at most {_plain(self.high)}" if self.high is not None else ""


def _plain(number: float) -> str:
    """Return a bound without an exponent where it is a whole number."""
    return str(int(number)) if number == int(number) else f"{number:g}"


def option(
    default: Any,
    *,
    help: str,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """Declare a field of a config dataclass.

    >>> @dataclass(frozen=True, kw_only=True)
    ... class DecayConfig:
    ...     rate: float = option(0.9, help="What is kept of the state.", low=0, high=1)
    >>> fields_of(DecayConfig)[0].bounds
    '0 to 1'
    """
    meta = {"help": help, "unit": unit, "low": low, "high": high, "choices": tuple(choices)}
    return dataclasses.field(default=default, metadata={_KEY: meta})


def fields_of(config: type[Any]) -> tuple[FieldInfo, ...]:
    """Return the options of a config dataclass, in order.

    Raises:
        TypeError: A field was not made with `option`, or has a type that options cannot have.
    """
    if not dataclasses.is_dataclass(config):
        raise TypeError(f"{config.__qualname__} is not a dataclass")
    hints = typing.get_type_hints(config)
    return tuple(_resolve(config, f, hints[f.name]) for f in dataclasses.fields(config))


def _resolve(config: type, field: dataclasses.Field[Any], hint: Any) -> FieldInfo:
    where = f"{config.__qualname__}.{field.name}"
    meta = field.metadata.get(_KEY)
    if meta is None:
        raise TypeError(f"{where} must be declared with memcell.config.option(default, help=...)")
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(inner) != 1:
            raise TypeError(f"{where}: a union may only be with None, got {hint}")
        optional, hint = True, inner[0]
    many = typing.get_origin(hint) is tuple
    if many:
        hint = typing.get_args(hint)[0]
    if hint not in _SCALARS:
        raise TypeError(f"{where}: bool, int, float, str or a tuple of them expected, got {hint}")
    return FieldInfo(
        name=field.name, type=hint, many=many, optional=optional, default=field.default, **meta
    )
