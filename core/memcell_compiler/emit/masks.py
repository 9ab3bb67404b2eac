"""Stage 5e, write: what resets, padding and returned states do before and after a step."""

from __future__ import annotations

from memcell_compiler.emit.context import Context
from memcell_compiler.emit.memory import padded


def before_step(c: Context) -> list[str]:
    """Write what comes before a step: resets; in a backward loop, cotangents of returned states."""
    lines: list[str] = []
    states, handed = c.program.states, c.memory.handed
    if c.program.backward:
        for s in states:
            kept = f"{handed(f'{s.name}_returned')} + (w->returned[t + 1] * B + b0) * {s.width}"
            lines.append(
                f"if (w->returned[t + 1] >= 0) add_rows(n, {s.width}, {kept}, {s.width}, "
                f"{s.name}_in, {padded(s.width)});"
            )
        lines.append("const long held = w->valid && !w->all_valid[t];")
        for s in states:
            ld = padded(s.width)
            lines += [
                "if (held) {",
                f"  memset({s.name}_hold_base, 0, sizeof(real) * (size_t)(n * {ld}));",
                f"  move_rows(n, {s.width}, w->valid + t * B + b0, 0, {s.name}_in, {ld}, "
                f"{s.name}_hold_base, {ld});",
                "}",
            ]
        return lines
    for s in states:
        at = f"* B + b0) * {s.width}"
        history = handed(f"{s.name}_history")
        lines += [
            f"real *const {s.name}_in = {history} + (entry(w, t) {at};",
            f"real *const {s.name}_out = {history} + (entry(w, t + 1) {at};",
            f"if (w->resets && w->any_reset[t]) choose_rows(n, {s.width}, "
            f"w->resets + t * B + b0, 1, {handed(f'{s.name}_initial')} + b0 * {s.width}, "
            f"{s.width}, {s.name}_in, {s.width});",
        ]
    return lines


def after_step(c: Context) -> list[str]:
    """Write what comes after a step: padding, returned states; in a backward loop, resets."""
    lines: list[str] = []
    handed = c.memory.handed
    for s in c.program.states:
        if c.program.backward:
            ld = padded(s.width)
            lines += [
                f"if (held) add_rows(n, {s.width}, {s.name}_hold_base, {ld}, {s.name}_out, {ld});",
                f"if (w->resets && w->any_reset[t]) move_rows(n, {s.width}, "
                f"w->resets + t * B + b0, 1, {s.name}_out, {ld}, "
                f"{handed(f'{s.name}_initial')} + b0 * {s.width}, {s.width});",
                f"{{ real *q = {s.name}_in; {s.name}_in = {s.name}_out; {s.name}_out = q; }}",
            ]
            continue
        kept = f"{handed(f'{s.name}_returned')} + (w->returned[t + 1] * B + b0) * {s.width}"
        lines += [
            f"if (w->valid && !w->all_valid[t]) choose_rows(n, {s.width}, w->valid + t * B + b0, "
            f"0, {s.name}_in, {s.width}, {s.name}_out, {s.width});",
            f"if (w->returned[t + 1] >= 0) copy_rows(n, {s.width}, {s.name}_out, {s.width}, "
            f"{kept}, {s.width});",
        ]
    return lines
