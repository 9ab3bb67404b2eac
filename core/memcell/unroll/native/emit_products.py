"""Stage 5c, write: matrix products, in the step and for a chunk of steps before and after."""

from __future__ import annotations

from memcell.unroll.native.context import Context
from memcell.unroll.native.ir import Op, Piece, Value
from memcell.unroll.native.memory import padded
from memcell.unroll.native.program import Added


def product(c: Context, value: Value) -> str:
    """Write a product of the step."""
    assert value.matrix is not None
    depth, columns = value.matrix.shape
    left, lda = c.memory.rows_of(value.args, "block")
    to, ldc = c.memory.buffer(value)
    add = int(value.onto is not None)
    return (
        f"k_->multiply(n, {columns}, {depth}, {left}, {lda}, {c.matrix(value)}, "
        f"{to}, {ldc}, {add});"
    )


def early(c: Context) -> list[str]:
    """Write the products of inputs for a chunk's steps."""
    lines = []
    for value in c.schedule.early:
        assert value.matrix is not None
        depth, columns = value.matrix.shape
        piece = value.args[0]
        assert isinstance(piece, Piece)
        place = c.program.given[piece.value]
        width, offset = place.array.width, place.offset + piece.offset
        source = f"{c.memory.handed(place.array.name)} + (low * B + b0) * {width} + {offset}"
        name, ld = c.memory.buffer(value)
        w = c.matrix(value)
        lines += [
            f"if (n == B) k_->multiply(steps * n, {columns}, {depth}, {source}, {width}, {w}, "
            f"{name}_base, {ld}, 0);",
            f"else for (long q = 0; q < steps; q++) k_->multiply(n, {columns}, {depth}, "
            f"{source} + q * B * {width}, {width}, {w}, {name}_base + q * n * {ld}, {ld}, 0);",
        ]
    return lines


def late(c: Context) -> list[str]:
    """Write what a chunk's steps leave to be multiplied."""
    lines: list[str] = []
    for value in c.schedule.late:
        if value.op is Op.MATMUL:
            lines += late_product(c, value)
    for added in c.program.added:
        if added.outer is not None:
            lines += outer(c, added, added.outer)
    return lines


def late_product(c: Context, value: Value) -> list[str]:
    """Write a product that goes to an array, for a chunk of steps."""
    assert value.matrix is not None
    depth, columns = value.matrix.shape
    place = c.schedule.late_stores[value]
    width = place.array.width
    to = f"{c.memory.handed(place.array.name)} + (low * B + b0) * {width} + {place.offset}"
    join = c.schedule.join(value.args, "chunk")
    if join is not None:
        source, ld, step = f"{join.name}_base", padded(join.width), f"n * {padded(join.width)}"
    else:
        piece = value.args[0]
        assert isinstance(piece, Piece)
        given = c.program.given[piece.value]
        ld = given.array.width
        source = (
            f"{c.memory.handed(given.array.name)} + (low * B + b0) * {ld} "
            f"+ {given.offset + piece.offset}"
        )
        step = f"B * {ld}"
    w = c.matrix(value)
    return [
        f"if (n == B) k_->multiply(steps * n, {columns}, {depth}, {source}, {ld}, {w}, "
        f"{to}, {width}, 0);",
        f"else for (long q = 0; q < steps; q++) k_->multiply(n, {columns}, {depth}, "
        f"{source} + q * {step}, {ld}, {w}, {to} + q * B * {width}, {width}, 0);",
    ]


def outer(c: Context, added: Added, value: Value) -> list[str]:
    """Write a sum of products of two row values, for a chunk of steps."""
    left = c.schedule.join(value.args, "chunk")
    right = c.schedule.join(value.right, "chunk")
    assert left is not None
    area = f"{added.name}_packing"
    columns = value.width
    c.buffers.append((area, f"chunk * most * {-(-columns // 16) * 16}"))
    packing = f"{area}_base"
    if right is not None:
        ld = padded(right.width)
        lines = [
            f"k_->pack(steps * n, {columns}, {right.name}_base, {ld}, 0, {packing}, 0, steps * n);"
        ]
    else:
        piece = value.right[0]
        assert isinstance(piece, Piece)
        given = c.program.given[piece.value]
        width = given.array.width
        source = (
            f"{c.memory.handed(given.array.name)} + (low * B + b0) * {width} "
            f"+ {given.offset + piece.offset}"
        )
        lines = [
            f"for (long q = 0; q < steps; q++) k_->pack(n, {columns}, {source} + q * B * {width}, "
            f"{width}, 0, {packing}, q * n, steps * n);"
        ]
    return [
        *lines,
        f"k_->outer({left.width}, {columns}, steps * n, {left.name}_base, {padded(left.width)}, "
        f"{packing}, {added.name}_sum, {added.width});",
    ]


def scatter(c: Context, value: Value) -> list[str]:
    """Write the sum of rows by index: each thread does its columns of all rows."""
    index = c.schedule.join(value.args, "shared")
    source = c.schedule.join(value.right, "shared")
    assert index is not None
    assert source is not None
    name, width = f"v{value.order}_at", value.width
    return [
        "{",
        f"  const long j0 = {width} * tid / w->threads, j1 = {width} * (tid + 1) / w->threads;",
        f"  for (long b = 0; b < B; b++) memset({name} + b * {width} + j0, 0, "
        "sizeof(real) * (size_t)(j1 - j0));",
        f"  for (long b = 0; b < B; b++) {{ const long i = (long){index.name}[b];",
        f"    for (long j = j0; j < j1; j++) {name}[i * {width} + j] += "
        f"{source.name}[b * {width} + j]; }}",
        "}",
        "meet(w);",
    ]
