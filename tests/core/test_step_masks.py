"""Ages, resets and padding against a plain loop."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from memcell.backends import StepMasks


def ages_by_loop(resets, valid, age):
    age, rows = list(age), []
    for r, v in zip(resets, valid, strict=True):
        age = [0 if ri else a for ri, a in zip(r, age, strict=True)]
        rows.append(list(age))
        age = [a + vi for a, vi in zip(age, v, strict=True)]
    return rows, age


@given(st.data(), st.integers(1, 12), st.integers(1, 4))
def test_ages_equal_a_loop(data, steps, lanes):
    bools = st.lists(
        st.lists(st.booleans(), min_size=lanes, max_size=lanes), min_size=steps, max_size=steps
    )
    resets, valid = data.draw(bools), data.draw(bools)
    age = data.draw(st.lists(st.integers(0, 50), min_size=lanes, max_size=lanes))
    masks = StepMasks.of(torch.tensor(resets), torch.tensor(valid), torch.tensor(age))
    rows, after = ages_by_loop(resets, valid, age)
    assert masks.ages.tolist() == rows
    assert masks.age_after(steps, torch.tensor(age)).tolist() == after
    assert masks.any_reset == tuple(any(r) for r in resets)
    assert masks.all_valid == tuple(all(v) for v in valid)
