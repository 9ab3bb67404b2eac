"""A compiler of cells: it traces a cell's step and writes C that runs a whole window on a CPU.

The engine enters by `backend` and hands it a `WindowCall`. Stages, a package each: `trace` (one step and its
gradient as a graph), `ir` (rows and pieces), `passes` (lowering, what forward saves, in which pass), `emit`
(C), `verify` (what was written against what was meant), `build` (compiled), `runtime` (plans, autograd,
threads). What cannot be expressed raises `Unsupported` with the operation's name.

Kept on disk: compiled units (`build.cache`), and what tracing gives (`runtime.stored_plan`), under what the
step is made of (`identity`).
"""
