"""Stage 5c, write: matrix products, in the step and for a chunk of steps before and after."""

from __future__ import annotations

from collections.abc import Sequence

from memcell_compiler.emit.context import Context
from memcell_compiler.emit.memory import padded
from memcell_compiler.ir.ir import ColumnRange, Op, Tiles, Value
from memcell_compiler.ir.program import Added


def product(c: Context, value: Value) -> list[str]:
    """Write a product of the step with those that it is added onto: one sum over all their depths."""
    chain = [value]
    while chain[0].onto is not None:
        chain.insert(0, chain[0].onto)
    to, ldc = c.memory.buffer(value)
    lines, count, add = [], [], "0"
    for each in chain:
        assert each.matrix is not None
        line, parts = segments(c, each.args, each.matrix.shape[0], c.matrix(each), "")
        if each in c.schedule.early:  # with a chunk it has been done
            line, add = f"if (chunk == 1) {line}", "chunk > 1"
        lines.append(line)
        count.append(parts)
    swap = c.swaps.get(value)
    ahead = streams(c) if value is c.longest_product() else ()
    return combined(lines, count, f"n, {value.width}", to, ldc, add, swap, ahead)


def streams(c: Context) -> list[str]:
    """Return what the loops over rows will read or write next, and memory may fetch during a product.

    Forwards that is what this step saves, backwards what the step before has saved and was given.
    """
    program = c.program
    if program.backward:
        carried = {f"{s.name}_in" for s in program.states}
        arrays = {
            p.array.name: p.array.width
            for p in program.given.values()
            if p.array.steps and p.array.rows
        }
        return [
            f"stream({name} - B * {width}, n * {width})"
            for name, width in sorted(arrays.items(), key=lambda a: a[1])
            if name not in carried
        ]
    saved = {p.array.name: p.array.width for _, p in program.stores if p.array.name == "saved"}
    states = {f"{s.name}_out": s.width for s in program.states} if saved else {}
    return [f"stream({name}, n * {width})" for name, width in (states | saved).items() if width]


def segments(c: Context, tiles: Tiles, depth: int, packed: str, at: str) -> tuple[str, str]:
    """Write the parts of a product's left factor, and how many there are.

    Args:
        c: The program.
        tiles: The left factor.
        depth: Its columns.
        packed: The right factor.
        at: What is added to a row's address, where it is kept for a chunk.
    """
    join = c.schedule.join(tiles, "chunk" if at else "block")
    if join is not None and join.panels:
        name = f"{join.name}_base{at}" if at else join.name
        return (
            f"for (long q_ = 0; q_ < {depth} / PANEL; q_++) e_[z_++] = (struct segment)"
            f"{{PANEL, {name} + q_ * rows_ * PANEL, PANEL, {packed}, q_ * PANEL, {depth}}};",
            f"{depth} / PANEL",
        )
    left, lda = c.memory.rows_of(tiles, "block")
    return f"e_[z_++] = (struct segment){{{depth}, {left}, {lda}, {packed}, 0, {depth}}};", "1"


def combined(
    lines: list[str],
    count: list[str],
    sizes: str,
    to: str,
    ldc: int,
    add: str,
    swap: str | None = None,
    ahead: Sequence[str] = (),
) -> list[str]:
    """Write a product of the parts that lines list.

    Args:
        lines: What fills the list of parts.
        count: How many parts each of them adds at most.
        sizes: Rows and columns of the product.
        to: Where it goes.
        ldc: Distance between rows there.
        add: Whether it is added to what lies there.
        swap: Where threads may share its columns.
        ahead: Streams that its kernel may ask for meanwhile.
    """
    shared = f"if (w->split) combine_shared(w, tid, {swap}, {sizes}, z_, e_, {to}, {ldc}, {add});"
    return [
        "{",
        f"  struct segment e_[{' + '.join(count)}]; long z_ = 0;",
        *(f"  {line}" for line in lines),
        *([f"  read_ahead(e_, {', '.join(ahead)});"] if ahead else []),
        *([f"  {shared}", "  else"] if swap else []),
        f"  k_->combine({sizes}, z_, e_, 0, {to}, {ldc}, {add});",
        "}",
    ]


def early(c: Context) -> list[str]:
    """Write the products of inputs for a chunk's steps."""
    lines = []
    for value in c.schedule.early:
        assert value.matrix is not None
        depth, columns = value.matrix.shape
        piece = value.args[0]
        assert isinstance(piece, ColumnRange)
        place = c.program.given[piece.value]
        width, offset = place.array.width, place.offset + piece.offset
        source = f"{c.memory.handed(place.array.name)} + (low * B + b0) * {width} + {offset}"
        name, ld = c.memory.buffer(value)
        w = c.matrix(value)
        if value in c.schedule.bases:  # else it is a part of the step's product
            lines.append("if (chunk > 1) {")
        lines += [
            f"if (n == B) k_->multiply(steps * n, {columns}, {depth}, {source}, {width}, {w}, "
            f"{name}_base, {ld}, 0);",
            f"else for (long q = 0; q < steps; q++) k_->multiply(n, {columns}, {depth}, "
            f"{source} + q * B * {width}, {width}, {w}, {name}_base + q * n * {ld}, {ld}, 0);",
        ]
        if value in c.schedule.bases:
            lines.append("}")
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
    if join is not None and join.panels:
        part, count = segments(c, value.args, depth, c.matrix(value), " + q * n * PANEL")
        done = combined([part], [count], f"n, {columns}", f"{to} + q * B * {width}", width, "0")
        return ["for (long q = 0; q < steps; q++)", *done]
    if join is not None:
        source, ld, step = f"{join.name}_base", padded(join.width), f"n * {padded(join.width)}"
    else:
        piece = value.args[0]
        assert isinstance(piece, ColumnRange)
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
    packing, rows, lines = _packed(c, added, value)
    left = c.schedule.join(value.args, "chunk")
    depth, columns = sum(t.width for t in value.args), value.width
    if left is not None:
        source, ld = f"{left.name}_base", padded(left.width)
        parts = [
            "struct segment e_[1]; const long z_ = 1;",
            f"e_[0] = (struct segment){{steps * n, {source}, {ld}, {packing}, 0, {rows}}};",
        ]
    else:
        source, ld = _given(c, value.args)
        parts = [
            "struct segment e_[chunk]; const long z_ = steps;",
            "for (long q = 0; q < steps; q++) e_[q] = (struct segment)"
            f"{{n, {source} + q * B * {ld}, {ld}, {packing}, q * n, {rows}}};",
        ]
    return [
        *lines,
        "{",
        *(f"  {line}" for line in parts),
        f"  k_->combine({depth}, {columns}, z_, e_, 1, {added.name}_sum, {added.width}, 1);",
        "}",
    ]


def _packed(c: Context, added: Added, value: Value) -> tuple[str, str, list[str]]:
    """Return a sum's packed right factor, its rows, and what packs it: nothing where it lies so."""
    right = c.schedule.join(value.right, "chunk")
    if right is not None and right.panels:
        return f"{right.name}_base", "rows_", []
    area, columns = f"{added.name}_packing", value.width
    c.buffers.append((area, f"chunk * most * {-(-columns // 16) * 16}"))
    packing = f"{area}_base"
    if right is not None:
        line = (
            f"k_->pack(steps * n, {columns}, {right.name}_base, {padded(right.width)}, 0, "
            f"{packing}, 0, steps * n);"
        )
    else:
        source, width = _given(c, value.right)
        line = (
            f"for (long q = 0; q < steps; q++) k_->pack(n, {columns}, {source} + q * B * {width}, "
            f"{width}, 0, {packing}, q * n, steps * n);"
        )
    return packing, "steps * n", [line]


def _given(c: Context, tiles: Tiles) -> tuple[str, int]:
    """Return where a chunk's first row of something handed to the program lies, and its width."""
    piece = tiles[0]
    assert isinstance(piece, ColumnRange)
    place = c.program.given[piece.value]
    width = place.array.width
    at = f"(low * B + b0) * {width} + {place.offset + piece.offset}"
    return f"{c.memory.handed(place.array.name)} + {at}", width


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
    ]
