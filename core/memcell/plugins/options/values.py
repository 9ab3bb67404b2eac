"""Values into configs and back: types, bounds and choices are checked here and nowhere else."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from memcell.errors import ConfigError, unknown
from memcell.plugins.options.fields import FieldInfo, fields_of, plain, word_of

C = TypeVar("C")


def from_mapping(config: type[C], values: Mapping[str, Any], where: str = "") -> C:
    """Build a config from names and values.

    Args:
        config: The dataclass.
        values: Names to values, as a TOML file or a command line gives them.
        where: What the message calls this place, such as ``"[cell]"``.

    Raises:
        ConfigError: A name is not known, or a value is of the wrong type or out of bounds.
    """
    known = {f.name: f for f in fields_of(config)}
    former = {f.formerly: f.name for f in known.values() if f.formerly}
    checked = {}
    for given, value in values.items():
        name = given
        if given in former and given not in known:
            name = former[given]
            if name in values:  # what has the new name was said later
                continue
        if name not in known:
            raise ConfigError(f"{_lead(where)}{unknown('option', name, known)}")
        checked[name] = check(known[name], value, where)
    built = config(**checked)
    validate = getattr(built, "validate", None)
    if validate is not None:
        validate()
    return built


def to_mapping(config: Any) -> dict[str, Any]:
    """Return names and values of a config, tuples as lists; None values are left out (TOML has none)."""
    pairs = ((f.name, getattr(config, f.name)) for f in fields_of(type(config)))
    words = ((k, plain(v)) for k, v in pairs if v is not None)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in words}


def replace(config: C, **changes: Any) -> C:
    """Return the config with some values changed, checked as `from_mapping` does."""
    # a config is a dataclass, which is no type that a variable could be bound to
    fields = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}  # type: ignore[arg-type]
    return from_mapping(type(config), {**fields, **changes})


def check(field: FieldInfo, value: Any, where: str = "") -> Any:
    """Return the value converted to the field's type.

    Raises:
        ConfigError: It cannot be.
    """
    if value is None:
        if field.optional:
            return None
        raise _refused(field, value, where)
    if field.many:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            items = [items]
        found = [
            _scalar(field, v.strip() if isinstance(v, str) else v, where) for v in items if v != ""
        ]
        return found if field.listed else tuple(found)
    return _scalar(field, value, where)


_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def from_text(field: FieldInfo, text: str, where: str = "") -> Any:
    """Return what a person typed for a field, converted: `check`, and words for true and false.

    Raises:
        ConfigError: It cannot be.
    """
    word = _WORDS.get(text.lower(), text) if field.type is bool else text
    return check(field, word, where)


def _scalar(field: FieldInfo, value: Any, where: str) -> Any:
    if field.many and field.type is bool and isinstance(value, str):
        value = _WORDS.get(value.lower(), value)
    if field.kind is not str:
        value = plain(value) if isinstance(value, field.kind) else value
        word = _scalar(dataclasses.replace(field, kind=str), value, where)
        if issubclass(field.kind, enum.Enum):
            return next(member for member in field.kind if word_of(member) == word)
        return field.kind(word)
    if field.type is str and isinstance(value, str):
        value = field.now(value)
        if field.choices and value not in field.choices:
            raise ConfigError(f"{_lead(where)}{unknown(field.flag, value, field.choices)}")
        return value
    if field.type is bool and isinstance(value, bool):
        return value
    if isinstance(value, str) and field.type in (int, float):
        try:
            value = field.type(value)
        except ValueError:
            raise _refused(field, value, where) from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refused(field, value, where)
    if field.type is int and isinstance(value, int):
        return _bounded(field, value, where)
    if field.type is float:
        try:
            return _bounded(field, float(value), where)
        except OverflowError:  # a whole number larger than any float
            raise _refused(field, value, where) from None
    raise _refused(field, value, where)


def _bounded(field: FieldInfo, value: Any, where: str) -> Any:
    low, high = field.low, field.high
    if (
        (isinstance(value, float) and math.isnan(value))
        or (low is not None and value < low)
        or (high is not None and value > high)
    ):
        raise _refused(field, value, where)
    return value


def _refused(field: FieldInfo, value: Any, where: str) -> ConfigError:
    kinds = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
    expected = kinds[field.type] + (", or several with commas" if field.many else "")
    bounds = f", {field.bounds}" if field.bounds else ""
    unit = f" ({field.unit})" if field.unit else ""
    place = f"{where} " if where else ""
    return ConfigError(
        f"{place}'{field.flag}' got {_brief(value)}; expected {expected}{bounds}{unit}; "
        f"the default is {field.default!r}."
    )


def _brief(value: Any) -> str:
    """Return a value as Python writes it, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # more digits than Python writes
        return "a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:200]}…"


def _lead(where: str) -> str:
    """Return what a message begins with: the section or plugin whose option it is, and a colon."""
    return f"{where.removesuffix(':')}: " if where else ""
