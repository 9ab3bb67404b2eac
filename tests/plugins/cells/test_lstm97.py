"""What is special about the cell of 1997: its weight counts, its truncated gradient, its error flow."""

import pytest
import torch
from torch import nn

from memcell.errors import ConfigError
from memcell.plugins.options import from_mapping
from memcell_plugins.cells.cec import CEC
from memcell_plugins.cells.configs import CECConfig, LSTM97Config
from memcell_plugins.cells.lstm97 import LSTM97

PUBLISHED = [
    # task, inputs, outputs, cells, options, bias of the readout, weights
    ("1 (3 blocks of 2)", 7, 7, 6, {"block_size": 2, "bias": False}, False, 276),
    ("1 (4 blocks of 1)", 7, 7, 4, {"bias": False}, False, 264),
    ("2c, p = 50", 54, 2, 2, {"bias": False, "gate_bias": False}, False, 364),
    ("3a, 3c", 1, 1, 3, {}, False, 102),
    ("4, 5", 2, 1, 4, {"block_size": 2}, True, 93),
    ("6a", 8, 4, 4, {"block_size": 2}, True, 156),
    ("6b", 8, 8, 6, {"block_size": 2}, True, 308),
]


@pytest.mark.parametrize(
    ("inputs", "outputs", "cells", "options", "readout_bias", "weights"),
    [row[1:] for row in PUBLISHED],
    ids=[row[0] for row in PUBLISHED],
)
def test_published_weight_counts(inputs, outputs, cells, options, readout_bias, weights):
    """Readouts see the cells only; gates and cells see inputs, cells and gates.

    Task 2a (10,504) is not among them: no net of this layer and a readout has that count. It is
    101 x 104: 101 x 101 direct connections from inputs to outputs and 303 more, which fit one cell with
    one gate, both fed by the inputs alone, and the cell's own connections to the outputs.
    """
    cell = LSTM97(inputs, cells, LSTM97Config(**options))
    readout = nn.Linear(cells, outputs, bias=readout_bias)
    counted = sum(p.numel() for m in (cell, readout) for p in m.parameters())
    assert counted == weights


def parts(options, seed=0, cells=4):
    torch.manual_seed(seed)
    cell = LSTM97(2, cells, LSTM97Config(**options)).double()
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.normal_()
    state = cell.state_type(*(torch.randn(3, *s).double() for s in cell.state_spec.values()))
    return cell, cell.state_type(*(part.requires_grad_() for part in state))


@pytest.mark.parametrize("size", [1, 2])
def test_truncated_error_flows_through_s_alone_and_stays_constant(size):
    cell, state = parts({"truncate": True, "block_size": size})
    later = state
    for x in torch.randn(20, 3, 2).double():
        _, later = cell.step(cell.project(x), later, lambda site, z: z)
    one = torch.randn(3, 4).double()
    to_h, to_s, to_gates = torch.autograd.grad(later.s, state, one, allow_unused=True)
    torch.testing.assert_close(to_s, one, rtol=0, atol=0)  # exactly: that is the carousel
    assert to_h is None
    assert to_gates is None


def test_truncation_changes_gradients_and_no_value():
    x = torch.randn(3, 2).double()
    results = []
    for truncate in (False, True):
        cell, state = parts({"truncate": truncate})
        output, _ = cell.step(cell.project(x), state, lambda site, z: z)
        to_h = torch.autograd.grad(output.sum(), state.h, allow_unused=True)[0]
        results.append((output.detach(), to_h))
    assert torch.equal(results[0][0], results[1][0])
    assert results[0][1].abs().sum() > 0
    assert results[1][1] is None


def test_truncated_weights_still_learn():
    cell, state = parts({"truncate": True})
    output, _ = cell.step(cell.project(torch.randn(3, 2).double()), state, lambda site, z: z)
    output.sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in cell.parameters())


def test_truncated_carousel_without_gates_is_constant_too():
    cell = CEC(2, 4, CECConfig(truncate=True)).double()
    nn.init.normal_(cell.weight_recurrent)
    state = cell.state_type(torch.zeros(1, 4).double(), torch.zeros(1, 4).double().requires_grad_())
    later = state
    for x in torch.randn(20, 1, 2).double():
        _, later = cell.step(cell.project(x), later, lambda site, z: z)
    one = torch.randn(1, 4).double()
    assert torch.equal(torch.autograd.grad(later.s, state.s, one)[0], one)


def test_gate_biases_start_staggered_by_block():
    config = LSTM97Config(block_size=2, input_gate_bias=(-3.0, -6.0), output_gate_bias=(-1.0,))
    cell = LSTM97(2, 4, config)
    cell.reset_parameters({"input": lambda w: None, "recurrent": lambda w: None})
    assert cell.bias_gates.tolist() == [-3, -6, -1, -1]


def test_without_gate_recurrence_gates_of_before_do_not_matter():
    cell, state = parts({"gate_recurrence": False})
    output, _ = cell.step(cell.project(torch.randn(3, 2).double()), state, lambda site, z: z)
    other = state._replace(gates=state.gates + 1)
    torch.manual_seed(1)
    assert torch.autograd.grad(output.sum(), state.gates, allow_unused=True)[0] is None
    x = torch.ones(3, 2).double()
    first, _ = cell.step(cell.project(x), state, lambda site, z: z)
    second, _ = cell.step(cell.project(x), other, lambda site, z: z)
    assert torch.equal(first, second)


def test_refusals_say_what_to_type():
    with pytest.raises(ConfigError, match="take a hidden_size of 6"):
        LSTM97(2, 5, LSTM97Config(block_size=3))
    with pytest.raises(ConfigError, match="makes 4 blocks; give 1 value or 4"):
        LSTM97(2, 4, LSTM97Config(output_gate_bias=(-1.0, -2.0, -3.0)))
    with pytest.raises(ConfigError, match="'input_gate_bias' is empty"):
        from_mapping(LSTM97Config, {"input_gate_bias": []})
