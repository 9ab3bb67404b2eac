"""Training: memory is really carried, resume is exact, and a run can be stopped anywhere."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from memcell.errors import Diverged, MemcellError
from memcell.inference.inference import probabilities
from memcell.interrupt import Interrupted
from memcell.plugins import default_registry
from memcell.recurrent.state import leaves
from memcell.sequences import TimeSeries, collate
from memcell.training.recalibrate import recalibrate
from memcell_compiler.build.bfloat16 import without_bfloat16
from stopping import StopAfter


def result(trainer):
    files = trainer.folder.metrics.read_bytes()
    return files, {k: v.clone() for k, v in trainer.network.state_dict().items()}


def same(a, b):
    return a[0] == b[0] and all(torch.equal(a[1][k], b[1][k]) for k in a[1])


VARIANTS = [
    {},
    {"training": {"backend": "auto"}},
    {"policy": "reset", "sampler": "reshuffle"},
    {"policy": ("carry_p", {"p": 0.4}), "network": {"layers": 2, "dropout": 0.3}},
    {"policy": "learned", "optimizer": "rmsprop", "cell": "lstm97"},
    {
        "policy": "decay",
        "normalizer": ("batch", {"min_lanes": 2}),
        "cell": "gru",
        "training": {"validate_every": 4},
    },
    {"sampler": ("stream", {"jitter": True}), "policy": ("carry", {"reset_each_epoch": False})},
    {"policy": "stored", "sampler": "reshuffle", "training": {"backend": "eager"}},
    {
        "policy": ("stored_burn_in", {"steps": 7}),
        "training": {"backend": "eager", "gradient": "tbptt", "k1": 6},
    },
    {
        "policy": ("refresh", {"reset_each_epoch": False}),
        "training": {"backend": "eager", "gradient": "random_length"},
    },
    {"policy": ("fitted_noise", {"least": 5, "pool": 9}), "training": {"backend": "eager"}},
    {"policy": ("fixed_lens", {"every": 2}), "sampler": ("stream", {"split": "whole"})},
    {"policy": "random_pass", "sampler": "reshuffle", "training": {"backend": "eager"}},
    {"training": {"backend": "eager", "gradient": "artbp"}, "optimizer": "sgd"},
    {"policy": "reset", "sampler": "grab", "optimizer": ("gated_memory", {"mode": "learned"})},
    {"policy": "reset", "sampler": "curriculum", "optimizer": "averaged"},
    {"optimizer": "lookahead"},
    {"optimizer": "gated_lags"},
    {"cell": "lru", "network": {"zoneout": (0.3,)}, "training": {"backend": "eager"}},
    {
        "cell": ("lstm97", {"start_blocks": 1, "grow_patience": 1, "grow_least": 0.5}),
        "training": {"epochs": 4},
    },
]


@pytest.mark.parametrize("how", VARIANTS, ids=lambda v: str(v)[:60])
def test_a_resumed_run_is_the_run_that_never_stopped(make_trainer, how):
    whole = make_trainer("whole", **how)
    whole.train()
    for stop in (1, whole.at.update // 2, whole.at.update - 1):
        first = make_trainer(f"stopped-{stop}", **how)
        with pytest.raises(Interrupted):
            first.train(StopAfter(stop))
        again = make_trainer(f"stopped-{stop}", **how)
        again.restore()
        again.train()
        assert same(result(again), result(whole)), f"stopped after {stop}"


def test_a_run_killed_after_its_checkpoint_repeats_no_line(make_trainer):
    whole = make_trainer("whole")
    whole.train()
    first = make_trainer("killed")
    with pytest.raises(Interrupted):
        first.train(StopAfter(3))
    # what a killed process would have written after the checkpoint
    with first.folder.metrics.open("a") as file:
        file.write('{"update": 4, "lost": true}\n{"upd')
    again = make_trainer("killed")
    again.restore()
    again.train()
    assert same(result(again), result(whole))


def test_carried_memory_equals_one_long_run(make_trainer, toy_task):
    """Over a whole epoch without updates, carried states are those of running each sequence at once."""
    trainer = make_trainer(sampler=("stream", {"shuffle_sequences": False, "split": "never"}))
    table, order = trainer.order(0)
    policy, memory = trainer.parts.policy, trainer.memory
    seen = set()
    for k in range(len(order)):
        ends = table.ends(order[k - 1]) if k else None
        batch = collate(toy_task.train, table, order[k], ends)
        begin = policy.begin(batch, memory)
        for lane in range(batch.batch_size):
            sequence, offset = int(batch.sequence[lane]), int(batch.offset[lane])
            if sequence < 0:
                continue
            source = toy_task.train[sequence]
            start = max([0, *[b for b in source.breaks if b <= offset]])
            wanted = memory.replay(
                torch.tensor([sequence]),
                torch.tensor([start]),
                torch.tensor([offset]),
                policy.initial_carried(first_lane(batch), memory),
            )
            if offset not in source.breaks:
                assert int(begin.age[lane]) == offset - start
                for a, b in zip(leaves(begin.state), leaves(wanted.state), strict=True):
                    torch.testing.assert_close(a[lane], b[0], rtol=1e-5, atol=1e-6)
                seen.add(offset > start)
        with torch.no_grad():
            trainer.run(batch)
    assert seen == {True, False}


def first_lane(batch):
    parts = {k: v for k, v in vars(batch).items() if isinstance(v, torch.Tensor)}
    first = {k: v[:, :1] if v.dim() > 1 else v[:1] for k, v in parts.items()}
    return type(batch)(**first, stride=batch.stride)


def test_nothing_crosses_a_gap_or_a_sequence(make_trainer, toy_task):
    """What stands before a gap, or in another recording, changes no probability after it."""
    trainer = make_trainer()
    source = toy_task.train[1]
    (cut,) = [b for b in source.breaks if b == 33]
    before = probabilities(trainer.network, [source], "carry", 10)[0]
    changed = source.features.copy()
    changed[:cut] += 5.0
    other = type(source)(**{**vars(source), "features": changed})
    after = probabilities(trainer.network, [toy_task.train[0], other], "carry", 10)[1]
    assert not np.allclose(before[:cut], after[:cut])
    np.testing.assert_array_equal(before[cut:], after[cut:])


def test_inference_with_reset_sees_only_its_window(make_trainer, toy_task):
    trainer = make_trainer()
    source = toy_task.train[0]
    whole = probabilities(trainer.network, [source], "reset", 10)[0]
    window = type(source)(
        name="w", subject="w", features=source.features[20:30], targets=source.targets[20:30]
    )
    alone = probabilities(trainer.network, [window], "reset", 10)[0]
    np.testing.assert_allclose(whole[20:30], alone, rtol=1e-5, atol=1e-6)
    carried = probabilities(trainer.network, [source], "carry", 10)[0]
    assert not np.allclose(carried[20:30], alone)


def test_twins_begin_with_the_same_weights(make_trainer):
    carry, reset = make_trainer("a", policy="carry"), make_trainer("b", policy="reset")
    states = [t.network.state_dict() for t in (carry, reset)]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_training_leaves_the_persons_random_numbers_alone(make_trainer):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002  (the legacy state is what must not be touched)
    state, legacy = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    make_trainer(network={"layers": 2, "dropout": 0.5}).train()
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == legacy).all()  # noqa: NPY002


def test_training_learns(make_trainer):
    trainer = make_trainer(training={"epochs": 40, "learning_rate": 0.02, "patience": 0})
    before = trainer.validation_loss()
    trainer.train()
    assert trainer.validation_loss() < 0.7 * before


def test_early_stop_keeps_the_best_weights(make_trainer):
    trainer = make_trainer(training={"epochs": 60, "learning_rate": 0.3, "patience": 2})
    trainer.train()
    assert "no better validation loss" in trainer.at.reason
    assert trainer.validation_loss() == pytest.approx(trainer.at.best_loss, rel=1e-5)


def test_short_epochs_are_repeated_until_there_were_enough_updates(make_trainer):
    trainer = make_trainer(
        training={"epochs": 2, "min_updates": 95, "learning_rate": 0.3, "patience": 1}
    )
    trainer.train()
    assert trainer.at.update >= 95
    assert trainer.at.epoch > 2


def test_epochs_shorter_than_the_first_are_repeated_as_well(make_trainer):
    trainer = make_trainer(
        training={"epochs": 1, "min_updates": 51, "seed": 5, "patience": 0, "backend": "eager"}
    )
    batches = [len(trainer.order(epoch)[1]) for epoch in range(3)]
    assert sum(batches) < 51 == 3 * batches[0]
    trainer.train()
    assert trainer.at.update >= 51


def test_a_loss_that_is_no_number_stops_with_a_word(make_trainer):
    trainer = make_trainer()
    with torch.no_grad():
        trainer.network.readout.weight.fill_(float("nan"))
    with pytest.raises(MemcellError, match="learning-rate"):
        trainer.train()


@pytest.mark.slow
def test_recalibration_leaves_weights_memory_and_random_numbers_as_they_were(make_trainer):
    trainer = make_trainer(
        normalizer=("batch", {"min_lanes": 2}),
        network={"dropout": 0.5, "layers": 2},
        training={"epochs": 1},
    )
    trainer.train()
    weights = {k: v.clone() for k, v in trainer.network.named_parameters()}
    carried = {k: v.clone() for k, v in trainer.parts.policy.memory_dict().items()}
    state = trainer.memory.generator.get_state()
    means = {k: v.clone() for k, v in trainer.network.named_buffers()}
    assert recalibrate(trainer)
    assert all(torch.equal(weights[k], v) for k, v in trainer.network.named_parameters())
    assert all(torch.equal(carried[k], v) for k, v in trainer.parts.policy.memory_dict().items())
    assert torch.equal(trainer.memory.generator.get_state(), state)
    assert any(not torch.equal(means[k], v) for k, v in trainer.network.named_buffers())
    assert not recalibrate(make_trainer("plain"))


def test_recalibration_takes_the_windows_of_the_last_epoch_where_easy_ones_came_first(make_trainer):
    trainer = make_trainer(
        sampler=("curriculum", {"start": 0.3, "grow": 1}),
        policy="reset",
        normalizer=("batch", {"min_lanes": 2}),
        training={"epochs": 3, "patience": 0, "backend": "eager"},
    )
    trainer.train()
    table, seen, run = trainer.order(trainer.at.epoch - 1)[0], [], trainer.run
    trainer.run = lambda batch: (seen.extend(batch.window.tolist()), run(batch))
    assert recalibrate(trainer)
    assert sorted(row for row in seen if row >= 0) == list(range(len(table)))


@pytest.mark.slow
def test_looking_with_statistics_estimated_anew_leaves_training_as_it_was(make_trainer):
    how = {"normalizer": ("batch", {"min_lanes": 2, "momentum": 0.001})}
    lagging = make_trainer("a", **how, training={"patience": 0, "recalibrate": False})
    looked = make_trainer("b", **how, training={"patience": 0, "validate_every": 2})
    for trainer in (lagging, looked):
        trainer.train()
    a, b = _records(lagging), _records(looked)
    assert [r["loss"] for r in a if "loss" in r] == [r["loss"] for r in b if "loss" in r]
    validated = [[r["valid_loss"] for r in each if "valid_loss" in r] for each in (a, b)]
    assert validated[0] != validated[1]
    looks = [r["update"] for r in b if "look" in r]
    ends = [r["update"] for r in b if "valid_loss" in r]
    assert looks == [u for u in range(1, ends[-1] + 1) if u % 2 == 0 and u not in ends]
    # what was chosen holds the statistics that it was judged with
    assert looked.validation_loss() == pytest.approx(min(validated[1]), rel=1e-5)


def test_looks_left_to_the_program_cost_a_fifth_of_training(make_trainer, toy_task):
    asked = {"validate_every": -1, "time_steps": 2, "batch_size": 4}
    trainer = make_trainer(training={**asked, "epochs": 1})
    steps = sum(s.n_steps for s in toy_task.valid)
    assert trainer._looks == -(-steps // (0.2 * 3 * 2))


REGISTRY = default_registry()
PAIRS = [
    (sampler, policy)
    for sampler in REGISTRY.names("sampler")
    for policy in REGISTRY.names("policy")
    if REGISTRY.get("sampler", sampler).spec.preserves_streams
    or not REGISTRY.get("policy", policy).spec.needs_streams
]


@pytest.mark.parametrize(("sampler", "policy"), PAIRS)
def test_every_sampler_trains_with_every_policy_that_it_can_serve(make_trainer, sampler, policy):
    trainer = make_trainer(sampler=sampler, policy=policy, training={"epochs": 2})
    trainer.train()
    assert trainer.at.finished
    if sampler == "curriculum":  # its first epochs are short, so there are more of them
        assert trainer.total_updates <= trainer.at.update < trainer.total_updates + 11
    else:
        assert trainer.at.update == trainer.total_updates


@pytest.mark.parametrize(
    ("cell", "backend"), [*((c, "eager") for c in REGISTRY.names("cell")), ("lstm", "native")]
)
def test_mixed_precision_trains_and_carries(make_trainer, cell, backend):
    """In bfloat16 on the CPU: dtypes of states, losses and memory fit together."""
    trainer = make_trainer(
        cell=cell,
        training={"mixed_precision": True, "epochs": 2, "backend": backend},
        network={"layers": 2},
    )
    trainer.train()
    assert trainer.at.finished
    assert all(torch.isfinite(p).all() for p in trainer.network.parameters())
    assert all(p.dtype == torch.float32 for p in trainer.network.parameters())


def test_the_readouts_gradient_of_each_window_is_autograds(make_trainer, toy_task):
    trainer = make_trainer(policy="reset", sampler="grab")
    told = []
    trainer.parts.sampler.observe = lambda *seen: told.append(seen)
    table, order = trainer.order(0)
    batch = collate(toy_task.train, table, order[0], None)
    _, losses = trainer.forward(batch, update_statistics=False)
    readout = trainer.network.readout
    wanted = []
    for lane in range(batch.batch_size):
        mean = losses[:, lane].sum() / batch.weight[:, lane].sum()
        w, b = torch.autograd.grad(mean, (readout.weight, readout.bias), retain_graph=True)
        wanted.append(torch.cat([w, b[:, None]], 1).flatten())
    trainer._update(batch)
    (windows, _, gradients), *_ = told
    assert windows.tolist() == order[0].tolist()
    torch.testing.assert_close(torch.from_numpy(gradients), torch.stack(wanted))


def test_averaged_weights_are_judged_and_kept_while_training_goes_on(make_trainer, toy_task):
    plain = make_trainer("plain", training={"patience": 0})
    mean = make_trainer("mean", optimizer=("averaged", {"decay": 0.9}), training={"patience": 0})
    plain.train()
    mean.train()
    losses = [[r["loss"] for r in _records(t) if "loss" in r] for t in (plain, mean)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)  # plain Adam is C, to rounding
    judged = [[r["valid_loss"] for r in _records(t) if "valid_loss" in r] for t in (plain, mean)]
    assert judged[0] != judged[1]
    assert mean.validation_loss() == min(judged[1])


def _records(trainer):
    return [json.loads(line) for line in trainer.folder.metrics.read_text().splitlines()]


class Cornered(torch.nn.Module):
    """An encoder whose value is a number and whose gradient is none: a root at 0."""

    output_size = 3

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x + torch.sqrt((self.scale - self.scale.detach()).clamp_min(0))


def test_a_gradient_that_is_no_number_is_a_divergence_and_leaves_the_weights_as_they_were(
    make_trainer,
):
    mixed = without_bfloat16() is None
    trainer = make_trainer(training={"backend": "eager", "clip": 1.0, "mixed_precision": mixed})
    trainer.network.encoder = Cornered()
    before = {k: v.clone() for k, v in trainer.network.state_dict().items()}
    said = r"the gradient's norm is (inf|nan)( in bfloat16)? at update 1 "
    with pytest.raises(Diverged, match=said) as error:
        trainer.train()
    assert ("or leave out --mixed-precision" in str(error.value)) == mixed
    assert all(torch.equal(v, before[k]) for k, v in trainer.network.state_dict().items())


def test_steps_without_variance_say_what_helps_batch_normalization(make_trainer, toy_task):
    """As black pixels at the start of every image: such a step divides by the square root of eps alone."""
    random = np.random.default_rng(0)
    features = random.normal(size=(16, 150, 3)).astype(np.float32)
    features[:, :140] = 0
    images = tuple(
        TimeSeries(name=f"s{i}", subject=f"s{i}", features=x, targets=random.integers(2, size=150))
        for i, x in enumerate(features)
    )
    task = dataclasses.replace(toy_task, train=images)
    how = {
        "normalizer": "batch",
        "sampler": "stream",
        "training": {"time_steps": 150, "batch_size": 16, "epochs": 1},
    }
    with pytest.raises(
        Diverged, match=r"at update 1 .*or --policy noise where steps have the same"
    ):
        make_trainer("black", task=task, policy="reset", **how).train()
    make_trainer("noisy", task=task, policy="noise", **how).train()


def test_a_validation_split_without_labels_chooses_nothing_and_is_said(make_trainer, toy_task):
    (valid,) = toy_task.valid
    bare = dataclasses.replace(valid, targets=np.full(valid.n_steps, -1, dtype=np.int64))
    task = dataclasses.replace(toy_task, valid=(bare,))
    with pytest.warns(UserWarning, match="no step of the validation split is labelled"):
        trainer = make_trainer(task=task, training={"epochs": 4, "patience": 1})
    trainer.train()
    assert trainer.at.reason == "all 4 epochs done"
    lines = [json.loads(line) for line in trainer.folder.metrics.read_text().splitlines()]
    assert not any("valid_loss" in line for line in lines)


def test_orders_may_have_a_seed_of_their_own(make_trainer):
    how = {"policy": "reset", "sampler": "reshuffle"}
    one, two, other = (
        make_trainer(f"{seed}-{order}", training={"seed": seed, "order_seed": order}, **how)
        for seed, order in ((1, -1), (2, 1), (2, -1))
    )
    assert np.array_equal(one.order(2)[1], two.order(2)[1])
    assert not np.array_equal(two.order(2)[1], other.order(2)[1])
    weights = [t.network.state_dict() for t in (one, two, other)]
    assert all(torch.equal(weights[1][k], weights[2][k]) for k in weights[1])
    assert not all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])


def test_a_sampler_that_shuffles_once_takes_the_order_seed(make_trainer):
    how = {"policy": "reset", "sampler": "shuffle_once"}
    one = make_trainer("a", training={"seed": 1}, **how)
    two = make_trainer("b", training={"seed": 2, "order_seed": 1}, **how)
    assert np.array_equal(one.order(0)[1], two.order(3)[1])
