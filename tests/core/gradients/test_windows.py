"""How gradient modes cut sequences into windows, and that every step is learned from once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memcell.errors import ConfigError
from memcell.plugins import default_registry
from memcell.sequences import TimeSeries, collate, window_table
from memcell.training.seeds import lengths_rng

few = settings(max_examples=40, deadline=None)


def sequence(n, name="s"):
    rng = np.random.default_rng(n)
    return TimeSeries(
        name=name,
        subject=name,
        features=rng.normal(size=(n, 2)).astype(np.float32),
        targets=rng.integers(0, 2, n),
    )


def mode(gradient="window", time_steps=50, **options):
    entry = default_registry().get("gradient", gradient)
    return entry.build(time_steps, entry.config(options))


def lay(chosen, data, epoch=0):
    return chosen.table(data, 2, None, 0, lengths_rng(3, epoch))


def counted(table, data):
    """How often each step of each sequence counts in the loss."""
    times = [np.zeros(s.n_steps) for s in data]
    for row in range(len(table)):
        batch = collate(data, table, np.array([row]), None)
        offset, which = int(batch.offset[0]), int(batch.sequence[0])
        steps = torch.nonzero(batch.weight[:, 0]).flatten().numpy() + offset
        times[which][steps] += 1
        assert table.weight[row] == batch.weight.sum() == table.label_counts[row].sum()
    return times


MODES = st.one_of(
    st.builds(lambda t: mode(time_steps=t), st.integers(1, 9)),
    st.builds(
        lambda t, k: mode(gradient="tbptt", time_steps=t, k1=min(k, t)),
        st.integers(1, 9),
        st.integers(0, 9),
    ),
    st.builds(
        lambda t, sd: mode(gradient="random_length", time_steps=t, length_sd=sd),
        st.integers(1, 9),
        st.floats(0, 5),
    ),
    st.builds(lambda t: mode(gradient="artbp", time_steps=t), st.integers(1, 9)),
)


@few
@given(chosen=MODES, lengths=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_every_step_counts_once_and_lanes_go_on_without_a_hole(chosen, lengths):
    data = [sequence(n, f"s{i}") for i, n in enumerate(lengths)]
    table = lay(chosen, data)
    assert all((times == 1).all() for times in counted(table, data))
    ends = table.ends(np.arange(len(table)))
    for row in range(1, len(table)):
        joined = bool(
            table.follow(np.array([row]), type(ends)(*(e[row - 1 : row] for e in ends)))[0]
        )
        assert joined == (table.sequence[row] == table.sequence[row - 1])


def test_overlapping_windows_as_the_paper_has_them():
    """n = 11, k1 = 2, k2 = 5: five steps, then two more at a time, seen with the three before them."""
    table = lay(mode(gradient="tbptt", time_steps=5, k1=2), [sequence(11)])
    assert table.start.tolist() == [0, 2, 4, 6]
    assert table.length.tolist() == [5, 5, 5, 5]
    assert table.counted_from.tolist() == [0, 3, 3, 3]
    assert table.ends(np.array([0, 3])).stop.tolist() == [2, 8]
    batch = collate([sequence(11)], table, np.array([1]), table.ends(np.array([0])))
    assert batch.weight[:, 0].tolist() == [0, 0, 0, 1, 1]
    assert batch.continues.tolist() == [True]
    assert (batch.advance, batch.time_steps) == (2, 5)
    assert batch.to(torch.device("cpu")).stride == 2


def test_k1_is_half_of_the_window_where_nobody_says():
    assert lay(mode(gradient="tbptt", time_steps=9), [sequence(30)]).stride == 4
    assert lay(mode(gradient="tbptt", time_steps=1), [sequence(3)]).stride == 1


def test_k1_of_all_steps_is_plain_windows():
    data = [sequence(23), sequence(8, "t")]
    plain, all_new = (
        lay(mode(time_steps=5), data),
        lay(mode(gradient="tbptt", time_steps=5, k1=5), data),
    )
    for column in ("sequence", "start", "length", "weight", "counted_from"):
        np.testing.assert_array_equal(getattr(plain, column), getattr(all_new, column))


def test_random_lengths_are_the_papers():
    """N(70, 5) with p = .95, else N(35, 5); a new series each epoch, the same for all sequences."""
    chosen = mode(gradient="random_length", time_steps=70)
    drawn = chosen.draw(20000, np.random.default_rng(0))
    short = drawn < 52
    assert abs(short.mean() - 0.05) < 0.005
    assert abs(drawn[~short].mean() - 70) < 0.2
    assert abs(drawn[~short].std() - 5) < 0.2
    assert abs(drawn[short].mean() - 35) < 0.6
    data = [sequence(400, "a"), sequence(600, "b")]
    table, again, later = lay(chosen, data), lay(chosen, data), lay(chosen, data, epoch=1)
    a, b = (table.length[table.sequence == i] for i in (0, 1))
    assert a[:-1].tolist() == b[: len(a) - 1].tolist()
    assert table.length.tolist() == again.length.tolist() != later.length.tolist()


def test_a_batch_of_drawn_lengths_is_as_long_as_its_longest_and_scales_the_rate():
    data = [sequence(40)]
    table = window_table(data, 10, 2, lengths=np.array([6, 12, 3, 30]))
    chosen = mode(gradient="random_length", time_steps=10)
    batch = collate(data, table, np.array([0, 2, -1]), None)
    assert batch.time_steps == 6
    shared = collate(data, table, np.array([0, 2]), None, among=np.array([0, 2, -1, 1]))
    assert shared.time_steps == 12, "as long as in the other process"
    assert chosen.rate(batch, lambda x: x) == pytest.approx(4.5 / 10)
    assert mode(time_steps=10).rate(batch, lambda x: x) == 1


def test_geometric_lengths_have_the_mean_that_was_asked_for():
    table = lay(mode(gradient="artbp", time_steps=20), [sequence(20000)])
    assert abs(table.length[:-1].mean() - 20) < 4 * 20 / len(table) ** 0.5
    assert table.length.min() == 1


def test_a_shift_of_the_grid_is_no_truncation():
    chosen, data = mode(gradient="artbp", time_steps=20), [sequence(200)]
    plain, shifted = (
        chosen.table(data, 2, None, phase, np.random.default_rng(1)) for phase in (0, 7)
    )
    assert shifted.start.tolist() == plain.start.tolist()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"stride": 0}, "stride must be 1 to 5, got 0"),
        ({"stride": 6}, "stride must be 1 to 5, got 6"),
        ({"stride": 2, "phase": 1}, "fixed grid"),
        ({"lengths": np.array([3, 4])}, "lengths end"),
    ],
)
def test_windows_that_cannot_be_laid_are_refused(how, words):
    with pytest.raises(ConfigError, match=words):
        window_table([sequence(20)], 5, 2, **how)
