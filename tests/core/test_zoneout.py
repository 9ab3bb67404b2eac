"""Zoneout on any cell: its equations, its random numbers, its refusals, and that it trains like any cell."""

from __future__ import annotations

import pytest
import torch

from memcell.errors import ConfigError
from memcell.nn import Recurrent
from memcell.plugins import default_registry
from memcell.recurrent.cell import identity_norm
from memcell.recurrent.zoneout import Zoneout, zoned_out
from memcell.runs.compatibility import misfits

T, B, F, H = 7, 3, 2, 4
EAGER = {"epochs": 1, "backend": "eager"}


def made(name="lstm", rates=(0.3,), **options):
    entry = default_registry().get("cell", name)
    torch.manual_seed(0)
    cell = entry.build(F, H, entry.config(options)).double()
    for p in cell.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return zoned_out(cell, rates)


def steps(cell, x, generator=None):
    parts, state = cell.project(x, generator=generator), cell.initial_state(B, dtype=x.dtype)
    for t in range(len(x)):
        output, state = cell.step(tuple(part[t] for part in parts), state, identity_norm)
        yield output, state


def test_units_stay_as_the_masks_say():
    cell, x = made(rates=(0.3, 0.6)), torch.randn(T, B, F).double()
    parts = cell.project(x, generator=torch.Generator().manual_seed(1))
    masks = dict(zip("hc", parts[-2:], strict=True))
    assert {float(v) for m in masks.values() for v in m.flatten()} == {0, 1}
    before, inner = cell.initial_state(B, dtype=x.dtype), cell.inner
    for t, (output, state) in enumerate(steps(cell, x, torch.Generator().manual_seed(1))):
        h, new = inner.step(inner.project(x[t]), before, identity_norm)
        held = masks["h"][t].bool()
        torch.testing.assert_close(output, torch.where(held, before.h, h))
        assert torch.equal(state.h, output)
        torch.testing.assert_close(state.c, torch.where(masks["c"][t].bool(), before.c, new.c))
        before = state


def test_as_many_units_stay_as_asked():
    cell = zoned_out(made(rates=(0,)), (0.05, 0.5))
    h, c = cell.project(torch.zeros(500, 20, F).double(), torch.Generator().manual_seed(0))[-2:]
    assert abs(float(h.mean()) - 0.05) < 0.005
    assert abs(float(c.mean()) - 0.5) < 0.01


def test_inference_takes_the_expectation():
    cell, x = made("gru", (0.25,)), torch.randn(T, B, F).double()
    before, inner = cell.initial_state(B, dtype=x.dtype), cell.inner
    for t, (output, state) in enumerate(steps(cell, x)):
        new, _ = inner.step(inner.project(x[t]), before, identity_norm)
        torch.testing.assert_close(output, 0.25 * before.h + 0.75 * new)
        before = state


def test_a_part_without_a_rate_has_no_mask():
    cell, x = made(rates=(0, 0.5)), torch.randn(T, B, F).double()
    assert len(cell.project(x)) == 2
    assert zoned_out(cell.inner, (0.0, 0.0)) is cell.inner


REFUSED = [
    ("lstm", (1.0,), "zoneout got 1.0; expected probabilities from 0 to below 1"),
    ("lstm", (-0.1, 0.5), "expected probabilities"),
    ("lstm", ("much",), "expected probabilities"),
    ("lstm", (float("nan"),), "expected probabilities"),
    ("lstm", (None,), "zoneout got None; expected probabilities"),
    ("lstm", (0.1, 0.2, 0.3), "LSTM takes one, or 2: of h, c"),
    ("slstm", (0.1, 0.2), "SLSTM takes one, or 1: of h"),
    ("mlstm", (0.1,), "parts of MLSTM's state .c, n, m. belong together"),
]


@pytest.mark.parametrize(("name", "rates", "words"), REFUSED)
def test_what_cannot_be_is_refused(name, rates, words):
    with pytest.raises(ConfigError, match=words):
        made(name, rates)


def losses(trainer):
    trainer.train()
    return [p.detach().clone() for p in trainer.network.parameters()]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_run_repeats_and_another_seed_or_rate_differs(make_trainer):
    how = {"cell": "lru", "training": EAGER, "network": {"zoneout": (0.3,)}}
    first = losses(make_trainer("first", **how))
    torch.manual_seed(99)  # of no concern to it
    assert same(losses(make_trainer("second", **how)), first)
    other = {**how, "network": {"zoneout": (0.4,)}}
    assert not same(losses(make_trainer("third", **other)), first)


def test_masks_pair_under_all_policies(make_trainer):
    """What is drawn is a function of seed and update alone."""
    drawn = []
    for policy in ("carry", "reset"):
        trainer = make_trainer(policy, policy=policy, training=EAGER, network={"zoneout": (0.3,)})
        cell = trainer.network.recurrent.each[0].cell
        inner, seen = cell.project, []
        cell.project = lambda x, generator=None, inner=inner, seen=seen: _kept(
            inner(x, generator), seen, generator
        )
        trainer.train()
        drawn.append(seen)
    assert drawn[0]
    assert same(*drawn)


def _kept(parts, seen, generator):
    if generator is not None:
        seen.append(parts[-1].clone())
    return parts


def test_the_layer_draws_in_training_alone():
    rnn = Recurrent("lstm", F, H, num_layers=2, zoneout=(0.05, 0.5), backend="eager")
    x = torch.randn(T, B, F)
    y, state = rnn(x)
    assert not torch.equal(rnn(x)[0], y)
    y.sum().backward()
    rnn.eval()
    assert torch.equal(rnn(x)[0], rnn(x)[0])
    assert isinstance(rnn.stack.each[0].cell, Zoneout)
    whole = rnn(x)[0]
    first, state = rnn(x[:3])
    assert torch.allclose(torch.cat([first, rnn(x[3:], state)[0]]), whole, atol=1e-6)


def test_it_runs_as_generated_code():
    rnn = Recurrent("gru", F, H, zoneout=0.2, dtype=torch.float64)
    eager = Recurrent("gru", F, H, zoneout=0.2, dtype=torch.float64, backend="eager")
    eager.load_state_dict(rnn.state_dict())
    x = torch.randn(T, B, F).double()
    found = []
    for layer in (rnn, eager):
        torch.manual_seed(3)
        y, _ = layer(x)
        y.square().sum().backward()
        found.append([y.detach(), *(p.grad for p in layer.parameters())])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("cell", "zoneout", "words"),
    [
        ("mlstm", (0.1,), "leave zoneout out"),
        (("slstm", {"heads": 4}), (0.0,), "4 heads do not divide a hidden_size of 6"),
        ("lem", (0.1, 0.2), ""),
    ],
)
def test_a_run_is_refused_before_anything_is_prepared(make_config, cell, zoneout, words):
    config = make_config(cell=cell, network={"zoneout": zoneout})
    found = misfits(config, default_registry())
    assert len(found) == bool(words)
    assert words in "".join(found)
