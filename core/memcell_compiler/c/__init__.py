"""The C runtime that generated programs are compiled with: matrix kernels, functions, threads, timers."""

from functools import cache
from importlib import resources


@cache
def source_file(name: str) -> str:
    """Return the text of a file of the C runtime."""
    return (resources.files("memcell_compiler") / "c" / name).read_text(encoding="utf-8")
