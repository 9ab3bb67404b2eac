"""The quick way to accumulate a window of one age gives what the general way gives."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
