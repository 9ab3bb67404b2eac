"""What the sizes of a traced tensor mean: a row for each lane, and columns."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import fx

from memcell.unroll.native.unsupported import Unsupported


class Layout(NamedTuple):
    """``[B, width]`` or, without rows, ``[width]``. Dimensions of size 1 mean nothing."""

    rows: bool
    width: int


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Return the traced sizes of a node."""
    found = node.meta.get("val")
    if found is None:
        meta = node.meta.get("tensor_meta")
        if meta is None:
            raise Unsupported(f"{node.target} has no sizes")
        return tuple(int(s) for s in meta.shape)
    if not isinstance(found, torch.Tensor):
        raise Unsupported(f"{node.target} returns several tensors")
    return tuple(int(s) for s in found.shape)


def layout(shape: tuple[int, ...], lanes: int) -> Layout | None:
    """Return what a shape means, or None where it is neither rows nor one row."""
    sizes = [s for s in shape if s != 1]
    if lanes in sizes[1:] or math.prod(sizes) == 0:
        return None
    rows = bool(sizes) and sizes[0] == lanes
    rest = sizes[1:] if rows else sizes
    if len(rest) > 1:
        return None
    return Layout(rows, rest[0] if rest else 1)


def layout_of(node: fx.Node, lanes: int) -> Layout:
    """Return what a node's sizes mean.

    Raises:
        Unsupported: It has more dimensions than lanes and columns.
    """
    found = layout(shape_of(node), lanes)
    if found is None:
        shape = tuple("B" if s == lanes else s for s in shape_of(node))
        raise Unsupported(f"{node.target}: a step works on [B, N] and [N], here is {shape}")
    return found


def dtype_of(node: fx.Node) -> torch.dtype:
    """Return the traced type of a node's numbers."""
    found = node.meta.get("val")
    if isinstance(found, torch.Tensor):
        return found.dtype
    meta = node.meta.get("tensor_meta")
    return torch.float32 if meta is None else torch.empty(0, dtype=meta.dtype).dtype
