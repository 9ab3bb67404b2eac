"""How composite operations are taken apart before they are lowered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from memcell.unroll.native.unsupported import Unsupported

aten = torch.ops.aten

#: What torch counts as core and is made of simpler operations all the same.
_MORE = (
    "_log_softmax _log_softmax_backward_data _softmax _softmax_backward_data addmm celu "
    "detach elu elu_backward gelu gelu_backward hardsigmoid hardsigmoid_backward hardswish "
    "hardswish_backward hardtanh hardtanh_backward leaky_relu leaky_relu_backward "
    "log_sigmoid_backward log_sigmoid_forward mish native_layer_norm_backward rsub "
    "select_backward silu silu_backward slice_backward softplus softplus_backward split t "
    "threshold threshold_backward var var_mean"
)


@cache
def decompositions() -> dict[Any, Callable[..., Any]]:
    """Return torch's table for core ATen, with simpler ways for what stands in normalizers.

    Raises:
        Unsupported: This torch has no such table where it is looked for (it is not public).
    """
    try:
        from torch._decomp import core_aten_decompositions, get_decompositions
    except ImportError as e:
        raise Unsupported(f"torch {torch.__version__} has no decomposition tables") from e
    table: dict[Any, Callable[..., Any]] = dict(core_aten_decompositions())
    table.update(get_decompositions([getattr(aten, n) for n in _MORE.split() if hasattr(aten, n)]))
    table[aten.native_layer_norm.default] = _layer_norm
    table[aten.mean.dim] = _mean
    table[aten.pow.Tensor_Scalar] = _power
    return table


def _mean(
    x: Tensor, dim: Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    dims = list(range(x.dim())) if not dim else list(dim)
    return x.sum(dims, keepdim=keepdim) * (1.0 / math.prod(x.shape[d] for d in dims))


def _layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    dims = list(range(x.dim() - len(shape), x.dim()))
    mean = _mean(x, dims, True)
    centred = x - mean
    scale = torch.rsqrt(_mean(centred * centred, dims, True) + eps)
    y = centred * scale
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return y, mean, scale


def _power(x: Tensor, exponent: float) -> Any:
    if isinstance(exponent, int | float) and exponent in (2, 3, 4):
        y = x
        for _ in range(int(exponent) - 1):
            y = y * x
        return y
    return NotImplemented
