"""The cells of `tests/paper_cells`: every number as the eager loop's, in float64."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch

from memcell.recurrent.norms import SiteNorms

sys.path.insert(0, str(Path(__file__).parents[2] / "paper_cells"))
cells = importlib.import_module("memcell_paper_cells.cells")
NAMES = [factory for _, factory, *_ in importlib.import_module("memcell_paper_cells").CELLS]
#: Without a mark: the kind that was wrong once.
FAST = {"TextbookLSTM"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in NAMES]
)
def test_a_cell_of_a_paper_equals_the_eager_loop(agree, name):
    cell = getattr(cells, name)(3, 6).double()
    g = torch.Generator().manual_seed(4)
    for p in cell.parameters():
        p.data = torch.randn(p.shape, generator=g, dtype=torch.float64) * 0.4
    norms = SiteNorms({}, None)
    assert not agree.difference(cell, norms, agree.Window(steps=6, lanes=5))
    assert not agree.difference(cell, norms, agree.Window(resets=True, padding=True), threads=2)
