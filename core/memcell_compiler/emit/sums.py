"""Stage 5h, write: sums over the lanes: each thread's own rows, then all threads' together.

A thread's share of a sum is ``NAME_part``, all shares are ``NAME_parts``. A variance has its thread's first
row beside it, ``NAME_pivot``: read before the loop where it lies in memory then.
"""

from __future__ import annotations

from memcell_compiler.emit.memory import ProgramMemory, padded
from memcell_compiler.ir.ir import Op, Value, pieces


def begin_sums(memory: ProgramMemory, sums: list[Value]) -> list[str]:
    """Write what comes before the rows."""
    lines = []
    for value in sums:
        if value.op is Op.VARIANCE and _lies(memory, value):
            (piece,) = pieces(value.args)
            at = memory.element(piece, "j")
            lines += [
                f"for (long r = 0, j = 0; j < {value.width}; j++) v{value.order}_pivot[j] = {at};"
            ]
    for value in sums:
        size = padded(value.width)
        lines += [
            f"real *const v{value.order}_part = v{value.order}_parts + tid * {size};",
            f"memset(v{value.order}_part, 0, sizeof(real) * {value.width});",
        ]
    return lines


def variance_row(memory: ProgramMemory, value: Value, element: str) -> list[str]:
    """Write what a row adds to a variance and to the sum beside it."""
    name, total = f"v{value.order}", _total(value)
    pivot = [f"const real {name}_p = {name}_pivot[j];"]
    if not _lies(memory, value):
        pivot = [
            f"const real {name}_p = r ? {name}_pivot[j] : {element};",
            f"{name}_pivot[j] = {name}_p;",
        ]
    return [
        *pivot,
        f"const real {name}_d = {element} - {name}_p;",
        f"{total}_part[j] += {name}_d;",
        f"{name}_part[j] += {name}_d * {name}_d;",
    ]


def own_variances(sums: list[Value]) -> list[str]:
    """Write, behind the rows, what makes sums of distances from a row the thread's sums and variances."""
    lines = []
    for value in sums:
        if value.op is Op.VARIANCE:
            name, total = f"v{value.order}", _total(value)
            lines += [
                "#pragma omp simd",
                f"for (long j = 0; j < {value.width}; j++) {{",
                f"  const real d_ = {total}_part[j];",
                f"  {name}_part[j] = m_max({name}_part[j] - d_ * d_ / (real)n, 0);",
                f"  {total}_part[j] = d_ + (real)n * {name}_pivot[j];",
                "}",
            ]
    return lines


def merged_sums(sums: list[Value]) -> list[str]:
    """Write, where threads have met, the sums of all of them."""
    lines = []
    for value in sums:
        name, size = f"v{value.order}", padded(value.width)
        lines += [
            f"memcpy({name}_at, {name}_parts, sizeof(real) * {value.width});",
            "for (long i = 1; i < w->threads; i++)",
            f"  for (long j = 0; j < {value.width}; j++) {name}_at[j] += "
            f"{name}_parts[i * {size} + j];",
        ]
    for value in sums:
        if value.op is Op.VARIANCE:
            name, size, total = f"v{value.order}", padded(value.width), _total(value)
            lines += [
                "for (long i = 0; i < w->threads && w->threads > 1; i++) {",
                "  const real n_ = B * (i + 1) / w->threads - B * i / w->threads;",
                f"  for (long j = 0; j < {value.width}; j++) {{",
                f"    const real d_ = {total}_parts[i * {size} + j] / n_ - {total}_at[j] / (real)B;",
                f"    {name}_at[j] += n_ * d_ * d_;",
                "  }",
                "}",
            ]
    return lines


def _lies(memory: ProgramMemory, value: Value) -> bool:
    """Whether what a variance is of lies in memory before the loop over rows."""
    (piece,) = pieces(value.args)
    return piece.value.op is Op.MATMUL or piece.value in memory.program.given


def _total(value: Value) -> str:
    (total,) = pieces(value.right)
    return f"v{total.value.order}"
