"""What a comparison varies, as it is typed: ``carry,burn_in(steps=5)`` and ``batch_size=8,32;layers=1,2``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from memcell.errors import UsageError


@dataclass(frozen=True)
class Axis:
    """Something that is varied.

    Args:
        name: A kind (``"policy"``), a field of training or network (``"batch_size"``), or the option of a
            plugin (``"policy.steps"``).
        values: As written, in order; the first belongs to the reference.
    """

    name: str
    values: tuple[str, ...]


#: Kinds whose values may bring a plugin of another kind with them: ``reset+reshuffle``.
BESIDE = {"policy": "sampler"}


@dataclass(frozen=True)
class NamedPlugin:
    """A plugin by name, with options of its own: ``burn_in(steps=5)``; and what it brings with it."""

    name: str
    options: tuple[tuple[str, str], ...] = ()
    beside: NamedPlugin | None = None

    def __str__(self) -> str:
        inside = ",".join(f"{k}={v}" for k, v in self.options)
        own = f"{self.name}({inside})" if inside else self.name
        return own if self.beside is None else f"{own}+{self.beside}"


_NAMED = re.compile(r"^([^()=]+?)\s*(?:\((.*)\))?$")


def named(text: str, where: str) -> NamedPlugin:
    """Read a plugin with its options; a policy may bring a sampler with it, ``reset+reshuffle``.

    Raises:
        UsageError: It is not of the form ``NAME`` or ``NAME(OPTION=VALUE,…)``.
    """
    first, *others = split(text, "+", keep_empty=True)
    if others and where.lstrip("-") in BESIDE:
        beside = named("+".join(others), f"{where} {first}+")
        return replace(named(first, where), beside=beside)
    found = _NAMED.match(text.strip())
    if found is None:
        raise UsageError(
            f"{where} got '{text}'; expected NAME or NAME(OPTION=VALUE,…), such as carry_p(p=0.2)"
        )
    pairs = [_pair(p, where) for p in split(found[2] or "", ",")]
    return NamedPlugin(found[1], tuple((k.replace("-", "_"), v) for k, v in pairs))


def listed(texts: Iterable[str], where: str) -> tuple[str, ...]:
    """Return the values of ``a,b``, given once or several times.

    Raises:
        UsageError: A place between two commas is empty, or there is no value.
    """
    values = [value for text in texts for value in split(text, ",", keep_empty=True)]
    if not values or not all(values):
        raise UsageError(
            f"{where} got '{','.join(texts)}'; expected values with commas between them"
        )
    return tuple(values)


def sweeps(texts: Sequence[str]) -> list[Axis]:
    """Return the axes of ``batch_size=8,32;policy.steps=5,20``, given once or several times.

    Raises:
        UsageError: It is not of this form.
    """
    axes = []
    for text in texts:
        parts = split(text, ";")
        if not parts:
            raise UsageError(f"--sweep got '{text}'; expected FIELD=VALUE,VALUE;FIELD=…")
        for part in parts:
            name, values = _pair(part, "--sweep")
            axes.append(Axis(name.replace("-", "_"), listed([values], f"--sweep {name}")))
    return axes


def split(text: str, mark: str, keep_empty: bool = False) -> list[str]:
    """Split at a mark that stands outside parentheses; blanks around the parts go."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    stripped = [part.strip() for part in parts]
    return stripped if keep_empty else [part for part in stripped if part]


def _pair(text: str, where: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise UsageError(f"{where} got '{text}'; expected NAME=VALUE, such as batch_size=8,32")
    return name.strip(), value.strip()
