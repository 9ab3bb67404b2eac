"""The machine's C compiler."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from memcell.errors import Unsupported

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
#: A compiler that says nothing of itself, or of a small unit, in this time is not waited for.
_PROOF_SECONDS = 10
#: What any unit may take beside the time that its size explains, and the most that is waited for one.
_LEAST_SECONDS, _SECONDS = 10, 120
#: Times as long as the small unit took, byte for byte, that a unit may take: a machine may become busy, and
#: long functions cost more than their length says.
_PATIENCE = 10
#: What is said of a disk that is full.
_FULL = ("No space left", "File too large", "File size limit", "quota exceeded")
#: Plain code, of which a compiler makes something: an empty unit says nothing of its pace.
_PROOF = "".join(
    f"double memcell_{i}(const double *a, double *b, long n) {{\n  double s = {i};\n"
    "  for (long j = 0; j < n; j++) { b[j] = a[j] * s + b[j]; s += b[j]; }\n  return s;\n}\n"
    for i in range(8)
)


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
        """Compile a shared object; before the first one a small unit, which a sound compiler does at once.

        How long that took says how long a unit of some size is waited for.

        Raises:
            Unsupported: It failed or hung; the message is its first error.
        """
        with _proving:
            if self.command not in _proved:
                try:
                    with tempfile.TemporaryDirectory(prefix="memcell-") as work:
                        small = Path(work) / "small.c"
                        small.write_text(_PROOF, encoding="ascii")
                        began = time.monotonic()
                        self._compile(small, Path(work) / "small.so", flags, _PROOF_SECONDS)
                    _proved[self.command] = (time.monotonic() - began) / len(_PROOF)
                except Unsupported as error:
                    _proved[self.command] = str(error)
        pace = _proved[self.command]
        if isinstance(pace, str):
            raise Unsupported(pace)
        size = source.stat().st_size
        seconds = min(_SECONDS, _LEAST_SECONDS + _PATIENCE * pace * size)
        try:
            self._compile(source, output, flags, seconds)
        except _SilentCompiler as error:  # nor is it waited for again
            with _proving:
                _proved[self.command] = str(error)
            raise

    def _compile(self, source: Path, output: Path, flags: tuple[str, ...], seconds: float) -> None:
        call = [*self.command, *FLAGS, *flags, str(source), "-o", str(output), "-lm"]
        done = _called(call, seconds)
        if done.returncode:
            messages = done.stderr.splitlines()
            # a linker's last line only says that it failed
            lines = [line for line in messages if any(word in line for word in _FULL)]
            lines += [line for line in messages if "error" in line]
            first = (lines or messages or ["no message"])[0]
            raise Unsupported(f"the C compiler {self.command[0]} failed: {first[:300]}")
        if not output.is_file() or not output.stat().st_size:
            raise Unsupported(f"the C compiler {self.command[0]} said nothing and left no object")


def find_compiler() -> Compiler:
    """Return the compiler that ``CC`` names, or the first of cc, gcc, clang.

    Raises:
        Unsupported: There is none.
    """
    requested = os.environ.get("CC", "").strip()
    for name in [requested] if requested else ["cc", "gcc", "clang"]:
        try:
            command = shlex.split(name)
        except ValueError as error:
            raise Unsupported(f"CC={name} is not a command ({error})") from None
        path = shutil.which(command[0]) if command else None
        if path is not None:
            return _identified((path, *command[1:]))
    raise Unsupported(
        f"there is no C compiler here ({f'CC={requested}' if requested else 'cc, gcc or clang'})"
    )


#: What is known of each command, for the process: a compiler that hangs is waited for once.
_known: dict[tuple[str, ...], Compiler | str] = {}
#: Seconds a byte of the small unit, or why there was none.
_proved: dict[tuple[str, ...], float | str] = {}
_identifying, _proving = threading.Lock(), threading.Lock()


def _identified(command: tuple[str, ...]) -> Compiler:
    with _identifying:
        if command not in _known:
            try:
                result = _called([*command, "--version"], _PROOF_SECONDS)
                _known[command] = Compiler(command, result.stdout)
            except Unsupported as error:
                _known[command] = str(error)
        found = _known[command]
    if isinstance(found, str):
        raise Unsupported(found)
    return found


class _SilentCompiler(Unsupported):
    """The compiler did not answer in the time that it was given."""


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
            raise _SilentCompiler(
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
