"""One recording under two names, however the copy was made; and recordings that are two."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_data.recording import Segment
from memcell_eeg.splits.copies import find_copies
from memcell_eeg.splits.leaks import Reach, check
from memcell_eeg.splits.split import Split

SECONDS = 240


@pytest.fixture
def person(eeg_of):
    """Return what draws the EEG of a person: minutes of two states, at random."""

    def draw(random, seconds=SECONDS):
        out, n = [], seconds * 100
        while sum(map(len, out)) < n:
            state = (1.5, 0.3) if random.random() < 0.3 else (0.5, 1.5)
            out.append(eeg_of(random, int(random.integers(300, 3000)), *state))
        return np.concatenate(out)[:n]

    return draw


COPIES = {
    "padded end": lambda x, pad: np.concatenate([x, pad]),
    "padded end of zeros": lambda x, pad: np.concatenate([x, 0 * pad]),
    "padded start": lambda x, pad: np.concatenate([pad[13:], x]),
    "cut start": lambda x, pad: x[4_321:],
    "cut end": lambda x, pad: x[:-9_000],
    "half a step later": lambda x, pad: x[10:],
    "scaled": lambda x, pad: 0.1 * x,
    "upside down": lambda x, pad: -x,
    "rounded": lambda x, pad: np.round(x),
    "another amplifier's noise": lambda x, pad: (
        x + 2 * np.random.default_rng(9).normal(size=len(x))
    ),
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize(
    "options",
    [
        {"normalization": "causal"},
        {"normalization": "none"},
        {"features": ("auto",), "context": ("auto",), "normalization": "auto"},
    ],
)
def test_a_copy_is_found(pipeline_of, recording_of, person, how, options) -> None:
    random = np.random.default_rng(0)
    pipeline = pipeline_of(**options)
    x, pad = person(random), person(random, 50)
    one = pipeline.sequence(recording_of(x, name="a", subject="s1"))
    other = pipeline.sequence(recording_of(COPIES[how](x, pad), name="b", subject="s2"))
    third = pipeline.sequence(recording_of(person(random), name="c", subject="s3"))
    assert list(find_copies([one, other, third])) == [(0, 1)]
    parts = Split(train=(one, third), valid=(), test=(other,), kind="subject", notes=())
    with pytest.raises(DataError, match=r"'a' \(training\) and 'b' \(test\) hold the same signal"):
        check(parts, [], Reach())


def test_a_copy_with_a_gap_is_found(pipeline_of, recording_of, person) -> None:
    pipeline, x = pipeline_of(), person(np.random.default_rng(1))
    cut = (
        Segment(start=0, stop=8_000, onset=0.0),
        Segment(start=8_000, stop=23_000, onset=90.0),
    )
    gapped = recording_of(np.delete(x, np.arange(8_000, 9_000)), segments=cut, name="b")
    made = [pipeline.sequence(recording_of(x, name="a")), pipeline.sequence(gapped)]
    assert list(find_copies(made)) == [(0, 1)]


def test_people_are_no_copies_of_each_other(pipeline_of, recording_of, person) -> None:
    random = np.random.default_rng(2)
    pipeline = pipeline_of()
    lengths = [40, 40, 60, 60, 240, 240, 900, 900]
    made = [pipeline.sequence(recording_of(person(random, s), name=f"r{s}")) for s in lengths]
    assert list(find_copies(made)) == []
