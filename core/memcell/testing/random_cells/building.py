"""Compiling many small programs once each: quickly, and kept nowhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

from memcell.recurrent.refusals import Unsupported
from memcell_compiler.build import compiler, target
from memcell_compiler.build.unit import program_unit
from memcell_compiler.runtime import plan
from memcell_compiler.runtime.runner import Runner

#: Little is optimized, and no rounding is saved, which would tip comparisons of equal sums.
_FLAGS = ("-O1", "-ffp-contract=off")
#: A variable that is read before it is written holds no zero.
_POISON = "-ftrivial-auto-var-init=pattern"


@contextmanager
def quick_builds() -> Iterator[None]:
    """Compile quickly, with variables poisoned where the compiler can, into a folder that is deleted."""
    chosen = target.chosen()
    poison = (_POISON,) if _takes(_POISON) else ()
    made = replace(chosen, flags=(*chosen.flags, *_FLAGS, *poison))
    with (
        tempfile.TemporaryDirectory(prefix="memcell-random-") as folder,
        mock.patch.dict(os.environ, {"XDG_CACHE_HOME": folder}),
        mock.patch.object(plan, "chosen", return_value=made),
        mock.patch.object(plan, "begin_program"),  # one unit instead
        mock.patch.object(plan.NativePlan, "_runner", _runner_of_one_unit),
    ):
        yield


def _runner_of_one_unit(made: plan.NativePlan, name: str, rows: int) -> Runner:
    """Return a program out of a unit of all three: calling the compiler once costs least."""
    unit = program_unit(tuple(w.source for w in made.written.values()), made.dtype, made.target)
    return Runner(unit, name, made.written[name], made.kernels, made.dtype, rows)


def _takes(flag: str) -> bool:
    """Whether the compiler knows a flag (gcc 12, clang 8)."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "empty.c"
        source.write_text("int nothing;\n")
        try:
            compiler.find_compiler().compile(source, Path(folder) / "empty.so", (flag,))
        except Unsupported:
            return False
    return True
