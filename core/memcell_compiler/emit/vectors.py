"""Stage 5d, write: what is computed once a step for all lanes: statistics of a batch and the like."""

from __future__ import annotations

from memcell_compiler.emit.context import Context, indented
from memcell_compiler.emit.memory import index_of, literal
from memcell_compiler.emit.rows import START, STEP
from memcell_compiler.ir.elementwise import C_SOURCE
from memcell_compiler.ir.ir import ColumnRange, Number, Op, Operand, Value


def vectors(c: Context, values: list[Value]) -> list[str]:
    """Write what is computed once a step for all lanes: one loop for values of one width in turn."""
    lines: list[str] = []
    group: list[Value] = []
    for value in [*values, None]:
        together = value is not None and value.op is Op.POINT
        if group and (value is None or not together or value.width != group[0].width):
            lines += vector_loop(c, group)
            group = []
        if value is not None and together:
            group.append(value)
        elif value is not None:
            lines += vector_reduction(c, value)
    stores = [line for v in values for line in vector_stores(c, v)]
    if stores:
        lines += ["if (tid == 0 && b0 == first) {", *indented(stores), "}"]
    return lines


def vector_loop(c: Context, values: list[Value]) -> list[str]:
    """Write one loop that computes several."""
    lines = ["#pragma omp simd", f"for (long j = 0; j < {values[0].width}; j++) {{"]
    for value in values:
        operands = (
            f"v{a.value.order}"
            if isinstance(a, ColumnRange) and a.value in values and a.whole
            else plain(c, a, "j")
            for a in value.args
        )
        name = f"v{value.order}"
        lines.append(f"  const real {name} = {C_SOURCE[value.name].format(*operands)};")
        lines.append(f"  {name}_at[j] = {name};")
    return [*lines, "}"]


def vector_reduction(c: Context, value: Value) -> list[str]:
    """Write the sum of a vector."""
    if value.op is Op.FOLD:
        return _vector_fold(c, value)
    start = START[value.name]
    step = {"sum": "total + {}", "max": "m_max(total, {})", "min": "m_min(total, {})"}
    lines = [f"{{ real total = {start};"]
    for tile in value.args:
        read = step[value.name].format(plain(c, tile, "j"))
        lines.append(f"  for (long j = 0; j < {tile.width}; j++) total = {read};")
    return [*lines, f"  v{value.order}_at[0] = total; }}"]


def _vector_fold(c: Context, value: Value) -> list[str]:
    at = f"v{value.order}_at"
    lines = [f"for (long j = 0; j < {value.width}; j++) {at}[j] = {START[value.name]};"]
    for tile, into in zip(value.args, value.into, strict=True):
        added = STEP[value.name].format(f"{at}[{index_of(into, 'j')}]", plain(c, tile, "j"))
        lines.append(f"for (long j = 0; j < {tile.width}; j++) {added}")
    return lines


def plain(c: Context, operand: Operand, j: str) -> str:
    """Return the C of an operand."""
    if isinstance(operand, Number):
        return literal(operand)
    return c.memory.element(operand, "0" if operand.width == 1 else j)


def vector_stores(c: Context, value: Value) -> list[str]:
    """Write where one is stored."""
    lines = []
    for target in c.schedule.targets.get(value, []):
        to = c.memory.target(target, value, "j")
        lines.append(f"for (long j = 0; j < {value.width}; j++) {to} = v{value.order}_at[j];")
    return lines


def vector_sums(c: Context) -> list[str]:
    """Write what is added up over time."""
    lines = []
    for piece, places in c.added.items():
        if piece.value in c.schedule.onward:
            continue
        for added, offset in places:
            lines.append(
                f"if (tid == 0 && b0 == first) for (long j = 0; j < {piece.width}; j++) "
                f"{added.name}_sum[{offset} + j] += {plain(c, piece, 'j')};"
            )
    return lines
