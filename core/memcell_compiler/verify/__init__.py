"""Stage 6, verify: what has been written is read again, and run, before it is compiled.

The C of a program is read by a parser that knows nothing of how it was made (`syntax`), and run
(`translation`, `machine`) on arrays whose numbers are exact (`ring`), with blocks, chunks, threads, resets
and padding. What it leaves must be what the program's values say (`meaning`), in every column of every
step. So reading what was not written or was meant for something else, a missing store, a wrong column, and
two values in one place are all found, whatever stage of writing they come from. Code that fails is not used.

This checks the writing of a program (order, memory, loops, masks). What its values are is the business of the
stages before, and of the comparison with the eager loop.
"""

from __future__ import annotations

from memcell_compiler.verify.memory import Unverified
from memcell_compiler.verify.windows import verify

__all__ = ["Unverified", "verify"]
