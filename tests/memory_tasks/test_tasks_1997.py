"""The tasks of 1997 under the paper's protocol: sequences, network, learning, stops, and the record."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from memcell.errors import CheckpointError, UsageError
from memcell_memory_tasks.tasks_1997 import suite
from memcell_memory_tasks.tasks_1997.__main__ import main
from memcell_memory_tasks.tasks_1997.definitions import TASKS, definition
from memcell_memory_tasks.tasks_1997.network import Network1997
from memcell_memory_tasks.tasks_1997.real_time import RealTime
from memcell_memory_tasks.tasks_1997.sequences import E, reber_strings
from memcell_memory_tasks.tasks_1997.stopping import InARow, LastSequences, Stalled, TestSet
from memcell_memory_tasks.tasks_1997.trial import Trial, Variant

QUICK = sorted(set(TASKS) - {"2c-1000-1000", "2c-1000-50", "4-500", "4-1000"})


def drawn(name, count=200):
    rng = np.random.default_rng(0)
    return [TASKS[name].draw(rng) for _ in range(count)]


@pytest.mark.parametrize("name", TASKS)
def test_network_has_the_published_number_of_weights(name):
    assert Network1997(TASKS[name], 0).count == TASKS[name].weights


@pytest.mark.parametrize("name", QUICK)
def test_sequences_fit_their_network_and_differ(name):
    trial = Trial(TASKS[name], 0, 100)
    examples = [trial.example(n) for n in range(20)]
    for e in examples:
        assert e.inputs.shape[1] == TASKS[name].inputs
        assert e.targets.shape == (
            len(e.inputs) if TASKS[name].every_step else 1,
            TASKS[name].outputs,
        )
    assert len({e.inputs.tobytes() for e in examples}) > 1
    assert np.array_equal(trial.example(7).inputs, examples[7].inputs)
    elsewhere = Trial(TASKS[name], 1, 100)
    other = [elsewhere.example(n) for n in range(20)]
    assert any(not np.array_equal(a.inputs, b.inputs) for a, b in zip(examples, other, strict=True))


def test_two_sets_of_reber_strings_are_disjoint():
    train, test = reber_strings(0, 64)
    assert len(set(train)) == len(set(test)) == 64
    assert not set(train) & set(test)
    assert abs(np.mean([len(s) for s in train]) - np.mean([len(s) for s in test])) < 3


def test_2a_and_2b_end_as_they_begin():
    for name in ("2a", "2b"):
        middles = set()
        for e in drawn(name, 40):
            symbols = e.inputs.argmax(1)
            assert symbols[0] in (99, 100)
            assert e.targets[-1].argmax() == symbols[0]
            assert symbols[1:].max() < 99
            middles.add(symbols[1:].tobytes())
        assert len(middles) == (1 if name == "2a" else 40)


def test_2c_asks_for_the_second_symbol_after_at_least_q_distractors():
    lengths = []
    for e in drawn("2c", 400):
        symbols = e.inputs.argmax(1)
        assert (symbols[0], symbols[-1]) == (50, 51)
        assert symbols[1] - 52 == e.targets[0].argmax()
        assert symbols[2:-1].max() < 50
        lengths.append(len(symbols) - 3)
    assert min(lengths) == 50
    assert 57 < np.mean(lengths) < 61


@pytest.mark.parametrize("name", ["3a", "3b", "3c"])
def test_3_says_the_class_first_and_noise_after(name):
    examples = drawn(name)
    first = np.array([e.inputs[:3, 0] for e in examples])
    classes = np.array([e.judged[0, 0] for e in examples])
    rest = np.concatenate([e.inputs[3:, 0] for e in examples])
    assert 0.18 < rest.var() < 0.22
    assert {len(e.inputs) for e in examples} == set(range(100, 111))
    if name == "3b":
        assert 0.15 < (first - np.sign(classes - 0.5)[:, None]).var() < 0.25
    else:
        assert np.array_equal(first, np.repeat(np.sign(classes - 0.5)[:, None], 3, 1))
    noise = np.array([e.targets[0, 0] for e in examples]) - classes
    assert (0.06 < noise.var() < 0.14) if name == "3c" else not noise.any()
    wanted = {0.2, 0.8} if name == "3c" else {0.0, 1.0}
    assert set(np.round(classes, 6).tolist()) == {float(np.float32(w).round(6)) for w in wanted}


@pytest.mark.parametrize("name", ["4", "5"])
def test_4_and_5_ask_for_the_two_marked_numbers(name):
    seen_first = 0
    for e in drawn(name, 400):
        numbers, marks = e.inputs.astype(float).T
        assert (marks[0], marks[-1]) == (-1, -1)
        (others,) = np.nonzero(marks == 1)
        values = numbers[others].tolist()
        if len(others) == 1:  # the very first was marked; its mark is -1
            seen_first += 1
            values.append(0.0 if name == "4" else 1.0)
        assert others.min() < 10 or len(others) == 1
        assert others.max() < 49
        expected = 0.5 + sum(values) / 4 if name == "4" else values[0] * values[1]
        assert e.targets[0, 0] == pytest.approx(expected, abs=1e-6)
        assert numbers.min() >= (-1 if name == "4" else 0)
    assert 0 < seen_first < 80


@pytest.mark.parametrize(
    ("name", "places"), [("6a", ((10, 20), (50, 60))), ("6b", ((10, 20), (33, 43), (66, 76)))]
)
def test_6_asks_for_the_order(name, places):
    classes = set()
    for e in drawn(name):
        symbols = e.inputs.argmax(1)
        assert symbols[0] == E
        assert symbols[-1] == 1
        (at,) = np.nonzero(symbols >= 6)
        assert all(low <= k <= high for k, (low, high) in zip(at, places, strict=True))
        code = int("".join(str(s - 6) for s in symbols[at]), 2)
        assert e.targets[0].argmax() == code
        classes.add(code)
    assert len(classes) == 2 ** len(places)


@pytest.mark.parametrize("name", ["1", "4", "6a", "2a"])
def test_real_time_learning_is_the_truncated_gradient_of_the_cell(name):
    task, rate = TASKS[name], 1e-7
    trial = Trial(task, 0, 10)
    trial.network.cell.grow()
    learner = RealTime(trial.network)
    before, out = learner.weights.copy(), learner.output.copy()
    example = trial.example(3)
    learner.learn(example, rate)
    y = trial.network.answers(torch.from_numpy(example.inputs[:, None]))[:, 0]
    (0.5 * (y - torch.from_numpy(example.targets)).square().sum()).backward()
    gradient = np.zeros_like(before)
    for tensor, at, to in learner._parts():
        if tensor is not None and tensor.grad is not None:
            free = (tensor.grad * trial.network.free(tensor)).double().numpy()
            gradient[at, to] = free.reshape(gradient[at, to].shape)
    found = (before - learner.weights) / rate
    assert np.abs(gradient).max() > 1e-4
    assert np.abs(found - gradient).max() < 2e-4 * np.abs(gradient).max()
    wanted = trial.network.output.weight.grad.numpy()
    assert np.abs((out - learner.output) / rate - wanted).max() < 2e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("name", ["1", "2a", "3c", "5"])
def test_compiled_learning_is_that_of_numpy(name):
    trial = Trial(TASKS[name], 0, 10)
    trial.network.cell.grow()
    one, other = RealTime(trial.network), RealTime(trial.network)
    examples = [trial.example(n) for n in range(12)]
    rate = 2 * trial.rate
    for a, b in zip(
        one.learn_all(examples, rate), other.learn_all(examples, rate, compiled=False), strict=True
    ):
        assert np.allclose(a, b, rtol=0, atol=1e-12)
    assert np.allclose(one.weights, other.weights, rtol=0, atol=1e-12)
    assert not np.allclose(one.weights, RealTime(trial.network).weights)


def test_weights_that_a_task_does_not_have_stay_as_they_are():
    trial = Trial(TASKS["2a"], 0, 300, Variant(grow=1))
    cell = trial.network.cell
    trial.run()
    trial.real_time.give_back()
    assert not cell.weight_recurrent.any()
    assert torch.sigmoid(cell.bias_gates[cell.blocks :]).eq(1).all()
    assert not cell.weight_input[cell.hidden_size + cell.blocks :].any()


def test_a_row_begins_anew_with_an_error():
    rule = InARow(0.25, 3)
    for n, error in enumerate([0.1, 0.3, 0.1, 0.1, 0.2]):
        assert rule.solved is None, n
        rule.tell(np.array([[error, 0.0]]))
    assert rule.solved == 2  # two sequences before the row begins


def test_last_sequences_wants_few_wrong_and_a_small_mean():
    rule = LastSequences(0.3, 0.1, wrong=1, last=4)
    for error in [0.5, 0.5, 0.0, 0.0, 0.0]:
        rule.tell(np.array([[error]]))
        assert rule.solved is None  # the mean is .125 where one is wrong
    rule.tell(np.array([[0.0]]))
    assert rule.solved == 6
    again = LastSequences(0.3, 0.1, wrong=0, last=4)
    again.restore(rule.dump())
    assert (again.number, again.solved) == (6, 6)


def test_test_set_rule_wants_both_conditions():
    rule = TestSet(0.01, 100)
    rule.judge(100, (1, 0.001))
    rule.judge(200, (0, 0.02))
    assert (rule.first, rule.solved) == (200, None)
    rule.judge(300, (0, 0.009))
    assert (rule.first, rule.solved) == (200, 300)


def test_error_that_stops_falling_asks_for_a_block():
    stalled = Stalled(block=2, least=0.1)
    told = [stalled.tell(e) for e in [10, 10, 5, 5, 4.9, 4.9, 4.9, 4.9, 4.9, 4.9]]
    assert told == [False] * 5 + [True] + [False] * 3 + [True]


def test_stopped_trial_goes_on_to_the_bit(tmp_path):
    for name, most in (("6a", 300), ("2a", 700)):
        straight = Trial(TASKS[name], 3, most)
        straight.run()
        file = tmp_path / f"{name}.safetensors"
        Trial(TASKS[name], 3, most - 150, checkpoint=file).run()
        part = Trial(TASKS[name], 3, most - 150, checkpoint=file)
        part.run()
        part.save()
        rest = Trial(TASKS[name], 3, most, checkpoint=file)
        assert rest.run().trained == most
        assert np.array_equal(rest.real_time.weights, straight.real_time.weights)
        assert np.array_equal(rest.real_time.output, straight.real_time.output)
        assert list(rest.recent) == list(straight.recent)
    with pytest.raises(CheckpointError, match="checkpoint of another trial"):
        Trial(TASKS["2a"], 4, 700, checkpoint=file).run()


def test_easy_task_is_solved_and_the_wrong_answer_counts_as_wrong():
    easy = dataclasses.replace(
        TASKS["3a"], rule=lambda: TestSet(0.2, 200), start=0.1, output_gates=(), input_gates=()
    )
    easy = dataclasses.replace(easy, draw=lambda rng: _short(rng))
    trial = Trial(easy, 0, 20_000)
    _, mean = trial.tested()
    assert 0.45 < mean < 0.55
    outcome = trial.run()
    assert outcome.solved
    assert trial.tested()[0] == 0
    trial.real_time.output *= -1.0
    assert trial.tested()[0] > 200


def _short(rng):
    example = TASKS["3a"].draw(rng)
    return dataclasses.replace(example, inputs=example.inputs[:8])


def test_trials_are_kept_and_not_repeated(tmp_path):
    plan = suite.Plan(tasks=("6a", "3a"), trials=2, most=200)
    said = []
    first = suite.run(tmp_path, plan, said.append)
    assert len(first) == len(said) == 4
    again = suite.run(tmp_path, plan, said.append)
    assert [o.seconds for o in again] == [o.seconds for o in first]
    assert len(said) == 4
    table = (tmp_path / "table.tsv").read_text().splitlines()
    assert table[0].split("\t") == list(suite.COLUMNS)
    assert [line.split("\t")[0] for line in table[1:]] == ["3a", "6a"]
    assert "0 of 2" in suite.markdown(suite.rows(again))
    more = suite.run(tmp_path, dataclasses.replace(plan, tasks=("6a",), most=300), said.append)
    assert [(o.task, o.trained) for o in more] == [("6a", 300)] * 2 + [("3a", 200)] * 2
    straight = Trial(TASKS["6a"], 0, 300)
    straight.run()
    assert more[0].error == straight._outcome(False).error
    grown = dataclasses.replace(plan, variant=Variant(grow=1, blocks=3))
    assert len(list(suite.planned(grown, again))) == 4


def test_budget_is_a_multiple_of_what_was_published():
    plan = suite.Plan(tasks=("2a",), trials=1, times=2)
    assert plan.budget(definition("2a")) == 2 * 5040 + 10_000
    assert plan.budget(definition("3b")) == suite.WITHOUT_FIGURE
    assert dataclasses.replace(plan, most=100).budget(definition("2a")) == 100


def test_command_predicts_runs_and_prints(tmp_path):
    call = CliRunner().invoke
    args = ["run", "6a", "--out", str(tmp_path), "--trials", "1", "--most", "100"]
    dry = call(main, [*args, "--dry-run"])
    assert "task 6a: 1 to run, 100 sequences a trial at most; about" in dry.output
    assert not (tmp_path / "trials.jsonl").exists()
    ran = call(main, args)
    assert "not solved in 100 sequences" in ran.output
    assert "31,390" in call(main, ["table", str(tmp_path)]).output
    assert "1,273,000 sequences" in call(main, ["tasks"]).output
    wrong = call(main, ["run", "6c", "--out", str(tmp_path)])
    assert "unknown task of 1997 '6c'" in wrong.output
    bias = call(main, [*args, "--output-gate-bias", "low"])
    assert "expected numbers with commas" in bias.output
    with pytest.raises(UsageError, match="no task was named"):
        suite.chosen(",")
