"""The fast unroll on a CPU: a cell's step, traced once and run as generated C for the whole window.

Stages, a module each: `trace` (one step and its gradient as a graph), `lower` (to rows and pieces),
`spread` (variances in one pass), `partition` (what forward saves), `schedule` (in which pass), `emit` (C),
`unit` (compiled), `function` (autograd, with the arrays of `layout` and the gradients of `finish`).
What cannot be expressed raises `Unsupported` with the operation's name.

Kept on disk (`cache`): compiled units, and what tracing gives (`stored_plan`), under what the step is made of
(`identity`). `timed` runs programs with clocks in them, for a profile.

Process caches: plans by cell (`plan`), buffers (`pool`), threads (`threads`), loaded kernels (`unit`).
"""

from memcell_compiler.build.rate import packed_gflops
from memcell_compiler.runtime.stepper import NativeStepper
from memcell_compiler.runtime.unroll import native_reason, unroll_native
from memcell_compiler.trace.unsupported import Unsupported

__all__ = ["NativeStepper", "Unsupported", "native_reason", "packed_gflops", "unroll_native"]
