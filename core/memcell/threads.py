"""How many threads linear algebra uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def usable_cores() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Let linear algebra use one thread: how sums are split over threads decides their last bits.

    What is kept, compared with what another process made, or promised bit for bit is worked out so. The
    network's own threads are torch's (``--threads``).
    """
    # imported here, for it is not needed for help or lists; it ships no types
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1):
        yield
