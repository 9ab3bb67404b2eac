"""Small tasks that need memory: made by a program, or from digits and text read a step at a time.

This module only registers the application; it imports nothing heavy. One task a file:

- `recall`: a symbol, distractors, and then the question which symbol it was;
- `temporal_order`: in which order two symbols came (Hochreiter and Schmidhuber 1997, task 6a);
- `reber`: the next symbol of an embedded Reber grammar (`grammar`);
- `order_digits`: digits of two groups, for what the order of training does;
- `sequential_digits`: a digit pixel by pixel, permuted where asked (`images`).
- `text`: the next character of any text.

`problem` says what a task is, `scores`, `baselines` and `picture` how it is judged, `app` is all of it
behind the engine's `memcell.applications.app.App`.
"""

from __future__ import annotations

from collections.abc import Iterable

from memcell import AppSpec, hookimpl


@hookimpl
def memcell_apps() -> Iterable[AppSpec]:
    """Register ``memcell train memory`` and the commands beside it."""
    yield AppSpec(
        name="memory",
        factory="memcell_memory_tasks.app:MemoryTasks",
        config="memcell_memory_tasks.config:MemoryConfig",
        summary="Small tasks that need memory: recall, temporal order, Reber grammar, digits in steps, text.",
        reference="Hochreiter & Schmidhuber 1997; Cooijmans et al. 2016; Badger, Training Memory",
    )
