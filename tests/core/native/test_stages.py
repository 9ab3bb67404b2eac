"""Each stage by itself, on graphs that fit on a page."""

from __future__ import annotations

import pytest
import torch

from memcell_compiler.ir.builder import Builder
from memcell_compiler.ir.ir import ColumnRange, Number, Op, ancestors, cut, width_of
from memcell_compiler.passes.merge import merge_products
from memcell_compiler.passes.partition import to_save
from memcell_compiler.runtime.pool import Lease, clear_pool
from memcell_compiler.runtime.threads import run
from memcell_compiler.trace.shapes import RowLayout, layout
from memcell_compiler.trace.trace import unused_lanes


@pytest.mark.parametrize(
    ("shape", "meaning"),
    [
        ((), RowLayout(False, 1)),
        ((23,), RowLayout(True, 1)),
        ((8,), RowLayout(False, 8)),
        ((23, 8), RowLayout(True, 8)),
        ((1, 23, 8), RowLayout(True, 8)),
        ((1, 8), RowLayout(False, 8)),
        ((23, 2, 4), None),
        ((8, 23), None),
        ((0, 8), None),
    ],
)
def test_layout_of_a_shape(shape, meaning):
    assert layout(shape, 23) == meaning


def test_lanes_are_unlike_any_size():
    assert unused_lanes({4, 16, 64}) == 23
    assert unused_lanes({23, 29, 62}) not in (23, 29, 31)


def test_a_sliced_sum_is_computed_in_pieces():
    build = Builder()
    a = build.leaf("a", 8, True)
    b = build.leaf("b", 8, False)
    tiles = build.pointwise("add", [(ColumnRange(a, 0, 8),), (ColumnRange(b, 0, 8),)], {2})
    assert [t.width for t in tiles] == [2, 6]
    assert width_of(cut(tiles, 1, 5)) == 4
    again = build.pointwise("add", [(ColumnRange(a, 0, 8),), (ColumnRange(b, 0, 8),)], {2})
    assert tiles == again  # each value only once


def test_neutral_constants_are_nothing():
    build = Builder()
    a = (ColumnRange(build.leaf("a", 4, True), 0, 4),)
    assert build.pointwise("mul", [a, (Number(1.0),)], set()) == a
    assert build.pointwise("add", [(Number(0.0),), a], set()) == a
    (product,) = build.pointwise("mul", [a, (Number(0.0),)], set())
    assert isinstance(product, ColumnRange)  # 0 * inf is not 0


def test_cheap_values_are_not_saved():
    build = Builder()
    x = (ColumnRange(build.leaf("x", 4, True), 0, 4),)
    cotangent = build.leaf("d", 4, True)
    gate = build.pointwise("sigmoid", [x], set())
    twice = build.pointwise("add", [gate, gate], set())
    back = build.pointwise("mul", [twice, (ColumnRange(cotangent, 0, 4),)], set())
    saved = to_save([t.value for t in back], {cotangent})
    assert [v.name for v in saved] in (["sigmoid"], ["add"])
    assert len(saved) == 1


def test_a_sum_of_products_is_one_product_onto_the_other():
    from memcell_compiler.ir.ir import Matrix

    build = Builder()
    x, h = build.leaf("x", 4, True), build.leaf("h", 4, True)
    w = Matrix(build.leaf("w", 32, False), 4, 0, True, (4, 8))
    u = Matrix(build.leaf("u", 32, False), 4, 0, True, (4, 8))
    left, right = build.matmul((ColumnRange(x, 0, 4),), w), build.matmul((ColumnRange(h, 0, 4),), u)
    total = build.pointwise("add", [left, right], {4})
    roots = [t.value for t in total]
    merge_products(roots)
    products = [v for v in ancestors(roots) if v.op is Op.MATMUL]
    assert [p.onto for p in products] == [None, products[0]]
    assert {v.name for v in roots} == {"copy"}


def test_buffers_come_back():
    clear_pool()
    lease = Lease()
    first = lease.take((3, 4), torch.float32)
    address = first.data_ptr()
    lease.end()
    assert Lease().take((12,), torch.float32).data_ptr() == address


def test_threads_run_together_and_errors_come_out():
    import threading

    barrier = threading.Barrier(3)
    run(lambda i: barrier.wait(10) and None, 3)

    def fail(i):
        if i == 1:
            raise ValueError("from a thread")

    with pytest.raises(ValueError, match="from a thread"):
        run(fail, 2)
