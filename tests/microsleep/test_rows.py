"""Rows made all at once are those that Python's formatting makes."""

from __future__ import annotations

import numpy as np

from memcell_eeg.export.outputs import probability_rows


def test_rows_are_as_formatted() -> None:
    random = np.random.default_rng(0)
    starts = np.concatenate([0.2 * np.arange(60), 99.4 + 0.2 * np.arange(9), [86399.8, 5e6]])
    p = random.random(len(starts))
    p[:4] = [0.0, 1.0, 0.9999999, 0.0000001]
    positive = random.random(len(p)) < 0.5
    expected = "".join(
        f"{t:.3f}\t{q:.6f}\t{s:d}\n" for t, q, s in zip(starts, p, positive, strict=True)
    )
    assert probability_rows(starts, p, positive).decode() == expected
    assert probability_rows(starts[:0], p[:0], positive[:0]) == b""
