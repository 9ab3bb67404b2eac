"""The tasks: what is asked, and what can be known without memory."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import ConfigError, DataError
from memcell.plugins.options import fields_of, from_mapping
from memcell_memory_tasks import order_digits, reber, recall, sequential_digits, temporal_order
from memcell_memory_tasks.config import MemoryConfig
from memcell_memory_tasks.grammar import EMBEDDED, END, SYMBOLS, draw, legal_next
from memcell_memory_tasks.problem import symbols_of

SMALL = {"streams": 3, "test_streams": 2, "trials": 6}


def test_every_default_is_in_bounds():
    defaults = {f.name: f.default for f in fields_of(MemoryConfig)}
    assert from_mapping(MemoryConfig, defaults) == MemoryConfig()
    with pytest.raises(ConfigError, match="'lag-from' got 9, more than 'lag'"):
        from_mapping(MemoryConfig, {"lag": 5, "lag_from": 9})


@pytest.mark.parametrize("module", [recall, temporal_order, reber])
def test_streams_are_made_of_the_seed_and_differ(module):
    config = MemoryConfig(**SMALL, strings=20)
    one, again = module.make(config), module.make(config)
    other = module.make(MemoryConfig(**SMALL, strings=20, data_seed=1))
    everyone = [*one.train, *one.valid, *one.test]
    assert [len(p) for p in (one.train, one.valid, one.test)] == [3, 2, 2]
    assert len({s.subject for s in everyone}) == 7
    for a, b in zip(one.test, again.test, strict=True):
        assert np.array_equal(a.features, b.features)
        assert np.array_equal(a.targets, b.targets)
    assert one.simulated
    distinct = {s.features.tobytes() for s in (*everyone, *other.train, *other.valid, *other.test)}
    assert len(distinct) == 14


def test_recall_asks_for_the_cue_after_the_lag():
    config = MemoryConfig(**SMALL, symbols=3, distractors=2, lag=9, lag_from=4)
    made = recall.make(config)
    lags = set()
    for s in (*made.train, *made.test):
        symbols = symbols_of(s)
        asked = np.flatnonzero(symbols == 5)
        cued = np.flatnonzero(symbols < 3)
        assert len(asked) == len(cued) == 6
        assert np.array_equal(np.flatnonzero(s.labelled), asked)
        assert np.array_equal(s.targets[asked], symbols[cued])
        assert np.array_equal(cued[1:], asked[:-1] + 1)
        lags |= set((asked - cued - 1).tolist())
    assert lags <= set(range(4, 10))
    assert len(lags) > 3


def test_recall_without_memory_beyond_a_window():
    config = MemoryConfig(**SMALL, symbols=4, lag=8, lag_from=8)
    (s, *_) = recall.make(config).test
    possible = recall.make(config).possible
    # Trials of 10 steps: cues at 0, 10, ..., questions at 9, 19, ...
    assert possible(s, 10).tolist() == [1] * 6
    assert possible(s, 9).tolist() == [4] * 6
    assert possible(s, 15).tolist() == [1, 4, 1, 1, 4, 1]
    assert possible(s, 60).tolist() == [1] * 6


def test_temporal_order_is_task_6a():
    made = temporal_order.make(MemoryConfig(streams=20, test_streams=2, trials=10, length=100))
    seen = set()
    for s in made.train:
        symbols = symbols_of(s)
        ends = np.flatnonzero(s.labelled)
        begin = 0
        for end in ends:
            trial = symbols[begin : end + 1]
            assert 100 <= len(trial) <= 110
            assert (trial[0], trial[-1]) == (0, 1)
            first, second = np.flatnonzero(trial >= 6)
            assert 10 <= first <= 20
            assert 50 <= second <= 60
            assert s.targets[end] == 2 * (trial[first] - 6) + trial[second] - 6
            assert ((trial[1:-1] >= 2) & (trial[1:-1] <= 7)).all()
            seen.add(int(s.targets[end]))
            begin = end + 1
    assert seen == {0, 1, 2, 3}


def test_temporal_order_without_memory_beyond_a_window():
    made = temporal_order.make(MemoryConfig(streams=1, test_streams=1, trials=50, length=100))
    (s,) = made.test
    assert (made.possible(s, s.n_steps) == 1).all()
    assert (made.possible(s, 1) == 4).all()
    symbols = symbols_of(s)
    pairs, ends = np.flatnonzero(symbols >= 6).reshape(-1, 2), np.flatnonzero(symbols == 1)
    by_hand = [
        2 ** sum(mark < end - end % 64 for mark in pair)
        for pair, end in zip(pairs.tolist(), ends.tolist(), strict=True)
    ]
    assert made.possible(s, 64).tolist() == by_hand


def text(symbols):
    return "".join(SYMBOLS[s] for s in symbols)


def test_the_grammar():
    # Strings by hand from the graph of Hochreiter and Schmidhuber 1997, figure 3 and 4.
    legal = ("BTBTXSETE", "BPBPVVEPE", "BTBTSSXXTTVPSETE", "BPBPVPXVVEPE")
    for string in legal:
        symbols = np.array([SYMBOLS.index(c) for c in string])
        allowed = legal_next(symbols)
        assert allowed[np.arange(len(symbols) - 1), symbols[1:]].all()
        assert not allowed[-1].any()
        assert allowed[-3].sum() == 1  # the symbol that needs memory
    for string in ("BTBTXSEPE", "BTBTXE", "TBTXSETE"):
        with pytest.raises(DataError, match="is not legal"):
            legal_next(np.array([SYMBOLS.index(c) for c in string]))
    assert END == 19
    assert {len(row) for row in EMBEDDED[:-1]} == {1, 2}
    rng = np.random.default_rng(0)
    for _ in range(50):
        string = text(draw(rng))
        assert string[1] == string[-2]
        assert string.startswith("B")
        assert string.endswith("E")


def test_reber_strings_of_no_two_splits_are_the_same():
    made = reber.make(MemoryConfig(streams=20, test_streams=20, trials=40, strings=32))
    found = {}
    for part in ("train", "valid", "test"):
        strings = set()
        for s in getattr(made, part):
            symbols = symbols_of(s)
            ends = np.flatnonzero(~s.labelled)
            starts = np.r_[0, ends[:-1] + 1]
            strings |= {text(symbols[a : b + 1]) for a, b in zip(starts, ends, strict=True)}
            known = np.flatnonzero(s.labelled)
            assert np.array_equal(s.targets[known], symbols[known + 1])
        found[part] = strings
        assert len(strings) == 32
    assert not found["train"] & found["test"]
    assert not found["train"] & found["valid"]
    assert not found["valid"] & found["test"]


def test_the_scores_of_the_grammar():
    made = reber.make(MemoryConfig(streams=4, test_streams=2, trials=20, strings=32))
    knows = [made.rules["the grammar itself"](s) for s in made.test]
    assert reber.extra_scores(made.test, knows) == {"strings_right": 1.0, "memory_right": 1.0}
    # With T and P taken for one another just before the end, nothing but the memory is wrong.
    forgets = [p.copy() for p in knows]
    for s, p in zip(made.test, forgets, strict=True):
        at = np.flatnonzero(~s.labelled) - 2
        p[np.ix_(at, [1, 2])] = p[np.ix_(at, [2, 1])]
    assert reber.extra_scores(made.test, forgets) == {"strings_right": 0.0, "memory_right": 0.0}


def test_digits_row_by_row_and_their_groups():
    made = order_digits.make(MemoryConfig(task="order_digits"))
    assert not made.simulated
    assert len(made.train) + len(made.valid) + len(made.test) == 1797
    for s in made.test[:50]:
        assert s.features.shape == (8, 8)
        assert np.flatnonzero(s.labelled).tolist() == [7]
        assert s.subject == ("digits 0-4" if s.targets[-1] < 5 else "digits 5-9")
    single = order_digits.make(MemoryConfig(rows=False))
    assert single.test[0].features.shape == (1, 64)
    assert np.array_equal(single.test[0].features.ravel(), made.test[0].features.ravel())
    # A network that knows the second group alone.
    p = [np.zeros((8, 10), dtype=np.float32) for _ in made.test]
    for s, q in zip(made.test, p, strict=True):
        q[-1, max(int(s.targets[-1]), 5)] = 1
    found = order_digits.extra_scores(made.test, p)
    assert (found["accuracy_digits_0_4"], found["accuracy_digits_5_9"]) == (0, 1)
    assert found["recency"] == 1


@pytest.mark.parametrize(("how", "seen"), [("none", 64), ("shuffled", 64), ("authors", 41)])
def test_pixels_come_in_one_order(how, seen):
    plain = sequential_digits.make(MemoryConfig())
    made = sequential_digits.make(MemoryConfig(permutation=how))
    assert made.test[0].features.shape == (64, 1)
    order = sequential_digits.pixel_order(MemoryConfig(permutation=how), 64)
    assert len(np.unique(order)) == seen == made.facts["pixels_seen"]
    for a, b in zip(plain.test[:20], made.test[:20], strict=True):
        assert np.array_equal(a.features[order], b.features)
        assert np.flatnonzero(b.labelled).tolist() == [63]
    other = sequential_digits.pixel_order(MemoryConfig(permutation=how, permutation_seed=2), 64)
    assert np.array_equal(order, other) == (how == "none")


def test_the_authors_order_leaves_out_a_third_of_the_pixels():
    order = sequential_digits.pixel_order(MemoryConfig(permutation="authors"), 784)
    assert len(np.unique(order)) == 501


@pytest.fixture
def small_mnist(tmp_path):
    rng = np.random.default_rng(0)
    for name, n in (("train", 130), ("test", 30)):
        x = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        np.savez(tmp_path / f"mnist_{name}.npz", x=x, y=np.arange(n) % 10)
    return tmp_path


def test_mnist_is_averaged_over_squares(small_mnist):
    made = sequential_digits.make(MemoryConfig(mnist=str(small_mnist), images=100, pool=4))
    assert [len(p) for p in (made.train, made.valid, made.test)] == [100, 20, 20]
    with np.load(small_mnist / "mnist_train.npz") as file:
        squares = file["x"].astype(float).reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)) / 255
    whole = {tuple(np.round(v, 4)) for v in squares.reshape(-1, 49)}
    used = {tuple(np.round(s.features[:, 0].astype(float), 4)) for s in (*made.train, *made.valid)}
    assert len(used) == 120
    assert used <= whole
    assert sequential_digits.make(MemoryConfig(mnist=str(small_mnist), images=100, pool=1)).train[
        0
    ].features.shape == (784, 1)


def test_mnist_that_cannot_be_used_is_named(small_mnist, tmp_path):
    with pytest.raises(DataError, match=r"mnist_train\.npz: holds 130 images, 240"):
        sequential_digits.make(MemoryConfig(mnist=str(small_mnist), images=200))
    np.savez(tmp_path / "mnist_test.npz", x=np.zeros((30, 8, 8)), y=np.zeros(30))
    with pytest.raises(DataError, match=r"mnist_test\.npz: 'x' is float64 \[30, 8, 8\]"):
        sequential_digits.make(MemoryConfig(mnist=str(small_mnist), images=100))
    (tmp_path / "mnist_test.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(DataError, match=r"mnist_test\.npz: cannot be read"):
        sequential_digits.make(MemoryConfig(mnist=str(small_mnist), images=100))
    with pytest.raises(DataError, match=r"mnist_train\.npz: there is no such file"):
        sequential_digits.make(MemoryConfig(mnist=str(tmp_path / "absent")))
