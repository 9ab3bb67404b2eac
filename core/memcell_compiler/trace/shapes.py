"""What the sizes of a traced tensor mean: a row for each lane, and columns."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import fx

from memcell.recurrent.refusals import Unsupported, operation_name


class RowLayout(NamedTuple):
    """``[B, width]`` or, without rows, ``[width]``: all dimensions but the lanes', one after the other."""

    rows: bool
    width: int


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Return the traced sizes of a node."""
    found = node.meta.get("val")
    if found is None:
        meta = node.meta.get("tensor_meta")
        if meta is None:
            raise Unsupported(f"{operation_name(node)} has no sizes")
        return tuple(int(s) for s in meta.shape)
    if not isinstance(found, torch.Tensor):
        raise Unsupported(f"{operation_name(node)} is not supported in generated C", node)
    return tuple(int(s) for s in found.shape)


def layout(shape: tuple[int, ...], lanes: int) -> RowLayout | None:
    """Return what a shape of lanes and one dimension of columns means, or None where it has more."""
    sizes = [s for s in shape if s != 1]
    if lanes in sizes[1:] or math.prod(sizes) == 0:
        return None
    rows = bool(sizes) and sizes[0] == lanes
    rest = sizes[1:] if rows else sizes
    if len(rest) > 1:
        return None
    return RowLayout(rows, rest[0] if rest else 1)


def lane_dim(node: fx.Node, lanes: int) -> int | None:
    """Return the dimension that has the lanes, alone or before what was merged into it.

    Raises:
        Unsupported: More than one has.
    """
    shape = shape_of(node)
    marked = node.meta.get("lane_dims")  # of those that changed with the number of lanes
    found = [i for i, s in enumerate(shape) if s % lanes == 0] if marked is None else list(marked)
    if len(found) > 1:
        raise Unsupported(f"{operation_name(node)}: several dimensions have the lanes")
    return found[0] if found else None


def sizes_of(node: fx.Node, lanes: int) -> tuple[int, ...]:
    """Return a node's sizes for one lane: that dimension without the lanes."""
    shape, dim = shape_of(node), lane_dim(node, lanes)
    return tuple(s // lanes if i == dim else s for i, s in enumerate(shape))


def layout_of(node: fx.Node, lanes: int) -> RowLayout:
    """Return what a node's sizes mean.

    Raises:
        Unsupported: Several dimensions have the lanes, or it is empty.
    """
    sizes = sizes_of(node, lanes)
    if math.prod(sizes) == 0:
        raise Unsupported(f"{operation_name(node)}: an empty tensor")
    return RowLayout(lane_dim(node, lanes) is not None, math.prod(sizes))


def is_plain(node: fx.Node, lanes: int) -> bool:
    """Whether a node has the lanes, if at all, and one dimension of columns after them.

    One dimension that the lanes and columns were merged into is not plain, even where nothing is beside it.
    """
    shape, dim = shape_of(node), lane_dim(node, lanes)
    merged = dim is not None and shape[dim] != lanes
    return not merged and layout(shape, lanes) is not None


def dtype_of(node: fx.Node) -> torch.dtype:
    """Return the traced type of a node's numbers."""
    found = node.meta.get("val")
    if isinstance(found, torch.Tensor):
        return found.dtype
    meta = node.meta.get("tensor_meta")
    return torch.float32 if meta is None else torch.empty(0, dtype=meta.dtype).dtype
