"""Whether torch is transforming what runs: only the eager loop is made of operations it can transform."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad


def transforming(*tensors: Tensor) -> bool:
    """Whether a transform of `torch.func` (vmap, jvp, grad, …) or forward-mode differentiation is active.

    Args:
        tensors: Cotangents: several at once (``is_grads_batched``) are a transform of their own.
    """
    functorch = torch._C._functorch
    active = functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0
    return active or any(map(functorch.is_legacy_batchedtensor, tensors))
