"""Torch's own LSTM, GRU and tanh RNN, where a cell is exactly that: the window is cut at resets."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor

from memcell.recurrent.cell import Cell, TorchForm, torch_form_of
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported, UnsupportedWindow
from memcell.recurrent.state import leaves, where
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import WindowCall, WindowOutput

Weights = tuple[Tensor, Tensor, Tensor, Tensor]

#: Cut more often than this, a window is better run step by step.
MIN_MEAN_CUT = 4
#: Autocast runs cuDNN in float16, whatever type was asked for: small gradients would vanish.
HALF = "under mixed precision it would run in float16, not in bfloat16"
#: And what oneDNN has nothing for.
NO_HALF = "it does not run in float16 on a CPU"


class TorchBackend:
    """Torch's own kernels, for cells that are exactly torch's and have no normalizer."""

    name: ClassVar[str] = "torch"
    phrase: ClassVar[str] = "on torch's own kernel"
    tells: ClassVar[bool] = False  # not being one of torch's own cells is no fault

    def why_not(self, cell: Cell, norms: SiteNorms) -> str | None:
        """Return why a cell is not torch's own, or None where it is."""
        if len(norms):
            return "a normalizer is set"
        on_gpu = any(p.is_cuda for p in cell.parameters())
        if on_gpu and torch.is_autocast_enabled("cuda"):
            return HALF
        return None if torch_form_of(cell) else "not one of torch's own cells"

    def run(self, call: WindowCall) -> WindowOutput:
        """Run a window, cut where lanes are reset, where padding begins or ends, and at returned states."""
        form = None if len(call.norms) else torch_form_of(call.cell)
        if form is None:
            raise Unsupported("it is not one of torch's own cells, or a normalizer is set")
        if call.x.is_cuda and torch.is_autocast_enabled("cuda"):
            raise UnsupportedWindow(HALF)
        autocast = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu")
        if call.x.is_cpu and autocast is torch.float16:
            raise UnsupportedWindow(NO_HALF)
        if call.generator is not None and call.cell.draws:
            raise UnsupportedWindow("its project draws masks")
        segments = len(cuts(call.masks, call.return_steps)) - 1
        if segments > 1 and call.masks.time_steps < MIN_MEAN_CUT * segments:
            raise UnsupportedWindow("the window is cut too often")
        return unroll_torch(form, call)

    def stepper(self, cell: Cell, norms: SiteNorms, lanes: int) -> NoReturn:
        """Refuse: a call of a kernel costs more than a step.

        Raises:
            Unsupported: Always.
        """
        raise Unsupported("torch's own kernels run windows, not single steps")


def cuts(masks: StepMasks, return_steps: Collection[int]) -> list[int]:
    """Return the steps at which the window must be cut, with 0 and T.

    It is cut where a lane is reset, where padding begins or ends, and where a state is returned.
    """
    steps = masks.time_steps
    edges = {0, steps, *return_steps}
    edges |= {t for t in range(steps) if masks.any_reset[t]}
    if not all(masks.all_valid):
        changed = (masks.valid[1:] != masks.valid[:-1]).any(1).tolist()
        edges |= {t + 1 for t, c in enumerate(changed) if c}
    return sorted(edges)


def unroll_torch(form: TorchForm, call: WindowCall) -> WindowOutput:
    """Run a window through torch's own kernel, its cell being ``form``."""
    x, state, masks, return_steps = call.x, call.state, call.masks, call.return_steps
    edges = list(itertools.pairwise(cuts(masks, return_steps)))
    outputs, states = [], {0: state} if 0 in return_steps else {}
    form = form._replace(weights=_flat(form.weights)) if x.is_cuda else form
    train = torch.is_grad_enabled() and any(
        t.requires_grad for t in (x, *leaves(state), *leaves(call.initial_state), *form.weights)
    )
    # split once: slicing a tensor that needs a gradient makes the backward quadratic in the cuts
    segments = torch.split(x, [stop - start for start, stop in edges])
    for (start, stop), segment in zip(edges, segments, strict=True):
        if masks.any_reset[start]:
            state = where(masks.resets[start], call.initial_state, state)
        output, after = _segment(form, segment, state, train)
        state = after if masks.all_valid[start] else where(masks.valid[start], after, state)
        outputs.append(output)
        if stop in return_steps:
            states[stop] = state
    return WindowOutput(torch.cat(outputs), states)


def _segment(form: TorchForm, x: Tensor, state: Any, train: bool) -> tuple[Tensor, Any]:
    # cuDNN takes no other states (a start that is the same for all lanes is expanded, not copied)
    h = state[0].unsqueeze(0).contiguous()
    # biases, layers, dropout, train (without it cuDNN has no backward), both ways, batch first
    options = (True, 1, 0.0, train, False, False)
    if form.name == "lstm":
        c = state[1].unsqueeze(0).contiguous()
        output, hn, cn = torch.lstm(x, (h, c), form.weights, *options)
        return output, type(state)(hn[0], cn[0])
    kernel = torch.gru if form.name == "gru" else torch.rnn_tanh
    output, hn = kernel(x, h, form.weights, *options)
    return output, type(state)(hn[0])


def _flat(weights: Weights) -> Weights:
    """Return the weights as views of one buffer, in the order in which cuDNN has them.

    Otherwise it copies them together at every call, and warns of it.
    """
    buffer = torch.cat([w.reshape(-1) for w in weights])
    pieces = torch.split(buffer, [w.numel() for w in weights])
    first, second, third, fourth = (p.view(w.shape) for p, w in zip(pieces, weights, strict=True))
    return first, second, third, fourth
