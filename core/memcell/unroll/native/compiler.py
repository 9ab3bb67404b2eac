"""The machine's C compiler."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from memcell.unroll.native.unsupported import Unsupported

#: For every unit. No flag changes what a number is: no -ffast-math.
FLAGS = (
    "-O2",  # -O3 is no faster and takes up to three times as long to compile
    "-fno-gcse",
    "-std=gnu11",
    "-fPIC",
    "-shared",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",  # gcc's own default; clang's differs from version to version
    "-fvisibility=default",
    "-w",
)
_SECONDS = 120


@dataclass(frozen=True)
class Compiler:
    """A C compiler.

    Args:
        command: How it is called.
        version: What it says of itself.
    """

    command: tuple[str, ...]
    version: str

    def compile(self, source: Path, output: Path, flags: tuple[str, ...]) -> None:
        """Compile a shared object.

        Raises:
            Unsupported: It failed; the message is its first error.
        """
        call = [*self.command, *FLAGS, *flags, str(source), "-o", str(output), "-lm"]
        try:
            done = subprocess.run(call, capture_output=True, text=True, timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as e:
            raise Unsupported(f"the C compiler {self.command[0]} could not be run: {e}") from e
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line]
            first = (lines or done.stderr.splitlines() or ["no message"])[0]
            raise Unsupported(f"the C compiler {self.command[0]} failed: {first}")


def find_compiler() -> Compiler:
    """Return the compiler that ``CC`` names, or the first of cc, gcc, clang.

    Raises:
        Unsupported: There is none.
    """
    asked = os.environ.get("CC")
    for name in [asked] if asked else ["cc", "gcc", "clang"]:
        command = shlex.split(name)
        path = shutil.which(command[0])
        if path is not None:
            return _identified((path, *command[1:]))
    raise Unsupported(
        f"there is no C compiler here ({f'CC={asked}' if asked else 'cc, gcc or clang'})"
    )


@cache
def _identified(command: tuple[str, ...]) -> Compiler:
    try:
        said = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Unsupported(f"the C compiler {command[0]} could not be run: {e}") from e
    return Compiler(command, said.stdout)
