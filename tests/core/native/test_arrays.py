"""States of matrices, products over heads, indexing and statistics: every number as the eager loop's."""

from __future__ import annotations

import pytest

from core.native.cells_of_papers import CELLS
from memcell.recurrent.norms import SiteNorms

NONE = SiteNorms({}, None)


#: Without a mark; compiling all of them takes a minute.
FAST = {"DeltaRule", "HeadedSLSTM", "Moments", "Rounded", "SharedHeads", "Sparse"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in CELLS]
)
def test_a_cell_of_a_paper_equals_the_eager_loop(agree, name):
    cell = CELLS[name]()
    assert not agree.difference(
        cell, NONE, agree.Window(steps=6, lanes=5, resets=True, padding=True)
    )
    assert not agree.difference(
        cell, NONE, agree.Window(steps=5, lanes=35, resets=True, padding=True), threads=2
    )
