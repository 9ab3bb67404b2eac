"""The device of these tests does what it is there for: it computes, and refuses what a GPU refuses."""

from __future__ import annotations

import pytest
import torch


def test_it_computes_with_gradients(elsewhere):
    x = torch.arange(6.0).view(2, 3).to(elsewhere).requires_grad_()
    w = torch.nn.Linear(3, 2)
    w.to(elsewhere)
    y = w(x * 2 + torch.ones(3, device=elsewhere))
    y.square().sum().backward()
    plain = torch.arange(6.0).view(2, 3).requires_grad_()
    cpu = torch.nn.Linear(3, 2)
    cpu.load_state_dict({k: v.cpu() for k, v in w.state_dict().items()})
    cpu(plain * 2 + 1).square().sum().backward()
    assert x.device == elsewhere
    assert torch.equal(x.grad.cpu(), plain.grad)
    assert torch.equal(w.weight.grad.cpu(), cpu.weight.grad)
    x.detach()[0, 1:] = torch.tensor([5.0, 6.0])  # a copy onto it is none of mixing
    assert x.tolist() == [[0, 5, 6], [3, 4, 5]]


def test_it_refuses_what_a_gpu_refuses(elsewhere):
    there, here = torch.ones(3, device=elsewhere), torch.ones(3)
    for wrong in (
        lambda: there + here,
        lambda: torch.stack([there, here]),
        lambda: here[torch.zeros(2, dtype=torch.int64, device=elsewhere)],
        lambda: torch.where(here > 0, there, there),
        lambda: torch.rand(3, device=elsewhere, generator=torch.Generator()),
    ):
        with pytest.raises(RuntimeError, match="CPU"):
            wrong()
    with pytest.raises(TypeError, match="numpy"):
        there.numpy()
    assert (there + torch.tensor(2.0)).tolist() == [3, 3, 3]
    assert there[torch.tensor([0, 1])].tolist() == [1, 1]
