"""Stage 4, order: in which pass over the rows each value is computed, and what must lie in memory between.

A step is a row of *stages*: matrix products, then one loop over the rows of the block. Inside that loop a
row is a row of *levels*: loops over its columns, a new one where a sum over the row must be complete first.
Values of one stage, level and width are computed in one loop and live in registers.
"""

from __future__ import annotations

from memcell_compiler.ir.elementwise import CHEAP
from memcell_compiler.ir.ir import ColumnRange, Op, Tiles, Value
from memcell_compiler.ir.program import Program
from memcell_compiler.passes.partition import is_given
from memcell_compiler.passes.storage_requests import Join, StorageRequests

#: Sums over the lanes: there when all threads have met.
LANE_SUMS = (Op.BATCHSUM, Op.VARIANCE)
_ROW_OPS = (Op.POINT, Op.ROWSUM, Op.FOLD, Op.GATHER, Op.LOOKUP)


class Schedule:
    """The order of a program.

    Args:
        program: What is computed.

    Attributes:
        requests: What it leaves in memory.
        setup: What is computed once before the loop: it is made of parameters alone.
        ready: What is there when a step begins.
        values: What is computed in the loop, in order.
        stage: Of each value.
        level: Of each row value.
        free: Values that are computed again wherever they are read.
        early: Products of inputs, done for a chunk of steps before them.
        bases: Products that another one is added onto: done with it.
        late: Products that nothing in the loop reads, done for a chunk of steps after them.
        onward: Sums over the lanes that only leave the loop added up.
        mixes: Lanes meet.
    """

    def __init__(self, program: Program) -> None:
        self.program, self.given = program, program.given
        self.requests = StorageRequests(program)
        self.joins, self.targets = self.requests.joins, self.requests.targets
        self.late_stores, self.after = self.requests.late_stores, self.requests.after
        everything = self.requests.values
        self.setup = [v for v in everything if is_given(v) and v.op is not Op.LEAF]
        self.ready = {*self.setup, *(v for v in everything if v.op is Op.LEAF), *self.given}
        self.values = self._in_order([v for v in everything if v not in self.ready])
        self.in_parts = {
            a.value
            for v in everything
            for a in (*v.args, *v.right)
            if isinstance(a, ColumnRange) and not a.whole
        }
        self.late = [v for v in self.values if v.op is Op.OUTER or v in self.late_stores]
        self.bases = {v.onto for v in self.values if v.onto is not None}
        self.early = [] if program.backward else [v for v in self.values if self._is_early(v)]
        self.free: set[Value] = set()
        for v in self.values:
            if self._is_free(v):
                self.free.add(v)
        self.stage: dict[Value, int] = {}
        self.level: dict[Value, int] = {}
        self._place()
        self.onward = self._only_added()
        self.mixes = any(
            v.op in (Op.SCATTER, Op.LOOKUP, Op.VARIANCE)
            or (v.op is Op.BATCHSUM and v not in self.onward)
            for v in self.values
        )

    def join(self, tiles: Tiles, keep: str) -> Join | None:
        """Return where tiles lie side by side, or None where they are read as they lie."""
        return self.requests.join(tiles, keep)

    def needs(self, value: Value) -> list[Value]:
        """Return what must be computed before a value: its operands, and what fills the joins it reads."""
        return [*value.operands(), *self.requests.fills(value)]

    def _in_order(self, values: list[Value]) -> list[Value]:
        """Put values behind all that they need, otherwise as they were made.

        What fills a join may be a copy that was made after the product that reads it.
        """
        inside, done = set(values), set[Value]()
        ordered: list[Value] = []
        pending = [(v, False) for v in reversed(values)]
        while pending:
            value, is_ready = pending.pop()
            if value in done:
                continue
            if is_ready:
                done.add(value)
                ordered.append(value)
                continue
            pending.append((value, True))
            pending += [(v, False) for v in self.needs(value) if v in inside and v not in done]
        return ordered

    def _is_early(self, value: Value) -> bool:
        if value.op is not Op.MATMUL or value.onto is not None or len(value.args) != 1:
            return False
        piece = value.args[0]
        states = {s.before for s in self.program.states}
        return (
            isinstance(piece, ColumnRange)
            and not piece.sizes
            and piece.value in self.given
            and piece.value not in states
        )

    def _is_free(self, value: Value) -> bool:
        if value in self.targets or not value.rows or value in self.in_parts:
            return False
        light = value.op is Op.GATHER or (value.op is Op.POINT and value.name in CHEAP)
        return light and all(v in self.ready or v in self.free for v in value.operands())

    def _place(self) -> None:
        for value in self.values:
            if value in self.free or value in self.late:
                continue
            stage = 0
            for operand in self.needs(value):
                if operand in self.stage:
                    stage = max(stage, self.stage[operand] + _apart(operand, value))
            self.stage[value] = stage
            if value.op in _ROW_OPS or value.op in LANE_SUMS:
                self.level[value] = self._level(value, stage)

    def _level(self, value: Value, stage: int) -> int:
        level = 0
        for arg in value.args:
            if isinstance(arg, ColumnRange):
                level = max(level, self.level_read(arg, stage, value.width))
        return level

    def level_read(self, piece: ColumnRange, stage: int, width: int) -> int:
        """Return the first level at which a piece can be read in a loop of a width."""
        operand = piece.value
        if self.stage.get(operand) != stage or operand not in self.level or not operand.rows:
            return 0
        together = piece.whole and operand.op not in (Op.ROWSUM, Op.FOLD)
        if operand.width == 1 and operand.op is not Op.ROWSUM:
            together = True
        return self.level[operand] + (0 if together else 1)

    def _only_added(self) -> set[Value]:
        # what is stored is read by a copy, so it counts as inside
        inside = {v for value in self.values for v in value.operands()}
        parts = {
            t.value
            for a in self.program.added
            for t in a.tiles
            if isinstance(t, ColumnRange) and not t.whole
        }
        return {
            v for v in self.values if v.op is Op.BATCHSUM and v not in inside and v not in parts
        }


def _apart(operand: Value, value: Value) -> int:
    """Return how many stages after its operand a value is."""
    if operand.op in (Op.MATMUL, Op.SCATTER):
        if value.op is Op.SCATTER or (value.op is Op.LOOKUP and operand.op is Op.MATMUL):
            return 1
        return 0
    if operand.op in LANE_SUMS:
        return 0 if value.op is Op.VARIANCE else 1
    if value.op in (Op.MATMUL, Op.SCATTER):
        return 1 if operand.rows else 0
    if value.op is Op.LOOKUP:
        return 1
    return 0
