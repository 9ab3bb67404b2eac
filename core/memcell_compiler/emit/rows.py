"""Stage 5b, write: the loop over the rows of a block, and in it the loops over columns."""

from __future__ import annotations

from collections.abc import Iterator

from memcell.recurrent.refusals import Unsupported
from memcell_compiler.emit.memory import ProgramMemory, literal
from memcell_compiler.emit.nest import Nest
from memcell_compiler.emit.sums import variance_row
from memcell_compiler.ir.elementwise import C_SOURCE
from memcell_compiler.ir.ir import ColumnRange, Number, Op, Operand, Value, pieces
from memcell_compiler.ir.program import Added, StorePlace
from memcell_compiler.passes.schedule import LANE_SUMS, Schedule

#: Functions that the compiler leaves as calls: the loop around them is not vector code.
START = {"sum": "0", "max": "-INFINITY", "min": "INFINITY"}
STEP = {"sum": "{0} += {1};", "max": "{0} = m_max({0}, {1});", "min": "{0} = m_min({0}, {1});"}


#: A value that is added up, a piece of what it is added up of, and where that goes.
_Reduction = tuple[Value, Operand, ColumnRange | None]


class RowLoop:
    """The loop over rows of one stage.

    Args:
        memory: Where values lie.
        schedule: The order.
        stage: Which stage.
        added: Vectors that are added up over the loop, by the piece of them.
        ahead: Whether a product of the step asks for what is saved.
    """

    def __init__(
        self,
        memory: ProgramMemory,
        schedule: Schedule,
        stage: int,
        added: dict[ColumnRange, list[tuple[Added, int]]],
        ahead: bool = False,
    ) -> None:
        self._ahead = ahead
        self.memory, self.schedule, self.stage, self.added = memory, schedule, stage, added
        self.lines: list[str] = []
        self._scalars: dict[object, str] = {}
        self._defined: set[str] = set()

    def write(self) -> list[str]:
        """Return the loop's lines, or none where the stage has nothing to do for rows."""
        schedule = self.schedule
        mine = [
            v
            for v in schedule.values
            if schedule.stage.get(v) == self.stage and v in schedule.level
        ]
        mine = [v for v in mine if v.rows or v.op in LANE_SUMS]
        if not mine:
            return []
        sums = [v for v in mine if v.op is Op.ROWSUM]
        for value in sums:
            self.lines.append(f"real v{value.order} = {START[value.name]};")
        for value in mine:
            if value.op is Op.FOLD:
                at = self.memory.element(ColumnRange(value, 0, value.width), "j")
                head = f"for (long j = 0; j < {value.width}; j++)"
                self.lines.append(f"{head} {at} = {START[value.name]};")
        last = max(self._last_level(v) for v in mine)
        for level in range(last + 1):
            self._level(level, mine)
        lines = [*self._prefetch(), *self.lines]
        return ["for (long r = 0; r < n; r++) {", *(f"  {line}" for line in lines), "}"]

    def _prefetch(self) -> list[str]:
        """Ask for what the row after next has saved: records are long, and streams end at pages."""
        program = self.memory.program
        places = [*program.given.values(), *(place for _, place in program.stores)]
        width = next((p.array.width for p in places if p.array.name == "saved"), 0)
        back = int(program.backward)
        if not width or self.stage != (0 if back else self._saving()):
            return []
        fetch = "fetch_row_alone" if self._ahead else "fetch_row"
        return [f"{fetch}(saved, r + 2, n, {'-B' if back else 'B'}, {width}, {1 - back});"]

    def _saving(self) -> int:
        """Return the stage that stores most of what is saved."""
        schedule = self.schedule
        columns: dict[int, int] = {0: 0}
        for value, places in schedule.targets.items():
            named = {p.array.name for p in places if isinstance(p, StorePlace)}
            if "saved" in named and value in schedule.stage:
                stage = schedule.stage[value]
                columns[stage] = columns.get(stage, 0) + value.width
        return max(columns, key=lambda stage: columns[stage])

    def _last_level(self, value: Value) -> int:
        level = self.schedule.level[value]
        return level + 1 if value.op is Op.ROWSUM else level

    def _level(self, level: int, mine: list[Value]) -> None:
        schedule = self.schedule
        for value in mine:
            if value.op is Op.ROWSUM and schedule.level[value] == level - 1:
                self._keep_scalar(value)
        for value in mine:
            if value.op is Op.POINT and value.width == 1 and schedule.level[value] == level:
                self.lines.append(f"const real v{value.order} = {self._point(value, None)};")
                self._keep_scalar(value)
        paired = {s.value for v in mine if v.op is Op.VARIANCE for s in pieces(v.right)}
        reductions = [
            (value, piece, value.into[i] if value.into else None)
            for value in mine
            if value.op in (Op.ROWSUM, Op.FOLD, *LANE_SUMS) and value not in paired
            for i, piece in enumerate(value.args)
            if level == (self._read_at(piece) if isinstance(piece, ColumnRange) else 0)
        ]
        points = [
            v for v in mine if v.op is Op.POINT and v.width > 1 and schedule.level[v] == level
        ]
        widths = {v.width for v in points} | {p.width for _, p, _ in reductions}
        for width in sorted(widths):
            self._columns(
                width,
                [v for v in points if v.width == width],
                [r for r in reductions if r[1].width == width],
            )

    def _read_at(self, piece: ColumnRange) -> int:
        return self.schedule.level_read(piece, self.stage, piece.width)

    def _keep_scalar(self, value: Value) -> None:
        for target in self.schedule.targets.get(value, []):
            self.lines.append(f"{self.memory.target(target, value, '0')} = v{value.order};")
        if value in self.memory.plan.block_memory:
            self.lines.append(
                f"{self.memory.element(ColumnRange(value, 0, 1), '0')} = v{value.order};"
            )

    def _columns(self, width: int, points: list[Value], reductions: list[_Reduction]) -> None:
        loop = _Columns(self, width, Nest(width, self._shapes(points, reductions)))
        for value in points:
            name = loop.name(value)
            for target in self.schedule.targets.get(value, []):
                loop.lines.append(f"{self.memory.target(target, value, 'j')} = {name};")
            if value in self.memory.plan.row_memory or value in self.memory.plan.block_memory:
                place = self.memory.element(ColumnRange(value, 0, width), "j")
                loop.lines.append(f"{place} = {name};")
        for value, piece, into in reductions:
            expression = self.operand(piece, loop)
            if into is not None:
                loop.fold(value, into, expression)
                continue
            if value.op is Op.ROWSUM:
                loop.reduce(value, f"v{value.order}", expression)
                continue
            if value.op is Op.VARIANCE:
                loop.lines += variance_row(self.memory, value, expression)
                continue
            if value not in self.schedule.onward:
                loop.lines.append(f"v{value.order}_part[j] += {expression};")
                continue
            for added, offset in self.added.get(ColumnRange(value, 0, value.width), []):
                loop.lines.append(f"{added.name}_sum[{offset} + j] += {expression};")
        names = ",".join(dict.fromkeys(loop.sums))
        pragma = [f"#pragma omp simd{f' reduction(+:{names})' if names else ''}"]
        pragma = pragma if loop.vector else []
        paneled = any(map(self.memory.in_panels, points))
        if not loop.nest.flat:
            panel = ["const long q = j / PANEL, i = j % PANEL;"] if paneled else []
            inside = [*panel, *loop.lines]
            self.lines += loop.nest.written(pragma, loop.before, inside, loop.after)
            return
        self.lines += ["{", *loop.before] if loop.before else []
        if paneled:
            self.lines.append(f"for (long q = 0; q < {width} / PANEL; q++)")
            head = ["for (long i = 0; i < PANEL; i++) {", "  const long j = q * PANEL + i;"]
        else:
            head = [f"for (long j = 0; j < {width}; j++) {{"]
        self.lines += [*pragma, *head, *(f"  {line}" for line in loop.lines), "}", *loop.after]
        self.lines += ["}"] if loop.before else []

    def _shapes(
        self, points: list[Value], reductions: list[_Reduction]
    ) -> Iterator[tuple[int, ...]]:
        """Yield the dimensions along which a loop reads and adds up."""
        for _, piece, into in reductions:
            yield from (p.sizes for p in (piece, into) if isinstance(p, ColumnRange) and p.sizes)
        pending = [*points, *(p.value for _, p, _ in reductions if isinstance(p, ColumnRange))]
        seen: set[Value] = set()
        while pending:
            value = pending.pop()
            if value in seen:
                continue
            seen.add(value)
            inlined = value in self.schedule.free or value in self.memory.plan.again
            if value.op is Op.POINT and (value in points or inlined):
                for piece in pieces(value.args):
                    if piece.sizes:
                        yield piece.sizes
                    pending.append(piece.value)

    # --- expressions ----------------------------------------------------------------------------

    def operand(self, operand: Operand, loop: _Columns | None) -> str:
        """Return the C of an operand in a loop over columns, or None's: in the row itself."""
        if isinstance(operand, Number):
            return literal(operand)
        if operand.width == 1:
            return self._scalar(operand)
        assert loop is not None
        return loop.operand(operand)

    def _scalar(self, piece: ColumnRange) -> str:
        value = piece.value
        schedule = self.schedule
        here = schedule.stage.get(value) == self.stage
        if here and value.width == 1 and value.op in (Op.POINT, Op.ROWSUM) and value.rows:
            return f"v{value.order}"
        key = (value, piece.offset)
        if key not in self._scalars:
            name = f"s{len(self._scalars)}_{self.stage}"
            self._scalars[key] = name
            if value in schedule.free and value.op is Op.POINT:
                code = self._point(value, None)
            elif value.op in (Op.GATHER, Op.LOOKUP) and value not in self.memory.program.given:
                code = self.picked(piece, "0")
            else:
                code = self.memory.element(piece, "0")
            self.lines.append(f"const real {name} = {code};")
        return self._scalars[key]

    def _point(self, value: Value, loop: _Columns | None) -> str:
        if value.name not in C_SOURCE:
            raise Unsupported(f"no C for {value.name}")
        return C_SOURCE[value.name].format(*(self.operand(a, loop) for a in value.args))

    def picked(self, piece: ColumnRange, j: str, column: str | None = None) -> str:
        """Return the C of a column of the row that an index names.

        Args:
            piece: The piece.
            j: Its column.
            column: The column of its value that this is, where it is known otherwise.
        """
        value = piece.value
        index = value.args[0]
        assert isinstance(index, ColumnRange)
        key = ("index", value.args)
        if key not in self._scalars:
            self._scalars[key] = f"i{len(self._scalars)}_{self.stage}"
            self.lines.append(f"const long {self._scalars[key]} = (long){self._scalar(index)};")
        row = self._scalars[key]
        at = f"{piece.offset} + {j}" if column is None else column
        if value.op is Op.GATHER:
            assert value.table is not None
            table = self.memory.program.given[value.table].array.name
            if column is None:
                at = f"{value.offset + piece.offset} + {j}"
            elif value.offset:
                at = f"{value.offset} + {column}"
            return f"{table}[{row} * {value.name} + {at}]"
        join = self.schedule.join(value.right, "shared")
        if join is not None:
            return f"{join.name}[{row} * {join.width} + {at}]"
        source = value.right[0]
        assert isinstance(source, ColumnRange)
        return f"v{source.value.order}_at[{row} * {source.value.width} + {at}]"


class _Columns:
    """One loop over columns: every value in it is computed once."""

    def __init__(self, rows: RowLoop, width: int, nest: Nest) -> None:
        self.rows, self.width, self.nest = rows, width, nest
        self.lines: list[str] = []
        self.before: list[str] = []
        self.after: list[str] = []
        self.sums: list[str] = []
        self.vector = True
        self._names: dict[object, str] = {}

    def name(self, value: Value) -> str:
        """Return the variable of a value computed in this loop."""
        if value not in self._names:
            code = self.rows._point(value, self)
            self._names[value] = f"v{value.order}"
            self.lines.append(f"const real v{value.order} = {code};")
        return self._names[value]

    def operand(self, piece: ColumnRange) -> str:
        """Return the variable of a piece: computed here, or read here once."""
        value, schedule = piece.value, self.rows.schedule
        if value.width == 1:  # one number, repeated
            return self.rows._scalar(ColumnRange(value, 0, 1))
        if value in schedule.free and value.op is Op.POINT and piece.whole:
            return self.name(value)
        here = (
            value.op is Op.POINT
            and value.rows
            and schedule.stage.get(value) == self.rows.stage
            and piece.whole
            and value in self._names
        )
        if here:
            return self._names[value]
        if value in self.rows.memory.plan.again and piece.whole:
            return self.name(value)
        key = (value, piece.offset, piece.width, piece.sizes, piece.strides)
        if key not in self._names:
            index, step = self.column(piece) if piece.sizes else (None, 1)
            if value.op in (Op.GATHER, Op.LOOKUP) and value not in self.rows.memory.program.given:
                code = self.rows.picked(piece, "j", index)
            else:
                code = self.rows.memory.element(piece, "j", index)
            self._names[key] = f"e{len(self._names)}"
            lines = self.before if step == 0 else self.lines
            lines.append(f"const real {self._names[key]} = {code};")
        return self._names[key]

    def column(self, piece: ColumnRange) -> tuple[str, int | None]:
        """Return the column of its value that a piece is read or added up at, and its innermost step."""
        index, step = self.nest.index(piece)
        if step:
            k = "j" if self.nest.flat else "k"
            index = f"{index} + {k}" if step == 1 else f"{index} + {k} * {step}"
        return index, step

    def reduce(self, value: Value, name: str, expression: str) -> None:
        """Add a column to a variable (or take the larger, smaller)."""
        self.lines.append(STEP[value.name].format(name, expression))
        self.sums += [name] if value.name == "sum" else []
        self.vector &= value.name == "sum"

    def fold(self, value: Value, into: ColumnRange, expression: str) -> None:
        """Add a column up at its place."""
        index, step = self.column(into)
        at = self.rows.memory.element(ColumnRange(value, 0, value.width), "j", index)
        if step == 0:
            name = f"f{len(self.after)}_{value.order}"
            self.before.append(f"real {name} = {START[value.name]};")
            self.after.append(STEP[value.name].format(at, name))
            self.reduce(value, name, expression)
            return
        self.lines.append(STEP[value.name].format(at, expression))
        self.vector &= step is not None
