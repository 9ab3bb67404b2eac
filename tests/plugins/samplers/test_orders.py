"""Every sampler on tables of random size: it keeps what its spec declares."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memcell.errors import ConfigError, DataError
from memcell.sequences import TimeSeries, window_table
from memcell_plugins import memcell_samplers

SPECS = {spec.name: spec for spec in memcell_samplers()}
CHOICES = [
    *((name, {}) for name in SPECS),
    ("stream", {"split": "always"}),
    ("stream", {"split": "never"}),
    ("stream", {"shuffle_sequences": False}),
    ("grouped", {"by": "subject"}),
    ("grouped", {"by": "cluster", "clusters": 3}),
    ("blocks", {"k": 3}),
    ("shuffle_buffer", {"n": 1}),
    ("shuffle_buffer", {"n": 4}),
]
IDS = [name + "".join(f"-{k}={v}" for k, v in options.items()) for name, options in CHOICES]
T = 4


def table(lengths, seed=0, n_classes=3, labelled=1.0, time_steps=T):
    rng = np.random.default_rng(seed)
    sequences = []
    for i, n in enumerate(lengths):
        targets = rng.integers(0, n_classes, size=n)
        targets[rng.random(n) >= labelled] = -1
        features = rng.normal(size=(n, 2)).astype(np.float32)
        sequences.append(
            TimeSeries(name=f"s{i}", subject=f"p{i % 2}", features=features, targets=targets)
        )
    return window_table(sequences, time_steps, n_classes)


tables = st.builds(
    table,
    st.lists(st.integers(1, 25), min_size=1, max_size=7),
    seed=st.integers(0, 1000),
    labelled=st.sampled_from([1.0, 0.3]),
)


def order_of(build, name, options, windows, lanes, epoch=0, seed=0):
    sampler = build(SPECS[name], **options)
    sampler.seed = seed
    return sampler.order(windows, lanes, epoch, np.random.default_rng([seed, epoch]))


@pytest.mark.parametrize(("name", "options"), CHOICES, ids=IDS)
def test_order_keeps_what_the_spec_declares(build, name, options):
    @settings(max_examples=25, deadline=None)
    @given(tables, st.integers(1, 9), st.integers(0, 3))
    def holds(windows, lanes, epoch):
        if name == "balanced" and (windows.label < 0).all():
            return
        order = order_of(build, name, options, windows, lanes, epoch)
        assert order.dtype == np.int64
        assert order.ndim == 2
        assert order.shape[1] == lanes
        assert ((order >= -1) & (order < len(windows))).all()
        assert (order >= 0).any(axis=1).all(), "a batch of empty lanes"
        if SPECS[name].covers_once:
            assert sorted(order[order >= 0]) == list(range(len(windows)))
        # a pure function of table, seed and epoch: what a resumed run asks for again
        assert np.array_equal(order, order_of(build, name, options, windows, lanes, epoch))
        assert SPECS[name].preserves_streams or (order[:-1] >= 0).all()

    holds()


@pytest.mark.parametrize("name", ["reshuffle", "with_replacement", "stream", "balanced", "blocks"])
def test_epochs_and_seeds_have_orders_of_their_own(build, name):
    windows = table([40] * 12)
    first = order_of(build, name, {}, windows, 4, epoch=0)
    assert not np.array_equal(first, order_of(build, name, {}, windows, 4, epoch=1))
    assert not np.array_equal(first, order_of(build, name, {}, windows, 4, seed=1))


def test_sequential_is_the_tables_order(build):
    order = order_of(build, "sequential", {}, table([10, 7]), 2)
    assert order.tolist() == [[0, 1], [2, 3], [4, -1]]


def test_shuffle_once_is_one_order_of_the_run(build):
    windows = table([100])
    first = order_of(build, "shuffle_once", {}, windows, 4, epoch=0)
    assert np.array_equal(first, order_of(build, "shuffle_once", {}, windows, 4, epoch=7))
    assert not np.array_equal(first, order_of(build, "shuffle_once", {}, windows, 4, seed=1))
    assert not np.array_equal(first.ravel()[:25], np.arange(25))


def test_reshuffle_is_uniform(build):
    """Each window is equally often first."""
    windows = table([5], time_steps=1)
    firsts = [order_of(build, "reshuffle", {}, windows, 1, epoch=e)[0, 0] for e in range(1000)]
    assert (np.abs(np.bincount(firsts) - 200) < 60).all()


class TestStream:
    @pytest.mark.parametrize("split", ["auto", "always", "never"])
    @settings(max_examples=40, deadline=None)
    @given(windows=tables, lanes=st.integers(1, 9))
    def test_lanes_run_through_windows_without_a_hole(self, build, split, windows, lanes):
        order = order_of(build, "stream", {"split": split}, windows, lanes)
        whole = split == "never" or (split == "auto" and len(set(windows.sequence)) >= lanes)
        n_of = np.bincount(windows.sequence)
        cuts = 0
        for lane in order.T:
            rows = lane[lane >= 0]
            assert (lane[len(rows) :] == -1).all(), "empty only after a lane's end"
            for earlier, later in itertools.pairwise(rows):
                if windows.follow(np.array([later]), windows.ends(np.array([earlier])))[0]:
                    continue
                assert windows.start[later] == 0, "a new recording begins at its beginning"
                last = np.flatnonzero(windows.sequence == windows.sequence[earlier])[-1]
                assert earlier == last, "a recording is left at its end"
            cuts += len(rows) > 0 and windows.start[rows[0]] > 0
        assert cuts == 0 if whole else cuts <= lanes
        lengths = (order >= 0).sum(axis=0)
        if whole:
            assert lengths.max() - lengths.min() <= n_of.max()
        else:
            assert lengths.max() - lengths.min() <= 1

    def test_two_batches_continue_row_by_row(self, build):
        windows = table([40, 40])
        order = order_of(build, "stream", {}, windows, 2)
        for earlier, later in itertools.pairwise(order):
            assert windows.follow(later, windows.ends(earlier)).all()

    def test_sequences_are_shuffled_unless_told_otherwise(self, build):
        windows = table([8] * 20)
        kept = {"shuffle_sequences": False}
        assert order_of(build, "stream", kept, windows, 1).ravel().tolist() == list(range(40))
        shuffled = order_of(build, "stream", {}, windows, 1).ravel()
        assert shuffled.tolist() != list(range(40))

    def test_whole_sequences_lie_in_the_same_order_in_every_epoch(self, build):
        windows = table([8, 12, 4, 20, 8])
        orders = [
            order_of(build, "stream", {"split": "whole"}, windows, 2, epoch=e) for e in range(3)
        ]
        assert all(np.array_equal(orders[0], order) for order in orders)
        assert [windows.sequence[lane[lane >= 0]].tolist() for lane in orders[0].T] == [
            [0, 0, 2, 3, 3, 3, 3, 3],
            [1, 1, 1, 4, 4],
        ]

    def test_more_lanes_than_whole_sequences_are_refused_with_the_number_that_fits(self, build):
        windows = table([8, 8, 8])
        with pytest.raises(
            ConfigError, match=r"4 lanes are more than the 3 sequences .* 3 or less"
        ):
            order_of(build, "stream", {"split": "whole"}, windows, 4)
        assert order_of(build, "stream", {"split": "whole"}, windows, 3).tolist() == [
            [0, 2, 4],
            [1, 3, 5],
        ]

    def test_jitter_moves_the_grid_and_says_so(self, build, config):
        rng = np.random.default_rng(0)
        fixed, moving = build(SPECS["stream"]), build(SPECS["stream"], jitter=True)
        assert {fixed.phase(e, T, rng) for e in range(50)} == {0}
        assert {moving.phase(e, T, rng) for e in range(50)} == set(range(T))
        assert config(SPECS["stream"], jitter=True).capabilities() == {"fixed_grid": False}
        assert config(SPECS["stream"]).capabilities() == {}


class TestGrouped:
    @pytest.mark.parametrize("by", ["label", "subject"])
    def test_groups_come_one_after_the_other_in_order(self, build, by):
        windows = table([60, 60, 60])
        order = order_of(build, "grouped", {"by": by}, windows, 7)
        groups = getattr(windows, by)[order[order >= 0]]
        assert (np.diff(groups) >= 0).all()
        assert len(set(groups)) > 1

    def test_within_a_group_the_order_is_new_in_every_epoch(self, build):
        windows = table([400])
        first, second = (order_of(build, "grouped", {}, windows, 1, epoch=e) for e in range(2))
        assert not np.array_equal(first, second)

    def test_clusters_are_found_and_stay_over_epochs(self, build):
        rng = np.random.default_rng(0)
        truth = np.repeat([0, 1, 2], 20)
        # the second feature is 1000 times larger and says nothing: scaling must take care of it
        centres = np.array([[-8, 0], [0, 0], [8, 0]])[truth]
        features = (centres + rng.normal(size=(60, 2)) * [0.5, 1000]).astype(np.float32)
        one = TimeSeries(name="s", subject="p", features=features, targets=np.zeros(60, np.int64))
        windows = window_table([one], 1, 1)
        sampler = build(SPECS["grouped"], by="cluster", clusters=3)
        groups = sampler.groups(windows)
        assert np.array_equal(groups, sampler.groups(windows))
        order = [
            order_of(build, "grouped", {"by": "cluster", "clusters": 3}, windows, 1, e)
            for e in (0, 1)
        ]
        assert np.array_equal(groups[order[0].ravel()], groups[order[1].ravel()])
        found = {tuple(np.bincount(groups[truth == t], minlength=3)) for t in range(3)}
        agree = sum(max(counts) for counts in found)
        assert agree >= 40

    def test_fewer_windows_than_clusters(self, build):
        windows = table([8])
        order = order_of(build, "grouped", {"by": "cluster", "clusters": 50}, windows, 1)
        assert sorted(order.ravel()) == [0, 1]


def two_labels(n_first, n_second):
    targets = np.array([0] * n_first + [1] * n_second)
    features = np.zeros((len(targets), 1), np.float32)
    return window_table(
        [TimeSeries(name="s", subject="p", features=features, targets=targets)], 1, 2
    )


@pytest.mark.parametrize("k", [1, 2, 5])
def test_blocks_alternate(build, k):
    windows = two_labels(10, 10)
    labels = windows.label[order_of(build, "blocks", {"k": k}, windows, 1).ravel()]
    assert labels.tolist() == (([0] * k + [1] * k) * (10 // k))


def test_blocks_end_with_what_is_left_of_the_frequent_label(build):
    windows = two_labels(7, 2)
    labels = windows.label[order_of(build, "blocks", {"k": 2}, windows, 1).ravel()]
    assert labels.tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_balanced_takes_classes_equally_often_and_windows_of_one_evenly(build):
    windows = two_labels(90, 7)
    order = order_of(build, "balanced", {}, windows, 4)
    counts = np.bincount(order[order >= 0], minlength=97)
    assert counts[:90].sum() == counts[90:].sum() == 49
    assert counts[:90].max() == 1
    assert counts[90:].max() - counts[90:].min() <= 1


def test_balanced_without_labels_says_what_to_use(build):
    with pytest.raises(DataError, match="use sampler 'reshuffle'"):
        order_of(build, "balanced", {}, table([10], labelled=0.0), 2)


def test_with_replacement_repeats_and_misses(build):
    windows = table([4000])
    order = order_of(build, "with_replacement", {}, windows, 10)
    assert order.size == 1000
    assert 0.58 < len(np.unique(order)) / 1000 < 0.68  # 1 - 1/e


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 12), length=st.integers(1, 40))
def test_shuffle_buffer_brings_nothing_earlier_than_it_holds(build, n, length):
    windows = table([length], time_steps=1)
    order = order_of(build, "shuffle_buffer", {"n": n}, windows, 1).ravel()
    place = np.argsort(order)
    assert (place >= np.arange(length) - (n - 1)).all()
    if n == 1:
        assert order.tolist() == list(range(length))
