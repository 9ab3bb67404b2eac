"""Probes change nothing, cost what they may, and go on where a run was stopped."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

from memcell.cli.main import cli, run
from memcell.errors import Diverged, UsageError
from memcell.interrupt import Interrupted
from memcell.plugins import default_registry
from memcell.recurrent.state import leaves
from memcell.settings.run_config import chosen_probes
from stopping import StopAfter

NAMES = tuple(default_registry().names("probe"))

ALL = {"probe": NAMES, "probe_budget": 30.0, "epochs": 2}
VARIANTS = [
    {},
    {"policy": ("carry_p", {"p": 0.4}), "network": {"layers": 2, "dropout": 0.3}},
    pytest.param(
        {"policy": "decay", "normalizer": ("batch", {"min_lanes": 2}), "cell": "gru"},
        marks=pytest.mark.slow,
    ),
    {"policy": "reset", "sampler": "reshuffle", "cell": "lstm97"},
    {"policy": "learned", "sampler": ("stream", {"jitter": True}), "cell": "cec"},
]


def lines(trainer):
    text = trainer.folder.probes.read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("how", VARIANTS, ids=lambda v: str(v)[:60])
def test_probes_change_neither_metrics_nor_weights_nor_random_numbers(make_trainer, how):
    plain = make_trainer("plain", training={"epochs": 2}, **how)
    plain.train()
    torch.manual_seed(3)
    person = torch.get_rng_state()
    probed = make_trainer("probed", training=ALL, **how)
    probed.train()
    probed.observer.end()
    assert not probed.observer.off
    assert {record["probe"] for record in lines(probed)} == set(NAMES)
    assert probed.folder.metrics.read_bytes() == plain.folder.metrics.read_bytes()
    one, other = plain.network.state_dict(), probed.network.state_dict()
    assert all(torch.equal(one[k], other[k]) for k in one)
    assert torch.equal(plain.memory.generator.get_state(), probed.memory.generator.get_state())
    assert torch.equal(torch.get_rng_state(), person)
    for a, b in zip(
        leaves(plain.parts.policy.memory_dict().get("state.0", torch.zeros(1))),
        leaves(probed.parts.policy.memory_dict().get("state.0", torch.zeros(1))),
        strict=True,
    ):
        assert torch.equal(a, b)
    assert probed.network.training == plain.network.training
    assert [layer.backend for layer in probed.network.recurrent.layers] == [
        layer.backend for layer in plain.network.recurrent.layers
    ]


def test_a_run_that_diverges_says_so_whatever_its_probe_makes_of_it(make_trainer):
    # alone it can afford the Hessian, whose eigenvalues are those of no number
    trainer = make_trainer(training={**ALL, "probe": ("stuck",)})
    with torch.no_grad():
        next(trainer.network.recurrent.parameters()).fill_(torch.nan)
    with pytest.raises(Diverged):
        trainer.train()
    assert "not finite" in trainer.observer.off["stuck"]


@pytest.mark.parametrize(("budget", "stop"), [(12.0, 17), (3.0, 2)])
def test_a_resumed_run_writes_the_same_lines(make_trainer, budget, stop):
    options = {**ALL, "probe_budget": budget, "epochs": 3}
    whole = make_trainer("whole", training=options)
    whole.train()
    whole.observer.end()
    first = make_trainer("stopped", training=options)
    with pytest.raises(Interrupted):
        first.train(StopAfter(stop))
    with first.folder.probes.open("a") as file:
        file.write('{"probe": "order", "lost')  # what a killed process would have left
    again = make_trainer("stopped", training=options)
    again.restore()
    again.train()
    again.observer.end()
    assert again.folder.probes.read_bytes() == whole.folder.probes.read_bytes()


def test_a_chain_of_resumes_leaves_the_checkpoint_of_the_whole_run_bit_for_bit(make_trainer):
    # the eager loop's prices are no round numbers, so that the order of a sum shows in its last bit
    options = {**ALL, "probe_budget": 12.0, "epochs": 2, "backend": "eager"}
    whole = make_trainer("whole", training=options)
    whole.train()
    for stop in (3, 4, 5, 4):
        part = make_trainer("stopped", training=options)
        if part.folder.checkpoint.exists():
            part.restore()
        with pytest.raises(Interrupted):
            part.train(StopAfter(stop))
    last = make_trainer("stopped", training=options)
    last.restore()
    last.train()
    assert any(spent % 1 for spent in whole.observer.spent.values())
    assert last.observer.spent == whole.observer.spent
    assert last.folder.checkpoint.read_bytes() == whole.folder.checkpoint.read_bytes()


def test_a_finished_run_that_is_opened_again_says_the_same(make_trainer):
    whole = make_trainer("whole", training=ALL)
    whole.train()
    whole.observer.end()
    before = whole.folder.probes.read_bytes()
    again = make_trainer("whole", training=ALL)
    again.restore()
    again.train()
    again.observer.end()
    assert again.folder.probes.read_bytes() == before


@pytest.mark.parametrize(
    ("names", "budget"),
    [(("staleness",), 0.5), (("order", "cell_state"), 5.0), (NAMES, 0.5), (NAMES, 5.0)],
)
def test_the_counted_cost_stays_within_the_budget(make_trainer, names, budget):
    trainer = make_trainer(
        training={
            "probe": names,
            "probe_budget": budget,
            "epochs": 8,
            "patience": 0,
            "backend": "eager",
        }
    )
    trainer.train()
    said = "\n".join(trainer.observer.end())
    spent, worked = sum(trainer.observer.spent.values()), trainer.observer.worked
    assert spent <= budget * worked * (1 + 1e-9)
    for name in names:
        if name in trainer.observer.off:
            assert "--probe-budget" in trainer.observer.off[name]
        else:
            assert trainer.observer.times[name] >= 1
        assert f"probe {name}: " in said
    if budget == 5.0 and len(names) < 3:
        assert spent >= 0.5 * budget * worked  # and it is made use of


def test_a_budget_of_nothing_measures_nothing_and_says_what_would_do(make_trainer):
    trainer = make_trainer(training={"probe": ("staleness",), "probe_budget": 0.0})
    trainer.train()
    (line,) = trainer.observer.end()
    assert "off" in line
    assert "--probe-budget" in line
    assert lines(trainer) == []


def test_without_probes_there_is_no_file(make_trainer):
    trainer = make_trainer()
    trainer.train()
    assert trainer.observer is None
    assert not trainer.folder.probes.exists()


class Once(torch.autograd.Function):
    """A square that cannot be differentiated twice."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


class OnceEncoder(torch.nn.Module):
    output_size = 3

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(3))

    def forward(self, x):
        return Once.apply(x * self.scale)


def test_what_a_probe_cannot_do_ends_the_probe_and_not_the_training(make_trainer):
    trainer = make_trainer(training={**ALL, "backend": "eager"})
    trainer.network.encoder = OnceEncoder()
    trainer.train()
    assert trainer.at.finished
    assert list(trainer.observer.off) == ["stuck"]
    assert any("off" in line and "stuck" in line for line in trainer.observer.end())
    stopped = [r for r in lines(trainer) if "stopped" in r]
    assert [r["probe"] for r in stopped] == ["stuck"]
    assert "differentiated only once" in stopped[0]["stopped"]["reason"]


class SinglePrecision(torch.nn.Identity):
    """An encoder that refuses what only a probe hands it."""

    output_size = 3

    def __init__(self, refusal):
        super().__init__()
        self.refusal = refusal

    def forward(self, x):
        if x.dtype == torch.float64:
            raise self.refusal
        return x


def test_whatever_a_network_raises_ends_the_probe_alone(make_trainer):
    trainer = make_trainer(training={**ALL, "probe": ("stuck", "order"), "backend": "eager"})
    trainer.network.encoder = SinglePrecision(KeyError("float64"))
    trainer.train()
    assert trainer.at.finished
    assert list(trainer.observer.off) == ["stuck"]
    assert "KeyError: 'float64'" in trainer.observer.off["stuck"]
    assert list(trainer.observer.on) == ["order"]


def test_a_request_to_stop_passes_through_a_probe(make_trainer):
    trainer = make_trainer(training={**ALL, "probe": ("stuck",), "backend": "eager"})
    trainer.network.encoder = SinglePrecision(Interrupted("stopped"))
    with pytest.raises(Interrupted):
        trainer.train()


def test_a_misspelt_probe_is_named_with_the_nearest():
    with pytest.raises(UsageError, match=r"stalenes.*Did you mean 'staleness'"):
        chosen_probes(default_registry(), ("order", "stalenes"), {})
    assert run(["train", "microsleep", "--probe", "gradientflow"]) == 2


def test_help_lists_the_probes_with_what_they_measure():
    text = " ".join(CliRunner().invoke(cli, ["train", "--help"]).output.split())
    assert all(name in text for name in NAMES)
    assert "never change the training" in text
