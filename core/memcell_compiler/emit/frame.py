"""Stage 5f, write: what stands around a program's loops: names, pointers, and how much memory it needs."""

from __future__ import annotations

from memcell_compiler.emit.context import Context
from memcell_compiler.emit.memory import padded
from memcell_compiler.emit.vectors import vectors as write_vectors
from memcell_compiler.ir.ir import Value


def head(c: Context) -> list[str]:
    """Write the names that hold for the whole call."""
    lines = [
        "const long T = w->steps, B = w->lanes, chunk = w->chunk;",
        "const struct kernels *const k_ = w->kernels;",
        "const long first = w->split ? 0 : B * tid / w->threads;",
        "const long last = w->split ? B : B * (tid + 1) / w->threads;",
    ]
    if c.schedule.mixes:
        lines.append("const long blocks = 1, most = last - first;")
    else:
        lines.append("const long blocks = (last - first + w->block - 1) / w->block;")
        lines.append("const long most = least(w->block, last - first);")
    for matrix, name in c.matrices.items():
        depth, columns = matrix.shape
        lines.append(f"const real *const {name} = packed;")
        lines.append(f"packed += k_->packed_size({depth}, {columns});")
    for name, size in c.buffers:
        lines.append(f"real *const {name}_base = scratch;")
        lines.append(f"scratch += ALIGNED({size});")
    lines += [f"const real *const {n} = {c.memory.handed(n)};" for n in parameters(c)]
    for added in c.program.added:
        numbers = added.width * (_rows(added.outer) if added.outer else 1)
        at = f"{c.memory.handed(added.name)} + tid * {numbers}L"
        lines.append(f"real *const {added.name}_sum = {at};")
    for name, size in c.rows:
        lines.append(f"real *const {name} = scratch;")
        lines.append(f"scratch += ALIGNED({size});")
    lines += [
        f"real {name}[{size}] __attribute__((aligned(ALIGNMENT)));" for name, size in c.on_stack
    ]
    lines += write_vectors(c, c.schedule.setup)
    lines += ["(void)k_; (void)packed; (void)scratch; (void)most;"]
    return lines


def parameters(c: Context) -> list[str]:
    """Return the arrays that are the same at every step."""
    places = c.program.given.values()
    return list(dict.fromkeys(p.array.name for p in places if not p.array.steps))


def open_block(c: Context) -> list[str]:
    """Write what begins a block of rows: a backward loop's cotangents are zeros."""
    if not c.program.backward:
        return []
    lines = []
    for state in c.program.states:
        size = f"n * {padded(state.width)}"
        lines += [
            f"real *{state.name}_in = {state.name}_in_base, *{state.name}_out = {state.name}_out_base;",
            f"memset({state.name}_in, 0, sizeof(real) * (size_t)({size}));",
        ]
    return lines


def close_block(c: Context) -> list[str]:
    """Write what ends it: what is left of them is the first state's."""
    if not c.program.backward:
        return []
    return [
        f"copy_rows(n, {s.width}, {s.name}_in, {padded(s.width)}, "
        f"{c.memory.handed(f'{s.name}_first')} + b0 * {s.width}, {s.width});"
        for s in c.program.states
    ]


def pack_function(c: Context, name: str) -> list[str]:
    """Write what packs the weights, and returns how many numbers that takes."""
    lines = [
        f"long {name}_pack(const struct kernels *k, real *const *p, real *packed) {{",
        "  long size = 0;",
    ]
    for matrix in c.matrices:
        place = c.program.given[matrix.leaf]
        depth, columns = matrix.shape
        source = f"{c.memory.handed(place.array.name)} + {matrix.start}"
        lines += [
            f"  if (packed) k->pack({depth}, {columns}, {source}, {matrix.columns}, "
            f"{int(matrix.transposed)}, packed + size, 0, {depth});",
            f"  size += k->packed_size({depth}, {columns});",
        ]
    return [*lines, "  (void)p;", "  return size;", "}"]


def sizes_function(c: Context, name: str) -> list[str]:
    """Write what returns how many numbers of scratch (0) and of shared memory (1) are needed."""
    return [
        f"long {name}_sizes(const struct window *w, long shared) {{",
        "  const long B = w->lanes, chunk = w->chunk, threads = w->threads;",
        f"  const long most = {'B' if c.schedule.mixes else 'least(w->block, B)'};",
        "  (void)B; (void)chunk; (void)threads; (void)most;",
        "  long total = 0;",
        "  if (shared) {",
        *(f"    total += 2 * ALIGNED({size});" for _, size in c.shared),
        "  } else {",
        *(f"    total += ALIGNED({size});" for _, size in (*c.buffers, *c.rows)),
        "  }",
        "  return total;",
        "}",
    ]


def pointers(c: Context) -> list[str]:
    """Write a step's addresses."""
    lines = []
    names = {f"{s.name}_in" for s in c.program.states}
    arrays = {p.array.name: p.array for p in c.program.given.values() if p.array.steps}
    stored = {
        place.array.name: place.array
        for value, places in c.schedule.targets.items()
        for place in places
        if not isinstance(place, tuple)
    }
    joins = {j.name for j in c.schedule.joins.values()}
    for name, array in {**arrays, **stored}.items():
        if name in names or name in joins:
            continue
        at = f"(t * B + b0) * {array.width}" if array.rows else f"t * {array.width}"
        const = "" if name in stored else "const "
        lines.append(f"{const}real *const {name} = {c.memory.handed(name)} + {at};")
    for name, _ in c.buffers:
        if not name.endswith(("_in", "_out", "_hold", "_packing")):
            at = f" + slot * n * {c.chunked[name]}" if name in c.chunked else ""
            lines.append(f"real *const {name} = {name}_base{at};")
    if c.shared:
        lines.append("real *shared_ = w->shared;")
    for name, size in c.shared:
        lines.append(f"real *const {name} = shared_ + (t & 1) * ALIGNED({size});")
        lines.append(f"shared_ += 2 * ALIGNED({size});")
    return lines


def _rows(outer: Value) -> int:
    return sum(t.width for t in outer.args)
