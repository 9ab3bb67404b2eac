"""Recurrent cells of papers for memcell. Specs only: this module imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from memcell import CellSpec, hookimpl

#: Name, class, what it is, paper.
CELLS = (
    ("slstm", "SLSTM", "LSTM with exponential gates and a stabilizer.", "Beck et al. 2024, arXiv:2405.04517"),
    ("mlstm", "MLSTM", "LSTM with a matrix memory.", "Beck et al. 2024, arXiv:2405.04517"),
    ("mingru", "MinGRU", "GRU whose gate sees the input alone.", "Feng et al. 2024, arXiv:2410.01201"),
    ("minlstm", "MinLSTM", "LSTM whose gates see the input alone.", "Feng et al. 2024, arXiv:2410.01201"),
    ("lem", "LEM", "Long expressive memory.", "Rusch et al. 2022, arXiv:2110.04744"),
    ("cornn", "CoRNN", "Coupled oscillators.", "Rusch and Mishra 2021, arXiv:2010.00951"),
    ("indrnn", "IndRNN", "Units that see only themselves.", "Li et al. 2018, arXiv:1803.04831"),
    ("ligru", "LiGRU", "Light GRU: one gate, rectified.", "Ravanelli et al. 2018, arXiv:1803.10225"),
    ("lru", "LRU", "Linear recurrent unit as pairs of reals.", "Orvieto et al. 2023, arXiv:2303.06349"),
    ("zoneout", "ZoneoutLSTM", "LSTM with zoneout.", "Krueger et al. 2017, arXiv:1606.01305"),
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
