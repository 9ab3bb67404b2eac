"""A process with the address sanitizer before all other libraries: all memory has guards around it."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

from memcell_compiler.build.compiler import find_compiler


def environment(cache: Path) -> dict[str, str]:
    """Return the variables of such a process, which keeps compiled code in a folder; skips without one."""
    compiler = find_compiler()
    own = f"libclang_rt.asan-{platform.machine()}.so"
    name = own if "clang" in compiler.version else "libasan.so"
    asked = [*compiler.command, f"-print-file-name={name}"]
    library = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    if not Path(library).is_absolute():
        pytest.skip("this compiler has no address sanitizer")
    return {
        **os.environ,
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0",
        "XDG_CACHE_HOME": str(cache),
    }
