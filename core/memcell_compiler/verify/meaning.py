"""What a program should give, step by step from its values alone: no order, no buffers, no blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from memcell_compiler.ir.elementwise import C_SOURCE
from memcell_compiler.ir.ir import Matrix, Number, Operand, Tiles, Value
from memcell_compiler.ir.program import Program, StorePlace
from memcell_compiler.verify import ring
from memcell_compiler.verify.memory import Span, Unverified, Weight
from memcell_compiler.verify.ring import Numbers
from memcell_compiler.verify.syntax import expression
from memcell_compiler.verify.translation import formula


@dataclass(frozen=True)
class MaskValues:
    """A window's masks: flags ``[T, B]``, and which returned state is the one after so many steps, or -1."""

    resets: Numbers | None
    valid: Numbers | None
    returned: list[int]


@dataclass
class Expected:
    """What a program should leave.

    Args:
        stored: Arrays by name, ``[T, B, width]`` or ``[T, width]``; only columns that are set are meant.
        states: Before each step and after the last, by state.
        returned: By state, then by number.
        initial: Backward: what goes to the states of resets.
        sums: By name.
    """

    stored: dict[str, Numbers] = field(default_factory=dict)
    states: dict[str, dict[int, Numbers]] = field(default_factory=dict)
    returned: dict[str, dict[int, Numbers]] = field(default_factory=dict)
    initial: dict[str, Numbers] = field(default_factory=dict)
    sums: dict[str, Numbers] = field(default_factory=dict)


class Meaning:
    """What a program computes.

    Args:
        program: The program.
        arrays: What it is given, by name: ``[T, B, width]``, ``[T, width]``, a `Weight`.
        lanes: B.
        names: For elementwise functions (`translation.environment`).
    """

    def __init__(
        self, program: Program, arrays: Mapping[str, Any], lanes: int, names: dict[str, Any]
    ) -> None:
        self.program, self.arrays, self.lanes, self.names = program, arrays, lanes, names
        self._formulas: dict[str, Callable[..., Any]] = {}

    def run(self, steps: int, masks: MaskValues) -> Expected:
        """Run a window."""
        program, found = self.program, Expected()
        backward = program.backward
        now = {s.name: self._begin(s.name, s.width) for s in program.states}
        for name, value in now.items():
            found.initial[name] = np.zeros_like(value)
            found.states[name], found.returned[name] = {}, {}
        for t in reversed(range(steps)) if backward else range(steps):
            held = {}
            for name in now:
                if backward:
                    if masks.returned[t + 1] >= 0:
                        now[name] = (
                            now[name] + self.arrays[f"{name}_returned"][masks.returned[t + 1]]
                        )
                    if masks.valid is not None:
                        out = ~masks.valid[t][:, None]
                        held[name] = np.where(out, now[name], np.uint64(0))
                        now[name] = np.where(out, np.uint64(0), now[name])
                elif masks.resets is not None:
                    again = masks.resets[t][:, None]
                    now[name] = np.where(again, self.arrays[f"{name}_initial"], now[name])
                found.states[name][t] = now[name]
            after = self._step(t, now, found)
            for name in now:
                if backward:
                    after[name] = after[name] + held.get(name, np.uint64(0))
                    if masks.resets is not None:
                        again = masks.resets[t][:, None]
                        found.initial[name] += np.where(again, after[name], np.uint64(0))
                        after[name] = np.where(again, np.uint64(0), after[name])
                elif masks.valid is not None:
                    after[name] = np.where(masks.valid[t][:, None], after[name], now[name])
                if not backward and masks.returned[t + 1] >= 0:
                    found.returned[name][masks.returned[t + 1]] = after[name]
            now = after
        for name, value in now.items():
            found.states[name][-1 if backward else steps] = value
        return found

    def _begin(self, name: str, width: int) -> Numbers:
        if self.program.backward:
            return np.zeros((self.lanes, width), np.uint64)
        return self.arrays[f"{name}_history"].copy()

    def _step(self, t: int, now: dict[str, Numbers], found: Expected) -> dict[str, Numbers]:
        program = self.program
        known = {s.before: now[s.name] for s in program.states}
        for value, place in program.given.items():
            if value not in known:
                known[value] = self._given(value, place, t)
        tiles = [t for t, _ in program.stores] + [s.after for s in program.states]
        tiles += [a.tiles for a in program.added]
        needed = [
            tile.value for several in tiles for tile in several if not isinstance(tile, Number)
        ]
        for value in _in_order(needed + [a.outer for a in program.added if a.outer], known):
            known[value] = self._computed(value, known)
        for several, place in program.stores:
            numbers = self._side_by_side(several, known, place.array.rows)
            if place.array.name not in found.stored:
                found.stored[place.array.name] = {}
            found.stored[place.array.name][t, place.offset] = numbers
        for added in program.added:
            if added.outer is not None:
                more = known[added.outer]
            else:
                more = self._side_by_side(added.tiles, known, False)
            found.sums[added.name] = found.sums.get(added.name, np.uint64(0)) + more
        return {s.name: self._side_by_side(s.after, known, True) for s in program.states}

    def _given(self, value: Value, place: StorePlace, t: int) -> Any:
        array = self.arrays.get(place.array.name)
        if isinstance(array, Weight):
            if array.size > 1 << 22:
                return array  # a matrix: read through products
            return array.read(Span(place.offset, value.width), value.name)
        if array is None:
            return None
        return array[t][..., place.offset : place.offset + value.width]

    # --- values ---------------------------------------------------------------------------------

    def _piece(self, operand: Operand, known: Mapping[Value, Any]) -> Numbers:
        if isinstance(operand, Number):
            number, lanes = ring.constant(operand.value), np.uint64(self.lanes)
            if operand.lanes_power == 0:
                return number
            return number * lanes if operand.lanes_power > 0 else ring.divided(number, lanes)
        if operand.sizes:
            return known[operand.value][..., operand.columns()]
        return known[operand.value][..., operand.offset : operand.offset + operand.width]

    def _side_by_side(self, tiles: Tiles, known: Mapping[Value, Any], rows: bool) -> Numbers:
        lead = (self.lanes,) if rows else ()
        return np.concatenate(
            [np.broadcast_to(self._piece(t, known), (*lead, t.width)) for t in tiles], -1
        )

    def _computed(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        found: Numbers = getattr(self, f"_{value.op.name.lower()}")(value, known)
        return found

    def _point(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        if value.name not in self._formulas:
            letters = {"abc"[i]: "" for i in range(len(value.args))}
            source = expression(C_SOURCE[value.name].format(*letters))
            self._formulas[value.name] = formula(source, letters, self.names)
        found = self._formulas[value.name](*(self._piece(a, known) for a in value.args))
        return np.broadcast_to(found, (self.lanes, value.width) if value.rows else (value.width,))

    def _matmul(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        assert value.matrix is not None
        down, along = self._factors(value.matrix)
        left = self._side_by_side(value.args, known, True)
        product = (left @ down)[:, None] * along
        return product if value.onto is None else product + known[value.onto]

    def _factors(self, matrix: Matrix) -> tuple[Numbers, Numbers]:
        weight = self.arrays[self.program.given[matrix.leaf].array.name]
        depth, columns = matrix.shape
        row, column = divmod(matrix.start, matrix.columns)
        if matrix.transposed:
            return weight.along[column : column + depth], weight.down[row : row + columns]
        return weight.down[row : row + depth], weight.along[column : column + columns]

    def _rowsum(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        tiles = self._side_by_side(value.args, known, value.rows)
        if value.name == "sum":
            return tiles.sum(-1, keepdims=True, dtype=np.uint64)
        signed = tiles.view(np.int64)
        best = (
            signed.max(-1, keepdims=True) if value.name == "max" else signed.min(-1, keepdims=True)
        )
        return best.view(np.uint64)

    def _fold(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        lead = (self.lanes,) if value.rows else ()
        columns: Any
        add, start = {
            "sum": (np.add, ring.constant(0)),
            "max": (np.maximum, -ring.constant(math.inf).view(np.int64)),
            "min": (np.minimum, ring.constant(math.inf).view(np.int64)),
        }[value.name]
        found = np.full((*lead, value.width), start)
        for tile, into in zip(value.args, value.into, strict=True):
            numbers = np.broadcast_to(self._piece(tile, known), (*lead, tile.width))
            columns = (..., into.columns())
            add.at(found, columns, numbers.view(found.dtype))
        return found.view(np.uint64)

    def _batchsum(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        (piece,) = value.args
        return np.broadcast_to(self._piece(piece, known), (self.lanes, value.width)).sum(
            0, dtype=np.uint64
        )

    def _variance(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        (piece,) = value.args
        rows = self._piece(piece, known)
        mean = ring.divided(rows.sum(0, dtype=np.uint64), np.uint64(self.lanes))
        return ((rows - mean) ** 2).sum(0, dtype=np.uint64)

    def _index(self, tiles: Tiles, known: Mapping[Value, Any]) -> Any:
        numbers = np.broadcast_to(self._piece(tiles[0], known), (self.lanes, 1))[:, 0]
        return self.names["index_of"](numbers)

    def _gather(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        assert value.table is not None
        table = self.arrays[self.program.given[value.table].array.name]
        rows = self._index(value.args, known)[:, None] * int(value.name)
        return table.read(rows + value.offset + np.arange(value.width), value.table.name)

    def _lookup(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        return self._side_by_side(value.right, known, True)[self._index(value.args, known)]

    def _scatter(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        found = np.zeros((self.lanes, value.width), np.uint64)
        np.add.at(
            found, self._index(value.args, known), self._side_by_side(value.right, known, True)
        )
        return found

    def _outer(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        left, right = (self._side_by_side(t, known, True) for t in (value.args, value.right))
        return left.T @ right

    def _leaf(self, value: Value, known: Mapping[Value, Any]) -> Numbers:
        raise Unverified(f"{value.name} is neither computed nor given")


def _in_order(values: list[Value], known: Mapping[Value, Any]) -> list[Value]:
    """Return what must be computed, operands first."""
    found: list[Value] = []
    done: set[Value] = set(known)
    pending = [(v, False) for v in values]
    while pending:
        value, ready = pending.pop()
        if value in done:
            continue
        if ready:
            done.add(value)
            found.append(value)
            continue
        pending.append((value, True))
        pending += [(v, False) for v in value.operands() if v not in done]
    return found
