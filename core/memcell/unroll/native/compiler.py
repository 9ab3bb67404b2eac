"""The machine's C compiler."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
#: A compiler that says nothing of itself, or of an empty unit, in this time is not waited for.
_PROOF_SECONDS = 10
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
        """Compile a shared object; before the first one an empty unit, which a sound compiler does at once.

        Raises:
            Unsupported: It failed or hung; the message is its first error.
        """
        with _proving:
            if self.command not in _proved:
                try:
                    with tempfile.TemporaryDirectory(prefix="memcell-") as work:
                        empty = Path(work) / "empty.c"
                        empty.write_text("int memcell;\n", encoding="ascii")
                        self._compile(empty, Path(work) / "empty.so", (), _PROOF_SECONDS)
                    _proved[self.command] = ""
                except Unsupported as error:
                    _proved[self.command] = str(error)
        if _proved[self.command]:
            raise Unsupported(_proved[self.command])
        self._compile(source, output, flags, _SECONDS)

    def _compile(self, source: Path, output: Path, flags: tuple[str, ...], seconds: float) -> None:
        call = [*self.command, *FLAGS, *flags, str(source), "-o", str(output), "-lm"]
        done = _called(call, seconds)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line]
            first = (lines or done.stderr.splitlines() or ["no message"])[0]
            raise Unsupported(f"the C compiler {self.command[0]} failed: {first[:300]}")
        if not output.is_file() or not output.stat().st_size:
            raise Unsupported(f"the C compiler {self.command[0]} said nothing and left no object")


def find_compiler() -> Compiler:
    """Return the compiler that ``CC`` names, or the first of cc, gcc, clang.

    Raises:
        Unsupported: There is none.
    """
    asked = os.environ.get("CC", "").strip()
    for name in [asked] if asked else ["cc", "gcc", "clang"]:
        try:
            command = shlex.split(name)
        except ValueError as error:
            raise Unsupported(f"CC={name} is not a command ({error})") from None
        path = shutil.which(command[0]) if command else None
        if path is not None:
            return _identified((path, *command[1:]))
    raise Unsupported(
        f"there is no C compiler here ({f'CC={asked}' if asked else 'cc, gcc or clang'})"
    )


#: What is known of each command, for the process: a compiler that hangs is waited for once.
_known: dict[tuple[str, ...], Compiler | str] = {}
_proved: dict[tuple[str, ...], str] = {}
_identifying, _proving = threading.Lock(), threading.Lock()


def _identified(command: tuple[str, ...]) -> Compiler:
    with _identifying:
        if command not in _known:
            try:
                said = _called([*command, "--version"], _PROOF_SECONDS)
                _known[command] = Compiler(command, said.stdout)
            except Unsupported as error:
                _known[command] = str(error)
        found = _known[command]
    if isinstance(found, str):
        raise Unsupported(found)
    return found


class _Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def _called(command: list[str], seconds: float) -> _Done:
    """Call a compiler, in a group of processes of its own that ends with it.

    Its output goes to files: what it has started may hold a pipe open when it is gone.

    Raises:
        Unsupported: It cannot be run, or takes longer than that.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise Unsupported(f"the C compiler {command[0]} could not be run: {error}") from None
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Unsupported(
                f"the C compiler {command[0]} did not answer within {seconds:g} seconds"
            ) from None
        finally:
            _end(process)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(_MOST_OUTPUT).decode("utf-8", "replace"))
    return _Done(process.returncode, *texts)


_MOST_OUTPUT = 1 << 20


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that is still running, with all that it has started."""
    if process.poll() is not None:
        return
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
