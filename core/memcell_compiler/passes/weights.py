"""Weights: parameters that are the right factor of a product, whole, transposed or cut out."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from memcell_compiler.ir.ir import Matrix
from memcell_compiler.passes.cuts import slice_range

aten = torch.ops.aten
_TURNS = (aten.permute.default, aten.t.default, aten.transpose.int)


def weight_of(node: fx.Node, known: dict[fx.Node, Matrix]) -> Matrix | None:
    """Return the weight that a node is, or None.

    Args:
        node: Any node.
        known: The parameters.
    """
    if node in known or node.op == "placeholder":
        return known.get(node)
    source: Any = node.args[0] if node.args else None
    inner = weight_of(source, known) if isinstance(source, fx.Node) else None
    if inner is None:
        return None
    if node.target in _TURNS:
        return _turned(node, inner)
    if node.target is aten.slice.Tensor:
        return _cut_out(node, inner)
    return inner if node.target in (aten.alias.default, aten.detach.default) else None


def _turned(node: fx.Node, inner: Matrix) -> Matrix:
    order: Any = node.args[1] if node.target is aten.permute.default else [1, 0]
    if list(order) == [0, 1]:
        return inner
    return Matrix(
        inner.leaf,
        inner.columns,
        inner.start,
        not inner.transposed,
        (inner.shape[1], inner.shape[0]),
    )


def _cut_out(node: fx.Node, inner: Matrix) -> Matrix | None:
    dim: Any = node.args[1] if len(node.args) > 1 else 0
    if len(node.args) > 4 and node.args[4] != 1:
        return None
    low, high = slice_range(node, inner.shape[dim])
    along_rows = (dim % 2 == 0) != inner.transposed
    start = inner.start + low * (inner.columns if along_rows else 1)
    shape = (high - low, inner.shape[1]) if dim % 2 == 0 else (inner.shape[0], high - low)
    return Matrix(inner.leaf, inner.columns, start, inner.transposed, shape)
