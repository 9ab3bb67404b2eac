"""Where values lie while a program runs, and how C reads them."""

from __future__ import annotations

import math

from memcell_compiler.ir.ir import ColumnRange, Number, Op, Tiles, Value
from memcell_compiler.ir.program import Array, Program, StorePlace
from memcell_compiler.passes.schedule import Schedule
from memcell_compiler.passes.storage_plan import StoragePlan
from memcell_compiler.passes.storage_requests import Target


def padded(width: int) -> int:
    """Return the distance between rows of a buffer: whole vectors, and no power of two.

    Rows a power of two apart fall on few lines of the cache.
    """
    full = -(-width // 16) * 16
    return full + 16 if full >= 64 else full


def literal(number: Number) -> str:
    """Return a constant in C."""
    value = f"((real){number.value!r})"
    if math.isnan(number.value):
        value = "((real)NAN)"
    elif math.isinf(number.value):
        value = "((real)INFINITY)" if number.value > 0 else "(-(real)INFINITY)"
    if number.lanes_power == 0:
        return value
    return f"({value} {'*' if number.lanes_power > 0 else '/'} (real)B)"


def index_of(piece: ColumnRange, j: str) -> str:
    """Return the C of the column of its value that column j of a piece is, whatever the loop."""
    terms = [str(piece.offset)] if piece.offset else []
    inner = piece.width
    for size, stride in zip(piece.sizes or (piece.width,), piece.strides or (1,), strict=True):
        inner //= size
        at = f"({j})" if inner == 1 else f"({j}) / {inner}"
        at = at if inner * size == piece.width else f"({at}) % {size}"
        if stride:
            terms.append(at if stride == 1 else f"({at}) * {stride}")
    return " + ".join(terms) or "0"


class ProgramMemory:
    """Names and addresses of a program's values.

    Args:
        program: The program.
        schedule: Its order.
        plan: What lies in memory between loops.

    Attributes:
        arrays: Names of the arrays that the program is handed, in order.
    """

    def __init__(self, program: Program, schedule: Schedule, plan: StoragePlan) -> None:
        self.program, self.schedule, self.plan = program, schedule, plan
        self.arrays: list[str] = []
        self.states = {s.name: s for s in program.states}
        self._after = {v: name for name, v in schedule.after.items()}
        self._given_by_name = {p.array.name: p.array for p in program.given.values()}

    def handed(self, name: str) -> str:
        """Return the C expression of an array that the program is handed."""
        if name not in self.arrays:
            self.arrays.append(name)
        return f"p[{self.arrays.index(name)}]"

    def buffer(self, value: Value) -> tuple[str, int]:
        """Return (name, distance between rows) of a value kept for the block."""
        while value.onto is not None:
            value = value.onto
        if value in self._after:
            state = self._after[value]
            return f"{state}_out", padded(self.states[state].width)
        return f"v{value.order}_at", padded(value.width)

    def rows_of(self, tiles: Tiles, keep: str) -> tuple[str, int]:
        """Return (address of the block's first row, distance) of tiles that lie side by side."""
        join = self.schedule.join(tiles, keep)
        if join is not None:
            return join.name, padded(join.width)
        piece = tiles[0]
        assert isinstance(piece, ColumnRange)
        if piece.value.op is Op.MATMUL and piece.value not in self.program.given:
            name, ld = self.buffer(piece.value)
            return f"{name} + {piece.offset}", ld
        place = self.program.given[piece.value]
        return f"{place.array.name} + {place.offset + piece.offset}", self.distance(place.array)

    def distance(self, array: Array) -> int:
        """Return the distance between rows of an array."""
        if self.program.backward and array.name in {f"{s}_in" for s in self.states}:
            return padded(array.width)
        return array.width

    def element(self, piece: ColumnRange, j: str, index: str | None = None) -> str:
        """Return the C expression of column j of a piece that lies in memory, for row r.

        Args:
            piece: The piece.
            j: Its column.
            index: The column of its value that this is, where it is known otherwise.
        """
        value = piece.value
        place = self.program.given.get(value)
        offset = 0 if place is None else place.offset
        if index is None and piece.sizes:
            index = index_of(piece, j)
        if index is None:
            offset += piece.offset
            index = j
        column = index if offset == 0 else f"{offset} + {index}"
        if place is not None:
            if place.array.rows:
                return f"{place.array.name}[r * {self.distance(place.array)} + {column}]"
            return f"{place.array.name}[{column}]"
        if not value.rows:
            return f"v{value.order}_at[{column}]"
        if value.op is Op.LOOKUP:
            raise AssertionError("read through its index")
        if value.op is Op.SCATTER:
            return f"v{value.order}_at[(b0 + r) * {value.width} + {column}]"
        if value in self.plan.home:
            return self.target(self.plan.home[value], value, column)
        if value in self.plan.row_memory and value not in self.plan.block_memory:
            return f"v{value.order}_at[{column}]"
        name, ld = self.buffer(value)
        return f"{name}[r * {ld} + {column}]"

    def in_panels(self, value: Value) -> bool:
        """Whether a value is stored in panels: the loop over its columns runs panel by panel."""
        named = {
            p.array.name for p in self.schedule.targets.get(value, []) if isinstance(p, StorePlace)
        }
        return any(j.panels and j.name in named for j in self.schedule.joins.values())

    def target(self, target: Target, value: Value, j: str) -> str:
        """Return the C expression of where column j of a value is stored."""
        if isinstance(target, tuple):
            name, offset = target
            width = self.states[name.removesuffix("_out")].width
            distance = padded(width) if self.program.backward else width
        else:
            name, offset = target.array.name, target.offset
            join = next((k for k in self.schedule.joins.values() if k.name == name), None)
            if join is not None and join.keep == "shared":
                return f"{name}[(b0 + r) * {join.width} + {offset} + {j}]"
            if join is not None and join.panels:
                return f"{name}[({offset} / PANEL + q) * rows_ * PANEL + r * PANEL + i]"
            if not target.array.rows:
                return f"{name}[{offset} + {j}]"
            distance = target.array.width if join is None else padded(join.width)
        return f"{name}[r * {distance} + {offset} + {j}]"
