"""Fields of a config dataclass: documentation, default, unit and bounds in one place."""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KEY = "memcell"
_SCALARS = (bool, int, float, str)
#: What an option may be, in the words of messages and of the page on plugins.
TYPES = (
    "bool, int, float, str, pathlib.Path, a Literal of words, an Enum, a tuple or list of one of these, "
    "or one of these or None"
)


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
        kind: What a word is turned into: ``str``, ``Path`` or an Enum, whose words are its values where
            these are words, else its names.
        listed: The items are in a list rather than in a tuple.
        formerly: The name that it had in a version before; files and command lines with it are understood.
        former_words: Words that a version before had, by what they are called now.
        advanced: Few need it: ``--help`` leaves it out, and ``--help-all`` has it.
        brief: What ``--help`` says of it, in a line; empty for the first sentence of ``help``.
        topic: The heading that it stands under in ``--help``; empty for that of its section.
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
    kind: Any = str
    listed: bool = False
    formerly: str = ""
    former_words: Mapping[str, str] = dataclasses.field(default_factory=dict)
    advanced: bool = False
    brief: str = ""
    topic: str = ""

    @property
    def flag(self) -> str:
        """The name as it is typed on a command line, without dashes before it."""
        return self.name.replace("_", "-")

    def now(self, word: Any) -> Any:
        """Return what a word of a version before is called now; any other value as it is."""
        return self.former_words.get(word, word) if isinstance(word, str) else word

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
    formerly: str = "",
    former_words: Mapping[str, str] | None = None,
    advanced: bool = False,
    brief: str = "",
    topic: str = "",
) -> Any:
    """Declare a field of a config dataclass.

    A field or a word that was renamed names its ``formerly`` and ``former_words``: files of the version
    before are read, and a command line is understood and told the new name. One that is ``advanced`` stands
    in ``--help-all``, not in ``--help``, which has a line for each of the others: its ``brief``, under its
    ``topic``.

    >>> @dataclass(frozen=True, kw_only=True)
    ... class DecayConfig:
    ...     rate: float = option(0.9, help="What is kept of the state.", low=0, high=1)
    >>> fields_of(DecayConfig)[0].bounds
    '0 to 1'
    """
    meta = {
        "help": help,
        "unit": unit,
        "low": low,
        "high": high,
        "choices": tuple(choices),
        "formerly": formerly,
        "former_words": dict(former_words or {}),
        "advanced": advanced,
        "brief": brief,
        "topic": topic,
    }
    if isinstance(default, list):  # each config has one of its own
        return dataclasses.field(default_factory=lambda: list(default), metadata={_KEY: meta})
    return dataclasses.field(default=default, metadata={_KEY: meta})


def fields_of(config: type[Any]) -> tuple[FieldInfo, ...]:
    """Return the options of a config dataclass, in order.

    Raises:
        TypeError: A field was not made with `option`, or has a type that options cannot have.
    """
    # mypy takes the classes' own __hash__ for that of their instances
    return _resolved(config)  # type: ignore[arg-type]


@functools.cache
def _resolved(config: type[Any]) -> tuple[FieldInfo, ...]:
    """Return the fields, resolved once: a run asks for those of each of its parts several times."""
    if not dataclasses.is_dataclass(config):
        raise TypeError(f"{config.__qualname__} is not a dataclass")
    hints = typing.get_type_hints(config)
    return tuple(_resolve(config, f, hints[f.name]) for f in dataclasses.fields(config))


def _resolve(config: type, field: dataclasses.Field[Any], hint: Any) -> FieldInfo:
    where = f"{config.__qualname__}.{field.name}"
    meta = field.metadata.get(_KEY)
    if meta is None:
        raise TypeError(
            f"{where} must be declared with memcell.plugins.options.option(default, help=...)"
        )
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(inner) != 1:
            raise TypeError(f"{where}: {_word(hint)} cannot be an option: {TYPES}")
        optional, hint = True, inner[0]
    listed = typing.get_origin(hint) is list or hint is list
    many = listed or typing.get_origin(hint) is tuple or hint is tuple
    annotation = hint
    if many:
        items = {a for a in typing.get_args(hint) if a is not Ellipsis}
        if len(items) != 1:
            raise TypeError(f"{where}: {_word(annotation)} cannot be an option: {TYPES}")
        (hint,) = items
    kind, choices = _words_of(hint)
    if hint not in _SCALARS and kind is None:
        raise TypeError(f"{where}: {_word(annotation)} cannot be an option: {TYPES}")
    if choices and not meta["choices"]:
        meta = {**meta, "choices": choices}
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    return FieldInfo(
        name=field.name,
        type=hint if kind is None else str,
        many=many,
        optional=optional,
        default=plain(default),
        kind=kind or str,
        listed=listed,
        **meta,
    )


def plain(value: Any) -> Any:
    """Return a value of an option as a file holds it: words for an Enum and a path, a tuple for a list."""
    if isinstance(value, enum.Enum):
        return word_of(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return tuple(plain(item) for item in value)
    return value


def word_of(member: enum.Enum) -> str:
    """Return the word of a member: its value where all values of the Enum are words, else its name."""
    values = [m.value for m in type(member)]
    return str(member.value) if all(isinstance(v, str) for v in values) else member.name


def _words_of(hint: Any) -> tuple[type | None, tuple[str, ...]]:
    """Return what words of a type are turned into, and which there are; None where it is none of words."""
    if typing.get_origin(hint) is typing.Literal:
        words = typing.get_args(hint)
        return (str, words) if all(isinstance(w, str) for w in words) else (None, ())
    if isinstance(hint, type) and issubclass(hint, enum.Enum) and len(hint):
        return hint, tuple(word_of(member) for member in hint)
    return (Path, ()) if hint is Path else (None, ())


def _word(hint: Any) -> str:
    """Return a type as a person writes it."""
    if isinstance(hint, type) and typing.get_origin(hint) is None:
        nested = dataclasses.is_dataclass(hint)
        return f"the dataclass {hint.__name__}" if nested else hint.__name__
    return str(hint).replace("typing.", "").replace("collections.abc.", "")
