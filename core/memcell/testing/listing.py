"""Listing plugins and showing their options must not pay for torch."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

from memcell.plugins.hooks import HOOK_OF_KIND
from memcell.testing.failure import require

#: What takes long to import, and what no listing or help may.
HEAVY = ("torch", "numpy", "scipy", "sklearn", "mne")

_PROGRAM = """
import sys
from importlib import import_module
module = import_module(sys.argv[1])
for name in sys.argv[3].split(","):
    list(getattr(module, name, tuple)())
print(",".join(name for name in sys.argv[2].split(",") if name in sys.modules))
"""


def check_listing(module: str) -> None:
    """Importing a hook module and listing its specs imports nothing heavy.

    Args:
        module: The module that the entry point names.

    Raises:
        CheckFailed: It imports one of `HEAVY`, or fails to import.
    """
    found, error = _imported_by(module, tuple(HOOK_OF_KIND.values()))
    _judge(module, "to be listed", found, error)


def check_config_import(reference: str) -> None:
    """Importing a config imports nothing heavy: the help of a command shows its options.

    Args:
        reference: ``"module:Dataclass"``.

    Raises:
        CheckFailed: It imports one of `HEAVY`, or fails to import.
    """
    module = reference.partition(":")[0]
    found, error = _imported_by(module, ())
    _judge(module, "to be read for its options", found, error)


def _judge(module: str, purpose: str, found: str, error: str) -> None:
    require(
        not error,
        expected=f"module '{module}' {purpose}",
        did=f"it failed: {error}",
        change="Import it by hand to see the whole error.",
    )
    require(
        not found,
        expected=f"module '{module}' {purpose} without importing {', '.join(HEAVY)}",
        did=f"it imported {found}",
        change="Name factories as 'module:attr' strings, keep configs in a module of their own, and "
        "leave the packages' __init__ without imports.",
    )


@cache
def _imported_by(module: str, hooks: tuple[str, ...]) -> tuple[str, str]:
    """Return heavy modules that the import brought, and the last line of what went wrong."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, module, ",".join(HEAVY), ",".join(hooks)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return "", lines[-1] if lines else f"exit code {done.returncode}"
    answer = done.stdout.strip().splitlines()
    return (answer[-1] if answer else ""), ""
