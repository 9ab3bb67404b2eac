"""What the writers of a program share."""

from __future__ import annotations

from dataclasses import dataclass, field

from memcell_compiler.emit.memory import ProgramMemory, padded
from memcell_compiler.emit.timers import timer
from memcell_compiler.ir.ir import ColumnRange, Matrix, Op, Value
from memcell_compiler.ir.program import Added, Program
from memcell_compiler.passes.schedule import LANE_SUMS, Schedule
from memcell_compiler.passes.storage_plan import StoragePlan

#: Rows of this many numbers together lie on the stack, what is beyond them in scratch: a thread may have no
#: more than a few hundred kilobytes.
STACK_NUMBERS = 8192


@dataclass
class Context:
    """A program while it is written.

    Args:
        program: What is computed.
        schedule: In which order.
        plan: What lies in memory between loops.
        memory: Where.
        matrices: Packed weights and their C names.
        buffers: Scratch of a thread: name, and how many numbers, in C.
        shared: ProgramMemory of all threads: likewise; there are two of each, by turns.
        on_stack: Rows of one lane, or of all, that lie on the stack: name, and how many numbers.
        rows: Those that do not fit there and lie in scratch: likewise.
        swaps: Of these, what products are handed round in, where threads may share their columns.
        chunked: Buffers with an entry for each step of a chunk, and the distance between rows, in C.
        added: Vectors that are added up, by the piece of them, with their first column.
        timed: It says where its time goes.
    """

    program: Program
    schedule: Schedule
    plan: StoragePlan
    memory: ProgramMemory
    matrices: dict[Matrix, str] = field(default_factory=dict)
    buffers: list[tuple[str, str]] = field(default_factory=list)
    shared: list[tuple[str, str]] = field(default_factory=list)
    on_stack: list[tuple[str, int]] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)
    swaps: dict[Value, str] = field(default_factory=dict)
    chunked: dict[str, str] = field(default_factory=dict)
    added: dict[ColumnRange, list[tuple[Added, int]]] = field(default_factory=dict)
    timed: bool = False

    @classmethod
    def of(cls, program: Program, timed: bool = False) -> Context:
        """Order a program and name its memory."""
        schedule = Schedule(program)
        plan = StoragePlan(schedule)
        context = cls(program, schedule, plan, ProgramMemory(program, schedule, plan), timed=timed)
        for added in program.added:
            offset = 0
            for tile in added.tiles:
                if isinstance(tile, ColumnRange):
                    context.added.setdefault(tile, []).append((added, offset))
                offset += tile.width
        context._declare()
        return context

    def matrix(self, value: Value) -> str:
        """Return the name of a product's packed weight."""
        assert value.matrix is not None
        return self.matrices.setdefault(value.matrix, f"w{len(self.matrices)}")

    def timer(self, section: str) -> list[str]:
        """Write the end of a section's time, where the program is timed."""
        return timer(section) if self.timed else []

    def _declare(self) -> None:
        schedule = self.schedule
        for join in dict.fromkeys(schedule.joins.values()):
            if join.keep == "shared":
                self.shared.append((join.name, f"B * {join.width}"))
            elif join.panels:
                self.chunked[join.name] = "PANEL"
                self.buffers.append((join.name, f"chunk * most * {join.width}"))
            elif join.keep == "chunk":
                self._chunk_buffer(join.name, padded(join.width))
            else:
                self.buffers.append((join.name, f"most * {padded(join.width)}"))
        for value in schedule.values:
            self._declare_value(value)
        if not self.program.backward and not schedule.mixes:
            for value in self.products():
                self.swaps[value] = f"v{value.order}_swap"
                self.shared.append((self.swaps[value], f"w->split * B * {value.width}"))
        self._declare_rows()
        if self.program.backward:
            for state in self.program.states:
                for what in ("in", "out", "hold"):
                    self.buffers.append((f"{state.name}_{what}", f"most * {padded(state.width)}"))

    def _declare_rows(self) -> None:
        """Put single rows on the stack as long as there is room, the narrowest first."""
        schedule = self.schedule
        once = [v for v in (*schedule.setup, *schedule.values) if is_vector(v)]
        once += [v for v in schedule.values if v.op in LANE_SUMS and v not in schedule.onward]
        # sorted, else no two processes write the same
        rows = sorted(self.plan.row_memory, key=lambda v: v.order)
        found = [
            (f"v{v.order}_at", v.width) for v in (*once, *rows) if v not in self.plan.block_memory
        ]
        variances = (v for v in schedule.values if v.op is Op.VARIANCE)
        found += [(f"v{v.order}_pivot", v.width) for v in variances]
        room = STACK_NUMBERS
        small = set()
        for name, width in sorted(found, key=lambda row: row[1]):
            room -= padded(width)
            if room >= 0:
                small.add(name)
        self.on_stack = [row for row in found if row[0] in small]
        self.rows = [(name, str(width)) for name, width in found if name not in small]

    def products(self) -> list[Value]:
        """Return the products that are done at each step."""
        early, bases, late = self.schedule.early, self.schedule.bases, self.schedule.late
        return [
            v
            for v in self.schedule.values
            if v.op is Op.MATMUL and v not in early and v not in bases and v not in late
        ]

    def longest_product(self) -> Value | None:
        """Return the product of the step that takes longest."""
        return max(self.products(), key=_cost, default=None)

    def _declare_value(self, value: Value) -> None:
        schedule, name = self.schedule, f"v{value.order}"
        if value.op is Op.MATMUL and value.onto is None and value not in schedule.late:
            buffer, ld = self.memory.buffer(value)
            if value in schedule.early:
                self._chunk_buffer(buffer, ld)
            elif not buffer.endswith("_out"):  # that of a state is declared with it
                self.buffers.append((buffer, f"most * {ld}"))
        elif value in self.plan.block_memory:
            self.buffers.append((f"{name}_at", f"most * {padded(value.width)}"))
        elif value.op is Op.SCATTER:
            self.shared.append((f"{name}_at", f"B * {value.width}"))
        elif value.op in LANE_SUMS and value not in schedule.onward:
            self.shared.append((f"{name}_parts", f"w->threads * {padded(value.width)}"))

    def _chunk_buffer(self, name: str, ld: int) -> None:
        self.chunked[name] = str(ld)
        self.buffers.append((name, f"chunk * most * {ld}"))


def _cost(product: Value) -> int:
    assert product.matrix is not None
    depth, columns = product.matrix.shape
    return depth * columns


def is_vector(value: Value) -> bool:
    """Whether a value is computed once a step for all lanes."""
    return not value.rows and value.op in (Op.POINT, Op.ROWSUM, Op.FOLD)


def indented(lines: list[str], depth: int = 1) -> list[str]:
    """Indent lines of C."""
    return ["  " * depth + line if not line.startswith("#") else line for line in lines]
