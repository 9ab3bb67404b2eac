"""What a generated loop computes, before it is put in order and written: the contract of stages 4 and 5."""

from __future__ import annotations

from dataclasses import dataclass, field

from memcell_compiler.ir.ir import Tiles, Value


@dataclass(frozen=True)
class Array:
    """An array that a program is handed.

    Args:
        name: In C.
        width: Columns.
        rows: ``[T, B, width]``; otherwise ``[T, width]``.
        steps: It has an entry for each step. Otherwise it is a parameter or a buffer.
    """

    name: str
    width: int
    rows: bool
    steps: bool = True


@dataclass(frozen=True)
class StorePlace:
    """Columns of an array from ``offset``."""

    array: Array
    offset: int = 0


@dataclass(frozen=True)
class State:
    """A part of the state, or of its cotangent in the backward loop.

    Args:
        name: Its arrays' names begin with it.
        width: Columns.
        before: Leaf: what a step finds.
        after: What it leaves.
    """

    name: str
    width: int
    before: Value
    after: Tiles


@dataclass(frozen=True)
class Added:
    """What is added up over the loop, an array ``[threads, …]``.

    Args:
        name: In C.
        width: Columns.
        outer: Rows are those of a sum of products; or
        tiles: a vector.
        swapped: ``outer`` is computed transposed.
    """

    name: str
    width: int
    outer: Value | None = None
    tiles: Tiles = ()
    swapped: bool = False


@dataclass
class Program:
    """One loop over time.

    Args:
        name: Of the C function.
        backward: Time runs backwards, and states are cotangents.
        given: Where values are found that the program does not compute.
        stores: Tiles and where they go.
        states: What is handed from step to step.
        added: What is added up.
    """

    name: str
    backward: bool
    given: dict[Value, StorePlace]
    stores: list[tuple[Tiles, StorePlace]]
    states: list[State]
    added: list[Added] = field(default_factory=list)
    histories: dict[Value, str] = field(default_factory=dict)
