"""What lies in memory between the loops of a step: as little as there can be.

A value that is read in another loop than its own is read where it is stored anyway, or computed again
where that is cheap; only the others are kept, for a row or for the block.
"""

from __future__ import annotations

from memcell_compiler.ir.elementwise import CHEAP
from memcell_compiler.ir.ir import ColumnRange, Op, Value
from memcell_compiler.ir.program import StorePlace
from memcell_compiler.passes.schedule import LANE_SUMS, Schedule
from memcell_compiler.passes.storage_requests import Target


class StoragePlan:
    """What is kept between loops.

    Args:
        schedule: The order of a program.

    Attributes:
        home: Where a value is read that is stored for another reason.
        again: Values that are computed again in a later loop of a step.
        row_memory: Values kept for one row.
        block_memory: Values kept for the block.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._s = schedule
        self.home: dict[Value, Target] = {}
        self.again: set[Value] = set()
        self.row_memory: set[Value] = set()
        self.block_memory: set[Value] = set()
        self._remember()

    def _remember(self) -> None:
        """Find what is read in another loop than the one that computes it."""
        for value in self._s.values:
            if value in self._s.free or value in self._s.late:
                continue
            at = self._s.stage[value], self._s.level.get(value, -1)
            for arg in value.args:
                if not isinstance(arg, ColumnRange) or arg.value not in self._s.stage:
                    continue
                operand = arg.value
                if operand.op not in (Op.POINT, Op.ROWSUM, Op.FOLD) or not operand.rows:
                    continue
                if value.op is Op.MATMUL or value.op is Op.SCATTER:
                    continue  # through a join
                if self._s.stage[operand] != at[0]:
                    self.block_memory.add(operand)
                elif operand.width > 1 and self._read_at(value, arg) != self._s.level[operand]:
                    self.row_memory.add(operand)
        for value in self.block_memory | self.row_memory:
            if self._is_stored(value):
                self.home[value] = self._stored_at(value)[0]
        for value in sorted(self.block_memory | self.row_memory, key=lambda v: v.order):
            if value not in self.home and self._is_light(value, 2):
                self.again.add(value)
                self._take_from_home(value)
        for value in (*self.home, *self.again):
            self.block_memory.discard(value)
            self.row_memory.discard(value)

    def _take_from_home(self, value: Value) -> None:
        """Read the operands of what is computed again where they are stored."""
        for operand in value.operands():
            if self._is_stored(operand) and operand not in self.home:
                self.home[operand] = self._stored_at(operand)[0]

    def _is_stored(self, value: Value) -> bool:
        """Whether it is in memory anyway from the loop that computes it to the step's end."""
        return (
            value.op is Op.POINT and value.rows and value.width > 1 and bool(self._stored_at(value))
        )

    def _stored_at(self, value: Value) -> list[Target]:
        return [t for t in self._s.targets.get(value, []) if self._can_be_read(t)]

    def _can_be_read(self, target: Target) -> bool:
        if not isinstance(target, StorePlace):
            return isinstance(target, tuple)
        apart = {j.name for j in self._s.joins.values() if j.keep == "shared" or j.panels}
        return target.array.rows and target.array.name not in apart

    def _is_light(self, value: Value, depth: int) -> bool:
        """Whether a value is computed again, from what is in memory, rather than kept."""
        if value.op is not Op.POINT or value.name not in CHEAP or value.width == 1:
            return False
        if value in self._s.in_parts or depth == 0:
            return False
        return all(self._at_hand(a, value, depth) for a in value.args if isinstance(a, ColumnRange))

    def _at_hand(self, piece: ColumnRange, value: Value, depth: int) -> bool:
        operand = piece.value
        if operand in self._s.ready or operand in self._s.free or operand in self.home:
            return True
        if self._is_stored(operand):
            return True
        if not operand.rows or operand.op is Op.MATMUL:
            return True
        if operand.width == 1 and operand.rows:
            # a sum over the row is there until the row's end, and after it where it is kept
            return operand in self.block_memory or value not in self.block_memory
        if operand in self.again:
            return depth > 1 and self._is_light(operand, depth - 1)
        kept_longer = operand in self.block_memory
        return kept_longer or (operand in self.row_memory and value not in self.block_memory)

    def _read_at(self, value: Value, piece: ColumnRange) -> int:
        """Return the level of the loop that reads a piece for a value."""
        if value.op in (Op.ROWSUM, Op.FOLD, *LANE_SUMS):
            return self._s.level_read(piece, self._s.stage[value], piece.width)
        return self._s.level[value]
