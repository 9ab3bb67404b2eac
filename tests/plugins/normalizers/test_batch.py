"""Recurrent batch normalization against an oracle that goes lane by lane."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memcell_plugins.normalizers.batch import BatchNorm
from memcell_plugins.normalizers.batch_shared import SharedBatchNorm
from memcell_plugins.normalizers.configs import BatchConfig, BatchSharedConfig

W = 3
EPS = 1e-5


def batch_norm(**options):
    norm = BatchNorm(W, BatchConfig(**{"min_lanes": 2, "t_max": 6, "eps": EPS, **options})).double()
    with torch.no_grad():
        norm.gamma.copy_(torch.tensor([0.5, 1.0, 2.0]))
        if norm.beta is not None:
            norm.beta.copy_(torch.tensor([0.1, -0.2, 0.3]))
    return norm


def whole(norm, z, ages, valid=None, update_statistics=True, accumulate=True):
    """Normalize a window ``[T, B, W]``; returns the result and the window."""
    valid = torch.ones(z.shape[:2], dtype=torch.bool) if valid is None else valid
    window = norm.window(ages, valid, update_statistics)
    steps = [
        norm.normalize(z[t], window.mode, tuple(i[t] for i in window.inputs)) for t in range(len(z))
    ]
    statistics = tuple(
        torch.stack(column) for column in zip(*(aux for _, aux in steps), strict=True)
    )
    if update_statistics and accumulate:
        norm.accumulate(tuple(g.detach() for g in statistics), window.mode, window.inputs)
    return torch.stack([out for out, _ in steps]), window


def same_age(steps, lanes, first=0):
    return (first + torch.arange(steps)).unsqueeze(1).expand(steps, lanes)


def oracle(norm, z, ages, valid):
    """What each valid lane should become, from the definition; NaN for padding."""
    z, ages, valid = z.numpy(), ages.numpy(), valid.numpy()
    t_max, fewest = norm.config.t_max, norm.config.min_lanes
    clamped = np.minimum(ages, t_max - 1)
    count = norm.statistics.count.numpy()
    out = np.full(z.shape, np.nan)
    for t, lane in np.argwhere(valid):
        age = clamped[t, lane]
        mates = [b for b in range(z.shape[1]) if valid[t, b] and clamped[t, b] == age]
        if len(mates) >= fewest:
            mean, var = z[t, mates].mean(0), z[t, mates].var(0)
        else:
            known = [a for a in range(age + 1) if count[a] >= fewest]
            if known:
                mean = norm.statistics.mean[known[-1]].numpy()
                var = norm.statistics.variance[known[-1]].numpy()
            else:
                mean, var = np.zeros(W), np.ones(W)
        out[t, lane] = norm.gamma.detach().numpy() * (z[t, lane] - mean) / np.sqrt(var + EPS)
    return out


@st.composite
def windows(draw):
    steps, lanes = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    seed = draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    z = torch.from_numpy(rng.normal(size=(steps, lanes, W)))
    first = rng.integers(0, draw(st.integers(1, 9)), size=lanes)
    ages = torch.from_numpy(first + np.arange(steps)[:, None])
    valid = torch.from_numpy(rng.random((steps, lanes)) < draw(st.sampled_from([1.0, 0.7])))
    return z, ages, valid


@settings(max_examples=60, deadline=None)
@given(windows(), windows())
def test_each_lane_is_normalized_with_its_own_age(before, now):
    norm = batch_norm()
    whole(norm, *before)
    z, ages, valid = now
    out, _ = whole(norm, z, ages, valid, accumulate=False)
    expected = oracle(norm, z, ages, valid)
    assert out.isfinite().all()
    chosen = valid.numpy()
    np.testing.assert_allclose(
        out.detach().numpy()[chosen], expected[chosen], rtol=1e-9, atol=1e-12
    )


@settings(max_examples=40, deadline=None)
@given(windows())
def test_padding_never_counts(window):
    z, ages, valid = window
    first, second = batch_norm(), batch_norm()
    out, _ = whole(first, z, ages, valid)
    other = torch.where(valid.unsqueeze(-1), z, 1e6 * torch.randn_like(z))
    changed, _ = whole(second, other, torch.where(valid, ages, ages + 1), valid)
    torch.testing.assert_close(out[valid], changed[valid], rtol=0, atol=0)
    for name, kept in first.statistics.state_dict().items():
        torch.testing.assert_close(second.statistics.state_dict()[name], kept, rtol=0, atol=0)


@pytest.mark.parametrize("beta", [False, True])
def test_uniform_is_mixed_where_all_lanes_have_one_age(beta):
    z = torch.randn(4, 5, W).double()
    ages = same_age(4, 5, first=3)  # goes over t_max: two steps share the last age
    uniform, mixed = batch_norm(beta=beta), batch_norm(beta=beta)
    out, window = whole(uniform, z, ages)
    assert window.mode == "uniform"
    mixed.window = lambda a, v, update_statistics: window._replace(
        mode="mixed", inputs=mixed._groups(a.clamp(max=5), v)
    )
    other, window_mixed = whole(mixed, z, ages)
    assert window_mixed.mode == "mixed"
    torch.testing.assert_close(out, other, rtol=0, atol=1e-13)
    for name, kept in uniform.statistics.state_dict().items():
        torch.testing.assert_close(mixed.statistics.state_dict()[name], kept, rtol=0, atol=1e-13)


def test_modes_are_chosen_by_ages_padding_and_lanes():
    norm, full = batch_norm(), torch.ones(2, 4, dtype=torch.bool)
    assert norm.window(same_age(2, 4), full, True).mode == "uniform"
    assert norm.window(same_age(2, 4), full, False).mode == "running"
    assert norm.window(same_age(2, 1), full[:, :1], True).mode == "mixed"  # too few lanes
    holed = full.clone()
    holed[1, 2] = False
    assert norm.window(same_age(2, 4), holed, True).mode == "mixed"
    uneven = same_age(2, 4).clone()
    uneven[1, 2] = 0
    assert norm.window(uneven, full, True).mode == "mixed"
    assert norm.window(uneven + 5, full, True).mode == "uniform"  # all beyond t_max: one age


def test_statistics_are_separate_by_age():
    norm = batch_norm(momentum=1.0)
    z = torch.randn(3, 5, W).double()
    whole(norm, z, same_age(3, 5))
    torch.testing.assert_close(norm.statistics.mean[:3], z.mean(1))
    torch.testing.assert_close(norm.statistics.variance[:3], z.var(1, correction=0))
    assert norm.statistics.count.tolist() == [5, 5, 5, 0, 0, 0, 0]


@pytest.mark.parametrize("mode", ["uniform", "mixed"])
def test_split_windows_fold_to_what_one_window_folds_to(mode):
    """With plain averages, to the mean and variance of all the data of an age."""
    z = torch.randn(6, 5, W).double()
    valid = torch.ones(6, 5, dtype=torch.bool)
    ages = same_age(6, 5, first=2) if mode == "uniform" else torch.randint(0, 8, (6, 5))
    if mode == "mixed":
        valid[2:4, 1] = False
    results = []
    for pieces in ([6], [2, 4], [1] * 6):
        norm = batch_norm()
        norm.begin_recalibration()
        for part in zip(*(a.split(pieces) for a in (z, ages, valid)), strict=True):
            whole(norm, *part)
        norm.end_recalibration()
        results.append(norm.statistics)
    clamped = ages.clamp(max=5)
    for age in range(6):
        data = z[valid & (clamped == age)]
        for result in results:
            assert result.count[age] == len(data)
            if len(data):
                torch.testing.assert_close(result.mean[age], data.mean(0))
                torch.testing.assert_close(result.variance[age], data.var(0, correction=0))


def test_recalibration_forgets_serves_the_old_meanwhile_and_ends_in_moving_averages():
    norm = batch_norm(momentum=0.25)
    ages = same_age(1, 4)
    whole(norm, 100 + torch.randn(1, 4, W).double(), ages)
    probe = torch.randn(1, 4, W).double()
    before, _ = whole(norm, probe, ages, update_statistics=False)
    norm.begin_recalibration()
    data = torch.randn(10, 1, 4, W).double()
    for window in data:
        whole(norm, window, ages)
    during, _ = whole(norm, probe, ages, update_statistics=False)
    assert torch.equal(before, during)
    norm.end_recalibration()
    torch.testing.assert_close(norm.statistics.mean[0], data.reshape(-1, W).mean(0))
    torch.testing.assert_close(
        norm.statistics.variance[0], data.reshape(-1, W).var(0, correction=0)
    )
    assert list(norm.state_dict()) == list(batch_norm().state_dict())
    mean = norm.statistics.mean[0].clone()
    z = torch.randn(1, 4, W).double()
    whole(norm, z, ages)
    torch.testing.assert_close(norm.statistics.mean[0], mean + 0.25 * (z.mean((0, 1)) - mean))


def test_moving_average_starts_without_bias_and_few_lanes_move_it_little():
    norm = batch_norm(momentum=0.1, min_lanes=4)
    first, second = torch.randn(2, 1, 8, W).double()
    whole(norm, first, same_age(1, 8))
    torch.testing.assert_close(norm.statistics.mean[0], first.mean((0, 1)))
    whole(norm, second, same_age(1, 8))  # 8 of 16 seen: the plain average is faster than .1
    both = torch.cat((first, second)).reshape(-1, W)
    torch.testing.assert_close(norm.statistics.mean[0], both.mean(0))
    for _ in range(100):
        whole(norm, torch.randn(1, 8, W).double(), same_age(1, 8))
    mean = norm.statistics.mean[0].clone()
    one = torch.randn(1, 1, W).double()
    whole(norm, one, same_age(1, 1))
    rate = 0.1 * 1 / 4  # one lane of the four that count fully
    torch.testing.assert_close(norm.statistics.mean[0], mean + rate * (one[0, 0] - mean))


def test_evaluation_does_not_depend_on_batch_mates():
    norm = batch_norm()
    whole(norm, torch.randn(6, 5, W).double(), same_age(6, 5))
    z, ages = torch.randn(4, 5, W).double(), torch.randint(0, 9, (4, 5))
    together, _ = whole(norm, z, ages, update_statistics=False)
    for lane in range(5):
        alone, _ = whole(
            norm, z[:, lane : lane + 1], ages[:, lane : lane + 1], update_statistics=False
        )
        torch.testing.assert_close(alone[:, 0], together[:, lane], rtol=0, atol=0)


def test_unknown_ages_use_the_nearest_younger_known_one():
    norm = batch_norm(gamma=1.0, min_lanes=3)
    with torch.no_grad():
        norm.gamma.fill_(1)
    for age in (1, 3):
        whole(norm, age + torch.randn(1, 4, W).double(), same_age(1, 4, first=age))
    whole(norm, torch.full((1, 2, W), 9.0).double(), same_age(1, 2, first=4))  # 2 < 3: not known
    assert norm.statistics.rows(torch.arange(6)).tolist() == [6, 1, 1, 3, 3, 3]
    z = torch.randn(1, 1, W).double()
    out, _ = whole(norm, z, same_age(1, 1), update_statistics=False)
    torch.testing.assert_close(
        out, z / (1 + EPS) ** 0.5
    )  # age 0: nothing known, mean 0, variance 1


def test_lanes_that_are_always_alone_do_not_blow_up():
    """One lane an age: the batch variance is always 0, the running one must not be."""
    norm = batch_norm(min_lanes=4, momentum=0.5)
    with torch.no_grad():
        norm.gamma.fill_(1)
    ages = torch.arange(6).unsqueeze(0)
    for _ in range(200):
        out, _ = whole(norm, torch.randn(1, 6, W).double(), ages)
        assert out.abs().max() < 100
    assert (norm.statistics.variance[:6] > 0.05).all()


def test_what_is_folded_carries_no_graph_and_replay_folds_nothing():
    norm = batch_norm()
    z = torch.randn(2, 4, W).double().requires_grad_()
    before = {k: v.clone() for k, v in norm.statistics.state_dict().items()}
    whole(norm, z, same_age(2, 4), update_statistics=False)
    assert all(torch.equal(v, before[k]) for k, v in norm.statistics.state_dict().items())
    whole(norm, z, same_age(2, 4))
    assert not norm.statistics.mean.requires_grad


def test_normalized_lanes_have_the_gains_scale():
    norm = batch_norm()
    z = 5 + 3 * torch.randn(2, 50, W).double()
    out, _ = whole(norm, z, same_age(2, 50))
    torch.testing.assert_close(out.mean(1), torch.zeros(2, W).double(), rtol=0, atol=1e-12)
    expected = norm.gamma.detach().expand(2, W)
    torch.testing.assert_close(out.std(1, correction=0), expected, rtol=1e-4, atol=0)


def test_gain_starts_at_a_tenth_and_there_is_no_offset():
    norm = BatchNorm(W, BatchConfig())
    assert torch.equal(norm.gamma, torch.full((W,), 0.1))
    assert norm.beta is None
    assert BatchConfig(min_lanes=8).capabilities() == {"min_lanes": 8}


def test_shared_statistics_know_one_age_and_fail_where_ages_differ():
    shared = SharedBatchNorm(W, BatchSharedConfig(min_lanes=2, gamma=1.0)).double()
    separate = BatchNorm(W, BatchConfig(min_lanes=2, gamma=1.0, t_max=4)).double()
    z = torch.randn(4, 32, W).double() * torch.tensor([1.0, 3, 10, 30]).view(4, 1, 1)
    ages = same_age(4, 32)
    for norm in (shared, separate):
        for _ in range(50):
            _, window = whole(norm, z, ages)
        assert window.mode == "uniform"
    assert shared.statistics.count[:-1].shape == (1,)
    trained, _ = whole(shared, z, ages, accumulate=False)
    tested, _ = whole(shared, z, ages, update_statistics=False)
    assert (tested - trained).abs().max() > 1
    trained, _ = whole(separate, z, ages, accumulate=False)
    tested, _ = whole(separate, z, ages, update_statistics=False)
    torch.testing.assert_close(tested, trained, rtol=1e-3, atol=1e-3)


def test_shared_lanes_are_normalized_together_whatever_their_ages():
    shared = SharedBatchNorm(W, BatchSharedConfig(min_lanes=2, gamma=1.0, eps=EPS)).double()
    z = torch.randn(1, 6, W).double()
    out, _ = whole(shared, z, torch.tensor([[0, 1, 2, 30, 4, 5]]))
    expected = (z - z.mean(1)) / (z.var(1, correction=0) + EPS).sqrt()
    torch.testing.assert_close(out, expected)
