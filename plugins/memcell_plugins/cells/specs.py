"""The built-in cells as specs, in the order in which they are listed. Imports no torch."""

from __future__ import annotations

from memcell import CellSpec

_CONFIGS = "memcell_plugins.cells.configs"

#: Those of the first decades, the present libraries' among them.
CLASSICS = (
    CellSpec(
        name="rnn",
        factory="memcell_plugins.cells.rnn:RNN",
        summary="Elman's simple recurrent network: tanh, no gates.",
        reference="Elman 1990, Cognitive Science 14",
    ),
    CellSpec(
        name="cec",
        factory="memcell_plugins.cells.cec:CEC",
        config="memcell_plugins.cells.configs:CECConfig",
        summary="Naive constant error carousel: a linear unit with self-weight 1, no gates.",
        reference="Hochreiter & Schmidhuber 1997, Neural Computation 9, section 3",
    ),
    CellSpec(
        name="lstm97",
        factory="memcell_plugins.cells.lstm97:LSTM97",
        config="memcell_plugins.cells.configs:LSTM97Config",
        summary="The first LSTM: input and output gates, no forget gate.",
        reference="Hochreiter & Schmidhuber 1997, Neural Computation 9",
    ),
    CellSpec(
        name="lstm",
        factory="memcell_plugins.cells.lstm:LSTM",
        config="memcell_plugins.cells.configs:LSTMConfig",
        summary="LSTM with a forget gate, as in today's libraries.",
        reference="Gers, Schmidhuber & Cummins 2000, Neural Computation 12",
    ),
    CellSpec(
        name="peephole",
        factory="memcell_plugins.cells.peephole:Peephole",
        config="memcell_plugins.cells.configs:LSTMConfig",
        summary="LSTM whose gates see the cell.",
        reference="Gers & Schmidhuber 2000, IJCNN; Gers et al. 2002, JMLR 3",
    ),
    CellSpec(
        name="cifg",
        factory="memcell_plugins.cells.cifg:CIFG",
        config="memcell_plugins.cells.configs:LSTMConfig",
        summary="LSTM with one gate for forgetting and writing.",
        reference="Greff et al. 2017, IEEE TNNLS 28",
    ),
    CellSpec(
        name="gru",
        factory="memcell_plugins.cells.gru:GRU",
        summary="Gated recurrent unit.",
        reference="Cho et al. 2014, EMNLP",
    ),
)

_XLSTM = "Beck et al. 2024, NeurIPS, arXiv:2405.04517"
_MINIMAL = "Feng et al. 2024, arXiv:2410.01201"

#: Those of the last decade.
RECENT = (
    CellSpec(
        name="slstm",
        factory="memcell_plugins.cells.slstm:SLSTM",
        config=f"{_CONFIGS}:SLSTMConfig",
        summary="LSTM with exponential gates and heads (of xLSTM).",
        reference=_XLSTM,
    ),
    CellSpec(
        name="mlstm",
        factory="memcell_plugins.cells.mlstm:MLSTM",
        config=f"{_CONFIGS}:MLSTMConfig",
        summary="LSTM with a matrix memory of keys and values (of xLSTM).",
        reference=_XLSTM,
    ),
    CellSpec(
        name="mingru",
        factory="memcell_plugins.cells.mingru:MinGRU",
        config=f"{_CONFIGS}:MinGRUConfig",
        summary="GRU whose gate and candidate see the input alone.",
        reference=_MINIMAL,
    ),
    CellSpec(
        name="minlstm",
        factory="memcell_plugins.cells.minlstm:MinLSTM",
        config=f"{_CONFIGS}:MinLSTMConfig",
        summary="LSTM whose gates see the input alone and add up to 1.",
        reference=_MINIMAL,
    ),
    CellSpec(
        name="lem",
        factory="memcell_plugins.cells.lem:LEM",
        config=f"{_CONFIGS}:LEMConfig",
        summary="Long expressive memory: two coupled states with time steps of their own.",
        reference="Rusch et al. 2022, ICLR, arXiv:2110.04744",
    ),
    CellSpec(
        name="cornn",
        factory="memcell_plugins.cells.cornn:CoRNN",
        config=f"{_CONFIGS}:CoRNNConfig",
        summary="Coupled oscillators, damped and driven.",
        reference="Rusch & Mishra 2021, ICLR, arXiv:2010.00951",
    ),
    CellSpec(
        name="indrnn",
        factory="memcell_plugins.cells.indrnn:IndRNN",
        config=f"{_CONFIGS}:IndRNNConfig",
        summary="Units that recur only into themselves, with a bounded weight.",
        reference="Li et al. 2018, CVPR, arXiv:1803.04831",
    ),
    CellSpec(
        name="ligru",
        factory="memcell_plugins.cells.ligru:LiGRU",
        summary="Light GRU: one gate, and a rectified candidate.",
        reference="Ravanelli et al. 2018, IEEE TETCI 2, arXiv:1803.10225",
    ),
    CellSpec(
        name="lru",
        factory="memcell_plugins.cells.lru:LRU",
        config=f"{_CONFIGS}:LRUConfig",
        summary="Linear recurrent unit: complex numbers inside the unit circle, in real pairs.",
        reference="Orvieto et al. 2023, ICML, arXiv:2303.06349",
    ),
)

CELLS = (*CLASSICS, *RECENT)
