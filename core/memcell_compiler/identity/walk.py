"""The state of one reading."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any

import torch

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), type(NotImplemented))
_TORCH_WORDS = (torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size)


class Unknown(Exception):
    """There is something whose meaning is not known."""


Reader = Callable[["Walk", Any], None]


class Walk:
    """One reading.

    Args:
        readers: How each kind of value is read; the first kind that fits counts.
        names: Attributes that are followed.
        whole: All are.
        making: Objects are made of any class that is met.

    Attributes:
        digest: Of what was read.
        found: Attributes that the code names.
    """

    def __init__(
        self,
        readers: Sequence[tuple[Any, Reader]],
        names: frozenset[str],
        whole: bool,
        making: bool,
    ) -> None:
        self._readers = readers
        self.names, self.whole, self.making = names, whole, making
        self.found = set[str]()
        self.digest = hashlib.sha256()
        self._seen: dict[tuple[int, bool], tuple[int, object]] = {}

    def say(self, *what: object) -> None:
        """Take something into the digest whose ``repr`` says all of it."""
        self.digest.update(repr(what).encode())

    def value(self, value: Any) -> None:
        """Read a value.

        Raises:
            Unknown: It is not understood.
        """
        if is_plain(value) or isinstance(value, _TORCH_WORDS):
            self.say(type(value).__name__, value)
        elif isinstance(value, CodeType) or not self.met(value):
            next(read for kinds, read in self._readers if isinstance(value, kinds))(self, value)

    def met(self, value: object, making: bool = False) -> bool:
        """Whether a value was read before; then its number stands for it."""
        key = (id(value), making)
        if key in self._seen:
            self.say("met", self._seen[key][0])
            return True
        self._seen[key] = (len(self._seen), value)  # held, so that no other gets its number
        return False

    def attributes(self, held: Mapping[str, Any], all_of_them: bool = False) -> None:
        """Read the attributes that are followed."""
        for name, item in sorted(held.items()):
            if all_of_them or self.follows(name):
                self.say(name)
                self.value(item)

    def follows(self, name: str) -> bool:
        """Whether an attribute may play a part."""
        return self.whole or name in self.names


def is_plain(value: object) -> bool:
    """Whether ``repr`` says all of a value."""
    return type(value) in _PLAIN
