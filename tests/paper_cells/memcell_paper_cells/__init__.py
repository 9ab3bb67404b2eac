"""Recurrent cells of papers for memcell. Specs only: this module imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from memcell import CellSpec, hookimpl

#: Name, class, what it is, paper.
CELLS = (
    ("phased", "PhasedLSTM", "LSTM with a gate that opens in phases.", "Neil et al. 2016, arXiv:1610.09513"),
    ("convlstm", "ConvLSTM", "LSTM over places, three at a time.", "Shi et al. 2015, arXiv:1506.04214"),
    ("blocks", "BlockLSTM", "Memory cell blocks of two cells.", "Hochreiter and Schmidhuber 1997"),
    ("textlstm", "TextbookLSTM", "LSTM of one joined product.", "Gers et al. 2000"),
    ("textgru", "TextbookGRU", "GRU of joined products.", "Cho et al. 2014, arXiv:1406.1078"),
)  # fmt: skip


@hookimpl
def memcell_cells() -> Iterator[CellSpec]:
    """Recurrent cells."""
    for name, factory, summary, reference in CELLS:
        yield CellSpec(
            name=f"paper_{name}",
            factory=f"memcell_paper_cells.cells:{factory}",
            summary=summary,
            reference=reference,
        )
