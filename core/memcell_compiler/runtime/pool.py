"""Buffers that are used again: memory fresh from the system costs more than what is computed in it."""

from __future__ import annotations

import ctypes
import mmap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import prod

import torch
from torch import Tensor

#: Buffers of one size that are kept when nobody uses them.
_KEPT = 4
#: Bytes of a large page, on the systems that have them.
_PAGE = 1 << 21
_free: dict[tuple[int, torch.dtype], list[Tensor]] = {}
#: Taken again within itself: the collector may end a lease while another one is taken or ended.
_lock = threading.RLock()


class Lease:
    """Buffers that go back when they are no longer needed, at the latest with this object."""

    def __init__(self) -> None:
        self._held: list[Tensor] = []

    def take(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return a buffer of any contents."""
        size = prod(shape)
        with _lock:
            kept = _free.get((size, dtype))
            flat = kept.pop() if kept else None
        if flat is None:
            with torch.inference_mode(False):  # it may be written outside that mode later
                flat = _fresh(size, dtype)
        self._held.append(flat)
        return _poisoned(flat).view(*shape)

    def end(self) -> None:
        """Give everything back."""
        held, self._held = self._held, []
        with _lock:
            for flat in held:
                kept = _free.setdefault((flat.numel(), flat.dtype), [])
                if len(kept) < _KEPT:
                    kept.append(flat)

    def __del__(self) -> None:
        self.end()


#: For tests: what memory holds that nobody has written to yet; None for whatever is there.
_poison: ContextVar[float | None] = ContextVar("poison", default=None)


@contextmanager
def poisoned(value: float) -> Iterator[None]:
    """Fill every buffer that generated code is handed unwritten, with a number that must not come out."""
    token = _poison.set(value)
    try:
        yield
    finally:
        _poison.reset(token)


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return a new tensor of any contents that outlives a lease: a result."""
    return _poisoned(torch.empty(*shape, dtype=dtype))


def _poisoned(tensor: Tensor) -> Tensor:
    value = _poison.get()
    return tensor if value is None else tensor.fill_(value)


def clear_pool() -> None:
    """Give all unused buffers back to the system."""
    with _lock:
        _free.clear()


def _fresh(size: int, dtype: torch.dtype) -> Tensor:
    """Return new memory; in large pages where it fills some, as small ones cost a miss each."""
    count = size * dtype.itemsize
    if count >= 2 * _PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            # private: a fork must not share what it computes in
            private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            area = mmap.mmap(-1, count + _PAGE, flags=private)
            area.madvise(mmap.MADV_HUGEPAGE)
        except OSError:  # too little memory in one piece, or a system without large pages
            return torch.empty(size, dtype=dtype)
        skipped = -ctypes.addressof(ctypes.c_char.from_buffer(area)) % _PAGE
        return torch.frombuffer(area, dtype=dtype, count=size, offset=skipped)
    return torch.empty(size, dtype=dtype)
