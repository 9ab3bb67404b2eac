"""The quick way to accumulate a window of one age gives what the general way gives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memcell_plugins.normalizers import statistics
from memcell_plugins.normalizers.statistics import RunningStatistics


@settings(deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 12),
    st.data(),
    st.sampled_from([None, 0.1, 1.0]),
    st.integers(1, 40),
)
def test_a_line_of_ages_folds_as_any_other(t_max, steps, data, momentum, lanes):
    first = data.draw(st.integers(0, t_max - 1))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    quick, general = (RunningStatistics(t_max, 3, trusted=8).double() for _ in range(2))
    age = (first + torch.arange(steps)).clamp(max=t_max - 1)
    for _ in range(2):
        mean = torch.randn(steps, 3, generator=generator, dtype=torch.float64)
        variance = torch.rand(steps, 3, generator=generator, dtype=torch.float64)
        quick.accumulate_line(first, lanes, mean, variance, momentum)
        general.accumulate(age, torch.full_like(age, lanes), mean, variance, momentum)
    for name, value in general.state_dict().items():
        torch.testing.assert_close(quick.state_dict()[name], value, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("width", [7, 64, 100, 256])
@pytest.mark.parametrize("momentum", [None, 0.1, 0.7])
def test_one_pass_in_c_gives_the_bits_of_torch(width, momentum, monkeypatch):
    """Whole vectors and what is left of them; one age for all, some alone, and many that share the last."""
    generator = torch.Generator().manual_seed(0)
    for t_max, first, steps, lanes in (
        (1, 0, 5, 8),
        (4, 3, 40, 32),
        (30, 2, 9, 1),
        (30, 2, 300, 32),
    ):
        plain, quick = (RunningStatistics(t_max, width, trusted=8) for _ in range(2))
        for _ in range(2):
            mean = torch.randn(steps, width, generator=generator)
            variance = torch.rand(steps, width, generator=generator)
            with monkeypatch.context() as without:
                without.setattr(statistics, "fold_line", lambda *_: False)
                plain.accumulate_line(first, lanes, mean, variance, momentum)
            version = quick.mean._version
            quick.accumulate_line(first, lanes, mean, variance, momentum)
            assert quick.mean._version > version
        for name, value in plain.state_dict().items():
            assert torch.equal(quick.state_dict()[name], value), (name, t_max, steps)
