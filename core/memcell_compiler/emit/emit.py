"""Stage 5, write: one C function that runs a program's whole loop over time.

Lanes do not meet (unless the program mixes them), so a block of rows runs through all steps before the
next block begins: its activations stay in the nearest cache and the packed weights in the next. Products
of inputs, and those that only leave the loop, are done for a chunk of steps at a time, where a product is
long enough to be fast and what it reads is still in the cache.
"""

from __future__ import annotations

from memcell_compiler.emit.context import Context, indented, is_vector
from memcell_compiler.emit.frame import (
    close_block,
    head,
    open_block,
    pack_function,
    pointers,
    sizes_function,
)
from memcell_compiler.emit.layout import Written
from memcell_compiler.emit.masks import after_step, before_step
from memcell_compiler.emit.products import early, late, product, scatter
from memcell_compiler.emit.rows import RowLoop
from memcell_compiler.emit.sums import begin_sums, merged_sums, own_variances
from memcell_compiler.emit.timers import timed_source
from memcell_compiler.emit.vectors import vector_sums, vectors
from memcell_compiler.ir.ir import Op
from memcell_compiler.ir.program import Program
from memcell_compiler.passes.schedule import LANE_SUMS

_ARGUMENTS = "const struct window *w, real *const *p, const real *packed, real *scratch, long tid"


def write(program: Program, timed: bool = False) -> Written:
    """Write a program.

    Args:
        program: What is computed.
        timed: It also says where its time goes, through a function ``NAME_times``.
    """
    c = Context.of(program, timed)
    backward, name = program.backward, program.name
    inner, before, behind = step(c), early(c), late(c)
    opening, addresses = head(c), pointers(c)
    total = f"{name}_total"
    body = [
        *(["struct timer timer_; timer_begin(&timer_);"] if timed else []),
        *opening,
        *c.timer("rest"),
        "for (long block = 0; block < blocks; block++) {",
        "  const long b0 = first + (last - first) * block / blocks;",
        "  const long n = first + (last - first) * (block + 1) / blocks - b0;",
        "  const long rows_ = chunk * n; /* of a panel */",
        "  (void)rows_;",
        *indented(open_block(c)),
        "  for (long s = 0; s < T; s += chunk) {",
        "    const long steps = least(chunk, T - s);",
        f"    const long low = {'T - s - steps' if backward else 's'};",
        *indented([*before, *c.timer("early")] if before else [], 2),
        "    for (long k = 0; k < steps; k++) {",
        f"      const long slot = {'steps - 1 - k' if backward else 'k'};",
        "      const long t = low + slot;",
        *indented(addresses, 3),
        *indented(inner, 3),
        "    }",
        *indented([*behind, *c.timer("late")] if behind else [], 2),
        "  }",
        *indented(close_block(c)),
        "}",
        *c.timer("rest"),
        *([f"timer_end(&timer_, {total});"] if timed else []),
    ]
    source = "\n".join(
        [
            # a function of its own, which is called: no arithmetic can move out of the flushed part
            f"static __attribute__((noinline)) void {name}_loop({_ARGUMENTS}) {{",
            *indented(body),
            "}",
            "",
            f"void {name}({_ARGUMENTS}) {{",
            "  const uint64_t flags_ = flush_begin();",
            f"  {name}_loop(w, p, packed, scratch, tid);",
            "  flush_end(flags_);",
            "}",
            "",
            *pack_function(c, name),
            "",
            *sizes_function(c, name),
        ]
    )
    shapes = [v.matrix.shape for v in c.swaps if v.matrix is not None]
    weights = sum(depth * columns for depth, columns in shapes)
    source = timed_source(name, source) if timed else source
    return Written(source, tuple(c.memory.arrays), c.schedule.mixes, weights)


def step(c: Context) -> list[str]:
    """Write one step: its stages, between what masks do."""
    body: list[str] = []
    for number in range(max([*c.schedule.stage.values(), 0]) + 1):
        body += stage(c, number)
    body += vector_sums(c)
    before, after = before_step(c), after_step(c)
    return [*before, *c.timer("rest"), *body, *c.timer("sums"), *after, *c.timer("rest")]


def stage(c: Context, number: int) -> list[str]:
    """Write a stage: products, what is done once for all lanes, the loop over rows."""
    schedule = c.schedule
    here = [v for v in schedule.values if schedule.stage.get(v) == number]
    lines: list[str] = []
    for value in here:
        if value.op is Op.MATMUL and value not in schedule.early and value not in schedule.bases:
            lines += product(c, value) + c.timer("products")
    if any(v.op in (Op.SCATTER, Op.LOOKUP) for v in here):
        lines += ["meet(w);", *c.timer("waiting")]
    for value in here:
        if value.op is Op.SCATTER:
            lines += [*scatter(c, value), *c.timer("sums"), "meet(w);", *c.timer("waiting")]
    lines += vectors(c, [v for v in here if is_vector(v)])
    sums = [v for v in here if v.op in LANE_SUMS and v not in schedule.onward]
    lines += begin_sums(c.memory, sums) + c.timer("sums")
    rows = RowLoop(c.memory, schedule, number, c.added, ahead=bool(c.products()))
    lines += rows.write() + c.timer("rows")
    lines += own_variances(sums) + c.timer("sums")
    if sums:
        lines += ["meet(w);", *c.timer("waiting")]
    return lines + merged_sums(sums) + c.timer("sums")
