"""What a step is made of, as a digest: the same digest, the same trace.

Starting from a cell, everything that its step reaches is read: the code of functions, their defaults and
closures, the globals that they name, classes with their bases, settings on objects, sizes of parameters.
Attributes are followed by name: what no code that was reached ever names cannot play a part. Whatever is not
understood (a module handed around, a library that is not known, a function that reads the clock) has no
identity, and the step is traced instead.

`walk` holds the state of a reading; `functions`, `classes` and `objects` read; `bytecode` finds what a
function names; `trust` says what is known by its version alone.
"""

from memcell_compiler.identity.read import identity
from memcell_compiler.identity.walk import Unknown

__all__ = ["Unknown", "identity"]
