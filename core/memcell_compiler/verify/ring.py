"""Numbers in which a program is run to be verified: integers modulo 2^64, exact and without special cases.

Sums and products are those of the ring, so an order of adding up does not matter and nothing is rounded.
Every other function only mixes the bits of its arguments: two different expressions have different values,
but for a chance of about one in 2^64, whatever their numbers would have been.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

#: ``uint64``: a number, or an array of them.
Numbers = Any

_U = np.uint64
_ODD = _U(0x9E3779B97F4A7C15)


def constant(value: float) -> Numbers:
    """Return a constant: integers stay what they are, so that 0 and 1 do what they do elsewhere."""
    if value < 0:
        return _U(0) - constant(-value)
    if value == float("inf"):
        return _U(2**63 - 1)
    if value == int(value) if value == value else False:
        return _U(int(value) % 2**64)
    return mixed(_U(struct.unpack("<Q", struct.pack("<d", value))[0]))


def mixed(a: Numbers) -> Numbers:
    """Return other bits for every number (splitmix64)."""
    a = np.asarray(a)
    a = (a ^ (a >> _U(30))) * _U(0xBF58476D1CE4E5B9)
    a = (a ^ (a >> _U(27))) * _U(0x94D049BB133111EB)
    return a ^ (a >> _U(31))


def function(name: str) -> Callable[..., Numbers]:
    """Return a function of which nothing is known but that it is one."""
    with np.errstate(over="ignore"):
        salt = mixed(_U(zlib.crc32(name.encode()) + 1))

    def applied(*arguments: Numbers) -> Numbers:
        found = salt
        for argument in arguments:
            found = mixed(found * _ODD + argument)
        return found

    return applied


_even = function("inverse of an even number")


def inverse(a: Numbers) -> Numbers:
    """Return what times an odd number is 1; for the even ones, which have none, some number."""
    found = _U(3) * a ^ _U(2)
    for _ in range(4):
        found = found * (_U(2) - a * found)
    return np.where(a & _U(1) != 0, found, _even(a))


def divided(a: Numbers, b: Numbers) -> Numbers:
    """Return a quotient."""
    return a * inverse(b)


def less(a: Numbers, b: Numbers) -> Any:
    """Return whether a number is less than another: half of all numbers are less than 0."""
    return np.asarray(a).view(np.int64) < np.asarray(b).view(np.int64)


def largest(a: Numbers, b: Numbers) -> Numbers:
    """Return the larger of two."""
    return np.where(less(b, a), a, b)


def smallest(a: Numbers, b: Numbers) -> Numbers:
    """Return the smaller of two."""
    return np.where(less(a, b), a, b)
