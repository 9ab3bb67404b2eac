"""How many threads linear algebra uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


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
