"""How composite operations are taken apart before they are lowered."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from memcell.recurrent.refusals import Unsupported

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
#: A sixth in float32.
_SIXTH = float(torch.tensor(1 / 6))


@functools.cache
def decompositions() -> dict[Any, Callable[..., Any]]:
    """Return torch's table for core ATen, with simpler ways for what stands in normalizers.

    Raises:
        Unsupported: This torch has no such table where it is looked for (it is not public).
    """
    try:
        from torch import _decomp
    except ImportError as e:
        raise Unsupported(f"torch {torch.__version__} has no decomposition tables") from e
    # without what is only composed of other operations, where torch has it apart: collecting those takes
    # longer than all else, and whoever records takes them apart anyway
    core = getattr(_decomp, "_core_aten_decompositions_post_autograd", None)
    table: dict[Any, Callable[..., Any]] = dict((core or _decomp.core_aten_decompositions)())
    table.update(
        _decomp.get_decompositions([getattr(aten, n) for n in _MORE.split() if hasattr(aten, n)])
    )
    table[aten.native_layer_norm.default] = _layer_norm
    # torch's own rules for these import a computer algebra system to look at their arguments
    table[aten.split.Tensor] = _split
    table[aten.sigmoid_backward.default] = _sigmoid_backward
    table[aten.tanh_backward.default] = _tanh_backward
    table[aten.hardsigmoid_backward.default] = _hardsigmoid_backward
    table[aten.sgn.default] = torch.sign  # numbers are real
    table[aten.log_sigmoid_forward.default] = _log_sigmoid
    table[aten.log_sigmoid_backward.default] = _log_sigmoid_backward
    table[aten.index_add.default] = functools.partial(_index_add, table.get(aten.index_add.default))
    table[aten.mean.dim] = _mean
    table[aten.pow.Tensor_Scalar] = _power
    table[aten.var.correction] = _var
    table[aten.var_mean.correction] = _var_mean
    table[aten.std.correction] = lambda x, *a, **k: torch.sqrt(_var(x, *a, **k))
    table[aten.mean.default] = _mean
    table[aten.linalg_vector_norm.default] = _vector_norm
    table[aten._weight_norm_interface.default] = _weight_norm
    table[aten._weight_norm_interface_backward.default] = _weight_norm_backward
    table[aten.clamp.Tensor] = _clamp
    table[aten.clamp_min.Tensor] = torch.maximum
    table[aten.clamp_max.Tensor] = torch.minimum
    table[aten.mv.default] = lambda a, x: (a * x).sum(-1)
    table[aten.dot.default] = lambda a, b: (a * b).sum(-1)
    table[aten.roll.default] = _roll
    table[aten.copy.default] = lambda x, source, *_: source.to(x.dtype).expand(x.shape)
    table[aten.div.Tensor_mode] = _divide
    table[aten.div.Scalar_mode] = _divide
    for op in (aten.tril.default, aten.triu.default, aten.flip.default):
        table.pop(op, None)  # numbers are only moved
    return table


def _split(x: Tensor, size: int, dim: int = 0) -> Any:
    whole = x.shape[dim]
    sizes = [min(size, whole - start) for start in range(0, whole, size)] if size else [whole]
    return aten.split_with_sizes.default(x, sizes, dim)


def _sigmoid_backward(cotangent: Tensor, y: Tensor) -> Tensor:
    return cotangent * (y * (1 - y))


def _tanh_backward(cotangent: Tensor, y: Tensor) -> Tensor:
    return cotangent * (1 - y * y)


def _hardsigmoid_backward(cotangent: Tensor, x: Tensor) -> Tensor:
    # torch's kernel has a sixth in float32, in float64 too
    return torch.where((x > -3.0) & (x < 3.0), cotangent * _SIXTH, 0.0)


def _log_sigmoid(x: Tensor) -> tuple[Tensor, Tensor]:
    z = torch.exp(-x.abs())
    return torch.minimum(x, torch.zeros_like(x)) - torch.log1p(z), z


def _log_sigmoid_backward(cotangent: Tensor, x: Tensor, z: Tensor) -> Tensor:
    z = torch.exp(-x.abs())
    share = z / (1 + z)
    return cotangent * torch.where(x < 0, 1 - share, share)


def _index_add(
    rule: Any, x: Tensor, dim: int, index: Tensor, added: Tensor, *, alpha: float = 1
) -> Any:
    if dim == 0 and alpha == 1 and index.dim() == 1:
        return aten.index_put.default(x, [index], added, True)
    return NotImplemented if rule is None else rule(x, dim, index, added, alpha=alpha)


def _mean(
    x: Tensor, dim: Sequence[int] | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    dims = list(range(x.dim())) if not dim else list(dim)
    return x.sum(dims, keepdim=keepdim) * (1.0 / math.prod(x.shape[d] for d in dims))


def _var(
    x: Tensor,
    dim: Sequence[int] | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> Tensor:
    dims = list(range(x.dim())) if not dim else list(dim)
    centred = x - _mean(x, dims, True)
    count = math.prod(x.shape[d] for d in dims) - (1 if correction is None else correction)
    return (centred * centred).sum(dims, keepdim=keepdim) / max(count, 0)


def _var_mean(x: Tensor, dim: Sequence[int] | None = None, **how: Any) -> tuple[Tensor, Tensor]:
    return _var(x, dim, **how), _mean(x, dim, how.get("keepdim", False))


def _vector_norm(
    x: Tensor,
    ord: float = 2,  # as torch names it
    dim: Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Any:
    dims = list(range(x.dim())) if dim is None else list(dim)
    if ord == 2:
        return torch.sqrt((x * x).sum(dims, keepdim=keepdim))
    if ord == 1:
        return x.abs().sum(dims, keepdim=keepdim)
    if abs(ord) == math.inf:
        return (torch.amax if ord > 0 else torch.amin)(x.abs(), dims, keepdim=keepdim)
    return NotImplemented


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> tuple[Tensor, Tensor]:
    dims = [i for i in range(v.dim()) if i != dim % v.dim()]
    norm = torch.sqrt((v * v).sum(dims, keepdim=True))
    return v * (g / norm), norm


def _weight_norm_backward(
    cotangent: Tensor, v: Tensor, g: Tensor, norm: Tensor, dim: int
) -> tuple[Tensor, Tensor]:
    dims = [i for i in range(v.dim()) if i != dim % v.dim()]
    along = (cotangent * v).sum(dims, keepdim=True) / norm
    return (g / norm) * (cotangent - v * (along / norm)), along


def _clamp(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    x = x if low is None else torch.maximum(x, low)
    return x if high is None else torch.minimum(x, high)


def _roll(x: Tensor, shifts: Sequence[int], dims: Sequence[int] = ()) -> Any:
    if not dims:
        return aten.roll.default(x.reshape(-1), shifts, [0]).view(x.shape)
    x = x.clone()  # autograd takes what comes back for a tensor of its own
    for shift, dim in zip(shifts, dims, strict=True):
        at = (x.shape[dim] - shift) % x.shape[dim] if x.shape[dim] else 0
        if not at:  # once around
            continue
        x = torch.cat([x.narrow(dim, at, x.shape[dim] - at), x.narrow(dim, 0, at)], dim)
    return x


def _divide(x: Tensor, by: Any, *, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "trunc":
        return torch.trunc(x / by)
    if rounding_mode is None:
        return x / by
    return NotImplemented  # rounded as torch does it, in one go


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
    if not isinstance(exponent, int | float):
        return NotImplemented
    if exponent in (2, 3, 4):
        y = x
        for _ in range(int(exponent) - 1):
            y = y * x
        return y
    # as torch does: the root of -inf is NaN, where its power is infinite
    if exponent == 0.5:
        return torch.sqrt(x)
    if exponent == -0.5:
        return torch.rsqrt(x)
    if exponent == -1:
        return torch.reciprocal(x)
    if exponent == -2:
        return torch.reciprocal(x * x)
    return NotImplemented
