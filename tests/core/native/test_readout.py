"""A readout with its cross-entropy in C: what autograd makes of the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memcell_compiler.runtime.readout import NativeReadout, ReadoutWeights


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("steps", "lanes", "width", "classes", "features", "weighs"),
    [
        (50, 16, 32, 2, 0, False),
        (9, 7, 17, 5, 3, True),
        (1, 1, 1, 1, 1, False),
        (13, 10, 40, 37, 21, True),
    ],
)
def test_logits_losses_and_gradients(dtype, steps, lanes, width, classes, features, weighs):
    torch.manual_seed(0)
    made = {"dtype": dtype}
    hidden = torch.randn(steps, lanes, width, **made)
    x = torch.randn(steps, lanes, features, **made)
    weight = nn.Parameter(torch.randn(classes, width, **made))
    bias = nn.Parameter(3 * torch.randn(classes, **made))
    skip = nn.Parameter(torch.randn(classes, features, **made)) if features else None
    y = torch.randint(-1, classes, (steps, lanes))
    step_weights = torch.rand(steps, lanes) * (y >= 0)
    class_weights = torch.rand(classes) if weighs else None

    native = NativeReadout(dtype)
    weights = ReadoutWeights(weight, bias, skip)
    assert native.takes(hidden, weights)
    found = native.run(hidden, x, weights, y, step_weights, class_weights)
    d_hidden, pairs = found.backward(0.3)

    given = hidden.clone().requires_grad_()
    logits = nn.functional.linear(given, weight, bias)
    if skip is not None:
        logits = logits + nn.functional.linear(x, skip)
    each = nn.functional.cross_entropy(
        logits.flatten(0, 1),
        y.clamp_min(0).flatten(),
        None if class_weights is None else class_weights.to(dtype),
        reduction="none",
    )
    losses = each.view(y.shape) * step_weights
    wanted = [p for p in (given, weight, bias, skip) if p is not None]
    gradients = torch.autograd.grad(losses.sum() * 0.3, wanted)

    eps = torch.finfo(dtype).eps

    def close(a, b):
        a, b = a.detach(), b.detach()
        return torch.allclose(a, b, rtol=100 * eps, atol=200 * eps * max(1.0, float(b.abs().max())))

    assert close(found.logits, logits)
    assert close(found.losses, losses)
    assert found.total == pytest.approx(float(losses.detach().sum()), rel=100 * eps)
    assert [p is q for (p, _), q in zip(pairs, wanted[1:], strict=True)] == [True] * len(pairs)
    for gradient, expected in zip([d_hidden, *(d for _, d in pairs)], gradients, strict=True):
        assert close(gradient, expected)


def run(logits, target, **changes):
    """Return the loss of one step whose logits are the biases."""
    classes = len(logits)
    bias = torch.tensor(logits)
    weights = ReadoutWeights(torch.zeros(classes, 1), bias, None)
    hidden = torch.ones(1, 1, 1)
    one = torch.ones(1, 1)
    y = torch.tensor([[target]])
    return NativeReadout(torch.float32).run(hidden, hidden, weights, y, one, None)


@pytest.mark.parametrize(
    "logits",
    [
        [0.0, 100.0],
        [1e38, -1e38],
        [float("nan"), 0.0],
        [float("inf"), 0.0],
        [float("-inf"), 0.0],
        [0.0, float("nan")],
    ],
    ids=str,
)
def test_extreme_logits_are_as_in_torch(logits):
    for target in (0, 1):
        expected = nn.functional.cross_entropy(torch.tensor([logits]), torch.tensor([target]))
        found = run(logits, target).total
        assert found == pytest.approx(float(expected), rel=1e-6, nan_ok=True)


def test_a_target_that_is_no_class_is_refused():
    with pytest.raises(IndexError, match="target 2 is none of the 2 classes"):
        run([0.0, 0.0], 2)


def test_frozen_weights_get_no_gradient():
    weights = ReadoutWeights(nn.Parameter(torch.ones(2, 3)), torch.zeros(2), None)
    hidden, one = torch.ones(4, 1, 3), torch.ones(4, 1)
    loss = NativeReadout(torch.float32).run(hidden, hidden, weights, one.long(), one, None)
    assert [w is weights.weight for w, _ in loss.backward(1.0)[1]] == [True]


def test_large_readouts_are_left_to_torch():
    weights = ReadoutWeights(torch.zeros(100, 512), torch.zeros(100), None)
    assert not NativeReadout(torch.float32).takes(torch.zeros(128, 32, 512), weights)
