"""The statistics against brute force, against other people's code, and in simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import special, stats
from statsmodels.stats.multitest import multipletests

from memcell.statistics.bootstrap import (
    RESAMPLES,
    SEED,
    band,
    interval,
    iqm,
    mean,
    ratio_interval,
    stratified_interval,
)
from memcell.statistics.crossed import crossed
from memcell.statistics.paired import FLIPS, cohens_dz, holm, sign_flip, superiority
from memcell.statistics.targets import (
    NEVER,
    clearly_below,
    horizon,
    log_rank,
    log_updates,
    target_of,
    updates_to_target,
)


def brute_force(d):
    patterns = itertools.product((-1, 1), repeat=len(d))
    sums = [abs(sum(s * v for s, v in zip(signs, d, strict=True))) for signs in patterns]
    return float(np.mean([total >= abs(sum(d)) - 1e-9 for total in sums]))


@pytest.mark.parametrize("n", range(1, 12))
def test_exact_p_is_that_of_all_patterns(n):
    random = np.random.default_rng(n)
    for d in (
        random.normal(0.5, 1, n),
        random.integers(-2, 3, n).astype(float),  # ties and zeros
        np.full(n, 0.1),
        np.concatenate([random.normal(size=n - 1), [0.0]]),
    ):
        assert sign_flip(d).p == pytest.approx(brute_force(d.tolist()))


@pytest.mark.parametrize("n", [4, 9, 13])
def test_exact_p_is_that_of_scipy(n):
    d = np.random.default_rng(n).normal(0.4, 1, n)
    theirs = stats.permutation_test(
        (d,), lambda x, axis: x.sum(axis=axis), permutation_type="samples", n_resamples=np.inf,
        vectorized=True,
    )  # fmt: skip
    assert sign_flip(d).p == pytest.approx(theirs.pvalue)


def test_sums_that_differ_by_rounding_are_ties():
    # added in another order the observed sum of 0 is off by the last bit
    assert sign_flip([0.1, 0.1, 0.1, -0.1, -0.1, -0.1]).p == 1.0


def test_all_zero_differences_have_p_1():
    assert sign_flip(np.zeros(8)).p == 1.0


def test_p_is_two_sided_and_does_not_depend_on_the_unit():
    d = np.random.default_rng(0).normal(0.4, 1, 14)
    assert sign_flip(d).p == sign_flip(-d).p == sign_flip(1e-7 * d).p == sign_flip(d[::-1]).p


@pytest.mark.parametrize(("n", "can"), [(1, False), (5, False), (6, True), (20, True)])
def test_it_says_when_pairs_are_too_few(n, can):
    found = sign_flip(np.linspace(1, 2, n))
    assert found.p == found.smallest_p == 2 / 2**n
    assert found.can_decide is can
    assert (found.p <= 0.05) is can


def test_pairs_without_a_difference_do_not_help_to_decide():
    found = sign_flip([0.0, 1.0, 0.0, 2.0, 3.0, 0.0, 1.0, 0.0])
    assert (found.n, found.ties) == (8, 4)
    assert found.p == found.smallest_p == 2 / 2**4
    assert not found.can_decide
    assert sign_flip(np.zeros(8)).smallest_p == 1.0


def test_no_pairs_have_no_p():
    found = sign_flip([])
    assert math.isnan(found.p)
    assert not found.can_decide


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        sign_flip([1.0, math.nan])


def test_many_pairs_are_drawn_near_the_exact_p():
    d = np.array([3, -1, 2, 4, -2, 1, 1, -3, 5, 2, -1, 2, 3, -2, 1, 4, -1, 2, -4, 1, 2, -1, 1, 2])
    ways = np.ones(1)
    for step in np.abs(d):  # the distribution of the sum, as a product of polynomials
        ways = np.convolve(ways, [1] + [0] * (2 * step - 1) + [1])
    sums = np.arange(len(ways)) - np.abs(d).sum()
    exact = ways[np.abs(sums) >= abs(d.sum())].sum() / ways.sum()
    found = sign_flip(d)
    assert not found.exact
    assert found.p == pytest.approx(exact, abs=4 * math.sqrt(exact / FLIPS))
    assert found.p == sign_flip(d).p
    # never 0: the observed pattern is one of those that could have been drawn
    assert sign_flip(np.ones(60)).p == 1 / (1 + FLIPS)


@pytest.mark.parametrize("kind", ["normal", "laplace", "outliers"])
def test_false_alarms_are_as_many_as_promised(kind):
    random, runs, n = np.random.default_rng(1), 2000, 10
    draw = {
        "normal": lambda: random.normal(size=n),
        "laplace": lambda: random.laplace(size=n),
        "outliers": lambda: random.normal(size=n) * random.choice([1, 30], size=n, p=[0.9, 0.1]),
    }[kind]
    alarms = sum(sign_flip(draw()).p <= 0.05 for _ in range(runs))
    level = 2 * math.floor(0.05 * 2**n / 2) / 2**n  # the nearest that 2^n patterns allow
    low, high = stats.binom.interval(0.999, runs, level)
    assert low <= alarms <= high


def test_a_large_difference_is_found():
    random = np.random.default_rng(2)
    found = [sign_flip(random.normal(0.7, 1, 20)).p <= 0.05 for _ in range(120)]
    assert np.mean(found) > 0.75


def test_holm_is_that_of_statsmodels():
    random = np.random.default_rng(3)
    for m in (1, 2, 7, 40):
        p = random.uniform(0, 1, m) ** 3
        p[: m // 4] = p[0]
        assert np.array_equal(holm(p), multipletests(p, method="holm")[1])


def test_holm_leaves_out_what_was_not_tested():
    found = holm([0.04, math.nan, 0.01])
    assert found[[0, 2]] == pytest.approx([0.04, 0.02])
    assert math.isnan(found[1])


def test_holm_keeps_the_family_at_its_level():
    random = np.random.default_rng(4)
    runs = 500
    alarms = sum(
        (holm([sign_flip(random.normal(size=9)).p for _ in range(4)]) <= 0.05).any()
        for _ in range(runs)
    )
    assert alarms <= stats.binom.interval(0.999, runs, 0.05)[1]


def test_effect_sizes():
    a, b = np.random.default_rng(5).normal(size=(2, 15))
    d = a - b
    assert cohens_dz(d) * math.sqrt(15) == pytest.approx(stats.ttest_rel(a, b).statistic)
    assert superiority([1, 2, -1, 0]) == 0.625
    assert cohens_dz([0.0, 0.0]) == 0.0
    assert math.isnan(cohens_dz([0.3, 0.3]))
    assert math.isnan(superiority([]))


def bca(values, statistic):
    """BCa as Efron (1987) has it, written out."""
    x = np.asarray(values, dtype=np.float64)
    n, observed = len(x), float(statistic(x))
    rows = np.random.default_rng(SEED).integers(0, n, size=(RESAMPLES, n))
    resampled = statistic(x[rows])
    bends = [statistic(np.delete(x, i)) for i in range(n)]
    bends = np.mean(bends) - np.array(bends)
    below = float(np.mean((resampled < observed) + 0.5 * (resampled == observed)))
    bias = special.ndtri(below)
    acceleration = (bends**3).sum() / (6 * (bends**2).sum() ** 1.5)
    z = bias + special.ndtri([0.025, 0.975])
    return np.quantile(resampled, special.ndtr(bias + z / (1 - acceleration * z)))


@pytest.mark.parametrize("n", [2, 5, 9, 20, 41])
@pytest.mark.parametrize("statistic", [mean, iqm])
def test_intervals_are_bca(statistic, n):
    x = np.random.default_rng(n).gamma(2, size=n)
    assert interval(x, statistic) == pytest.approx(bca(x, statistic), abs=1e-12)


def test_percentile_interval_where_bca_is_not_defined():
    # left out one at a time, the interquartile mean is always 1: no acceleration
    x = [1.0, 1.0, 1.0, 1.0, 9.0]
    rows = np.random.default_rng(SEED).integers(0, 5, size=(RESAMPLES, 5))
    expected = np.quantile(iqm(np.array(x)[rows]), [0.025, 0.975])
    assert interval(x, iqm) == pytest.approx(expected, abs=1e-12)


def test_strata_are_resampled_in_turn():
    """Resampled by hand, with a stratum of one value between the others."""
    random = np.random.default_rng(10)
    strata = [random.normal(size=6), np.array([0.3]), random.normal(size=4)]
    draws = np.random.default_rng(SEED)
    resampled = [s[draws.integers(0, len(s), size=(RESAMPLES // 5, len(s)))] for s in strata]
    expected = np.quantile(iqm(np.concatenate(resampled, axis=1)), [0.025, 0.975])
    assert stratified_interval(strata) == pytest.approx(expected, abs=1e-12)


def test_ratio_is_resampled_in_pairs():
    random = np.random.default_rng(11)
    a, b = random.normal(3, 1, 20), random.normal(5, 1, 20)
    rows = np.random.default_rng(SEED).integers(0, 20, size=(RESAMPLES, 20))
    ratios = a[rows].mean(axis=1) / b[rows].mean(axis=1)
    expected = (a.mean() / b.mean(), *np.quantile(ratios, [0.025, 0.975]))
    assert ratio_interval(a, b) == pytest.approx(expected, abs=1e-12)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(7)
    inside = 0
    for _ in range(200):
        low, high = interval(random.normal(size=20))
        inside += low <= 0 <= high
    assert 0.88 <= inside / 200 <= 0.98


def test_intervals_of_too_few_or_equal_values():
    assert all(map(math.isnan, interval([1.0])))
    assert interval([0.5] * 4) == (0.5, 0.5)
    low, high = interval([0.0, 0.0, 0.0, 1.0])
    assert 0 <= low <= 0.25 <= high <= 1


@pytest.mark.parametrize("n", [1, 3, 4, 5, 8, 21])
def test_interquartile_mean_is_that_of_scipy(n):
    x = np.random.default_rng(n).normal(size=(3, n))
    assert iqm(x) == pytest.approx(stats.trim_mean(x, 0.25, axis=1))
    assert iqm(x.T, 0) == pytest.approx(iqm(x))


def test_one_odd_run_does_not_move_the_interquartile_mean():
    assert iqm(np.array([1.0, 1.0, 1.0, 1.0, 1000.0])) == 1.0


def test_strata_stay_as_they_are():
    random = np.random.default_rng(8)
    alike = [random.normal(size=12) for _ in range(5)]
    apart = [x + 10 * i for i, x in enumerate(alike)]
    low, high = stratified_interval(alike, mean)
    far_low, far_high = stratified_interval(apart, mean)
    # differences between subjects are no noise of the runs
    assert far_high - far_low == pytest.approx(high - low)
    assert all(map(math.isnan, stratified_interval([[1.0], [2.0]])))


def test_a_band_holds_the_mean_and_needs_two_curves():
    curves = np.random.default_rng(9).normal(size=(15, 4)) + np.arange(4)
    low, high = band(curves)
    assert (low < curves.mean(axis=0)).all()
    assert (curves.mean(axis=0) < high).all()
    for i in range(4):
        assert (low[i], high[i]) == pytest.approx(interval(curves[:, i]), abs=0.25)
    assert np.isnan(band(curves[:1])).all()


def test_a_share_of_nothing_has_no_size():
    ratio, low, high = ratio_interval([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    assert ratio == low == high == 0.5
    assert math.isnan(ratio_interval([1.0, 1.0], [-1.0, 0.5])[0])
    ratio, low, _ = ratio_interval([1.0, 1.0], [-1.0, 4.0])
    assert ratio == pytest.approx(2 / 3)
    assert math.isnan(low)


def test_updates_to_a_target():
    curve = [(10, 0.9), (20, 0.5), (30, 0.6), (40, 0.4)]
    assert updates_to_target(curve, 0.5) == 20
    assert updates_to_target(curve, 0.45) == 40
    assert updates_to_target(curve, 0.1) == NEVER
    assert updates_to_target([], 0.1) == NEVER


def test_never_is_later_than_any_and_costs_the_whole_budget():
    assert log_updates(NEVER, 400) == log_updates(400, 400) == math.log(400)
    assert log_updates(20, 400) < log_updates(NEVER, 400)


def test_the_target_is_most_of_the_way_from_chance_to_a_good_run_and_never_chance():
    assert target_of([0.3, 0.4, 0.5, math.nan], 1.0) == pytest.approx(1 - 0.9 * 0.6)
    assert math.isnan(target_of([0.3, 0.95, 0.95], 1.0))  # the median run learned nothing
    assert math.isnan(target_of([math.nan], 1.0))
    assert clearly_below(-2.0) == pytest.approx(-2.2)


def test_everybody_is_known_up_to_the_horizon():
    assert horizon([100, NEVER, 400], [500, 300, 500]) == 300
    assert horizon([100, 200], [500, 250]) == 500
    # who diverged never gets there, however long one looks
    assert horizon([100, NEVER], [500, NEVER]) == 500
    assert math.isnan(horizon([NEVER], [NEVER]))


def test_the_log_rank_test_is_scipys_and_needs_somebody_who_got_there():
    a, b = [6, 13, 21, 30, 31, 37, 38, 47, 49, 50], [10, 10, 12, 13, 14, 15, 16, 17, 18, 20]
    assert log_rank(a, b, 100) == pytest.approx(stats.logrank(a, b).pvalue)
    assert log_rank([NEVER, 5.0], [NEVER, 80.0], 50) == pytest.approx(
        log_rank([51, 5], [60, 51], 50)
    )
    assert math.isnan(log_rank([NEVER, 70], [NEVER, 80], 50))


def crossed_null(random, seeds=12, people=8):
    return (
        random.normal(0, 1, (seeds, 1)) + random.normal(0, 1, (1, people))
        + random.normal(0, 0.5, (seeds, people))
    )  # fmt: skip


def test_people_and_trainings_are_both_random():
    random = np.random.default_rng(3)
    found = [crossed_null(random) for _ in range(120)]
    assert np.mean([crossed(d).p <= 0.05 for d in found]) <= 0.09
    # where both vary, a test over either one alone rejects far too often
    assert np.mean([sign_flip(d.mean(axis=1)).p <= 0.05 for d in found]) > 0.12
    assert np.mean([crossed(d + 2.5).p <= 0.05 for d in found[:40]]) > 0.9
    one = crossed(found[0])
    assert one.low < one.difference < one.high
    assert (one.seeds, one.people) == (12, 8)


def test_crossed_differences_at_the_edges():
    assert crossed(np.zeros((4, 4))).p == 1.0
    assert crossed(np.ones((6, 6))).p == 2**-5
    assert math.isnan(crossed(np.ones((1, 6))).p)
    assert math.isnan(crossed(np.empty((0, 0))).difference)
    gap = np.ones((5, 3))
    gap[2, 1] = math.nan
    assert crossed(gap).seeds == 4
