"""Large buffers: in large pages where there are any, and the process's own."""

from __future__ import annotations

import os
import sys

import pytest
import torch

from memcell_compiler.runtime.pool import Lease, clear_pool

SIZE = 1 << 21


@pytest.fixture(autouse=True)
def nothing_kept():
    clear_pool()
    yield
    clear_pool()


def test_a_large_buffer_is_memory_like_any():
    lease = Lease()
    taken = lease.take((2, SIZE), torch.float32)
    taken[1].fill_(3.0)
    assert float(taken[1].sum()) == 3.0 * SIZE
    address = taken.data_ptr()
    lease.end()
    assert Lease().take((SIZE, 2), torch.float32).data_ptr() == address


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_fork_writes_to_its_own():
    lease = Lease()
    taken = lease.take((SIZE,), torch.float64)
    taken[:4] = 1.0
    child = os.fork()
    if not child:
        taken.numpy()[:4] = 2.0
        os._exit(0)
    os.waitpid(child, 0)
    assert taken[:4].tolist() == [1.0] * 4
