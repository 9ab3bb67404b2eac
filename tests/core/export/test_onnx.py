"""A network as ONNX: every cell with every normalizer, run by ONNX Runtime on chunks that carry memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from memcell.backends import Layer, RecurrentStack
from memcell.errors import MemcellError
from memcell.inference.onnx.check import TOLERANCE, arrays, check
from memcell.inference.onnx.facts import HOW_TO, _start, write_facts
from memcell.inference.onnx.scan import scan_model
from memcell.inference.onnx.step import NetworkStep
from memcell.network.network import Network
from memcell.plugins import default_registry
from memcell.recurrent import CarriedState, Normalizer, NormWindow, Start, ZeroStart
from memcell.recurrent.state import leaves
from memcell_plugins.cells.rnn import RNN, RNNState
from memcell_plugins.policies.learned import LearnedStart

FEATURES, HIDDEN, CLASSES = 5, 6, 3
REGISTRY = default_registry()


class Encoder(nn.Module):
    output_size = 4

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(FEATURES, self.output_size)

    def forward(self, x):
        return torch.tanh(self.linear(x))


def network_of(cells, norm=None, start=ZeroStart):
    """A network with one layer for each cell, its weights and statistics all random."""
    torch.manual_seed(0)
    layers, width = [], Encoder.output_size
    for make in cells:
        cell = make(width, HIDDEN)
        layers.append(Layer(cell, norm, "eager"))
        width = cell.output_size
    stack = RecurrentStack(layers)
    network = Network(Encoder(), stack, CLASSES, start(stack.initial_state(1)))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
        for name, buffer in network.named_buffers():
            if name.endswith("count"):
                buffer.random_(0, 40)  # some ages are not trusted
            elif name.endswith("variance"):
                buffer.uniform_(0.2, 2)
            else:
                buffer.normal_(std=0.3)
    return network.eval()


def built(kind, name):
    entry = REGISTRY.get(kind, name)
    return lambda *sizes: entry.build(*sizes, entry.config({}))


LSTM = built("cell", "lstm")


def step_of(*args, **options):
    return NetworkStep(network_of(*args, **options), FEATURES)


@pytest.mark.slow
@pytest.mark.parametrize("norm", REGISTRY.names("normalizer"))
def test_every_cell_with_every_normalizer(norm):
    check_stack(REGISTRY.names("cell"), norm)


@pytest.mark.parametrize(
    ("cells", "norm"), [(["cec", "cifg", "rnn"], "layer"), (["gru", "lstm97", "peephole"], "batch")]
)
def test_stacks_of_cells_with_normalizers(cells, norm):
    check_stack(cells, norm)


def check_stack(cells, norm):
    normalizer = None if norm == "none" else built("normalizer", norm)
    step = step_of([built("cell", c) for c in cells], normalizer)
    content = scan_model(step).SerializeToString()
    found = check(content, step)  # holds the state of every layer, so every cell, against torch
    assert found.chunks > 4
    assert max(found.probability_error, found.state_error) <= TOLERANCE
    assert step.aged == (norm in ("batch", "batch_shared"))


@pytest.fixture(scope="module")
def lstm():
    step = step_of([LSTM, LSTM], start=LearnedStart)
    return step, scan_model(step)


def session_of(model):
    return onnxruntime.InferenceSession(model.SerializeToString())


def test_time_and_batch_are_free_and_names_say_what_they_are(lstm):
    step, model = lstm
    session = session_of(model)
    assert [i.name for i in session.get_inputs()] == [
        "x", "state_0_h", "state_0_c", "state_1_h", "state_1_c",
    ]  # fmt: skip
    assert session.get_inputs()[0].shape == ["T", "B", FEATURES]
    for steps, lanes in ((1, 1), (2, 40), (300, 1), (23, 23)):
        x = torch.randn(steps, lanes, FEATURES)
        state = step.network.initial_state(lanes)
        age = torch.zeros(lanes, dtype=torch.int64)
        found = session.run(None, {"x": x.numpy(), **arrays(step, state, age)})
        no = torch.zeros(steps, lanes, dtype=torch.bool)
        with torch.no_grad():
            ran = step.network(x, CarriedState(state, age), state, no, ~no)
        expected = torch.softmax(ran.logits, -1)
        assert found[0].shape == expected.shape
        np.testing.assert_allclose(found[0], expected.numpy(), atol=1e-5)


def test_the_printed_lines_run(lstm, tmp_path, capsys):
    step, model = lstm
    write_facts(model, {"start": _start(step)})
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    chunks = [np.random.default_rng(k).normal(size=(k, 1, FEATURES)) for k in (3, 1, 9)]
    chunks = [c.astype(np.float32) for c in chunks]
    code = HOW_TO.format(path=path, n_features=FEATURES, n_classes=CLASSES, output="probability")
    assert len(code.strip().splitlines()) <= 15
    scope = {"chunks": chunks}
    exec(code, scope)
    assert str(scope["found"]["probability"][-1, 0, 0])[:6] in capsys.readouterr().out
    whole = torch.from_numpy(np.concatenate(chunks))
    initial_state, age = step.network.initial_state(1), torch.zeros(1, dtype=torch.int64)
    no = torch.zeros(len(whole), 1, dtype=torch.bool)
    with torch.no_grad():
        ran = step.network(
            whole,
            CarriedState(initial_state, age),
            initial_state,
            no,
            ~no,
            return_steps=(len(whole),),
        )
    np.testing.assert_allclose(
        scope["found"]["probability"][:, 0],
        torch.softmax(ran.logits[-9:, 0], -1).numpy(),
        atol=1e-5,
    )
    for name, after in zip(step.names, leaves(ran.states[len(whole)].state), strict=True):
        np.testing.assert_allclose(scope["memory"][name], after.numpy(), atol=1e-5)


def test_a_learned_start_stands_in_the_file_exactly(lstm):
    step, _ = lstm
    start = json.loads(json.dumps(_start(step)))
    for name, expected in zip(step.names, leaves(step.network.initial_state(1)), strict=True):
        assert expected.abs().sum() > 0
        np.testing.assert_array_equal(np.float32(start[name]), expected[0].detach().numpy())


def test_another_networks_numbers_are_refused(lstm):
    _, model = lstm
    other = step_of([LSTM, LSTM])
    with torch.no_grad():
        other.network.recurrent.layers[1].cell.bias += 0.01
    with pytest.raises(MemcellError, match="other numbers than torch and was not written"):
        check(model.SerializeToString(), other)


def test_memory_that_is_mixed_up_is_refused(lstm):
    step, model = lstm
    swapped = type(model)()
    swapped.CopyFrom(model)
    loop = next(n for n in swapped.graph.node if n.op_type == "Scan")
    loop.output[0], loop.output[1] = loop.output[1], loop.output[0]  # h handed on as c
    with pytest.raises(MemcellError, match="not written"):
        check(swapped.SerializeToString(), step)


class Odd(RNN):
    """A cell with an operation that ONNX does not have."""

    def step(self, p, state, norm):
        output, _ = super().step(p, state, norm)
        h = output * torch.special.bessel_j0(output)
        return h, RNNState(h)


class Reads(RNN):
    """A cell whose way depends on a number in its state."""

    def step(self, p, state, norm):
        output, after = super().step(p, state, norm)
        return (output, after) if float(state.h.sum()) > 0 else (-output, after)


@pytest.mark.parametrize(("cell", "named"), [(Odd, "bessel_j0"), (Reads, "reads a number")])
def test_an_operation_that_cannot_be_exported_is_named(cell, named):
    with pytest.raises(MemcellError, match="cannot export to ONNX") as raised:
        scan_model(step_of([cell]))
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


class Asks(Normalizer):
    """Asked at every step: it does not say how many ages it knows."""

    def window(self, ages, valid, update_statistics):
        return NormWindow("plain", (1 / (1 + ages.float()),))

    def normalize(self, z, mode, inputs):
        return z * inputs[0].unsqueeze(-1), ()


class Meets(Asks):
    """What it is given is no row a lane."""

    @property
    def inference_ages(self):
        return 4

    def window(self, ages, valid, update_statistics):
        return NormWindow("plain", (ages.float().mean(1),))


def test_a_normalizer_that_is_asked_at_every_step():
    step = step_of([RNN], Asks)
    assert step.aged
    assert check(scan_model(step).SerializeToString(), step).state_error <= TOLERANCE


def test_a_normalizer_whose_lanes_meet_is_named():
    with pytest.raises(MemcellError, match=r"cannot export Meets \(layer 0, site 'input'\)"):
        step_of([RNN], Meets)


def test_a_start_that_is_drawn_is_named():
    class Drawn(Start):
        def forward(self, batch_size, device, dtype):
            return (RNNState(torch.randn(batch_size, HIDDEN)),)

    with pytest.raises(MemcellError, match="cannot export Drawn"):
        _start(step_of([RNN], start=Drawn))


def test_onnx_runtime_is_told_to_send_nothing(tmp_path):
    code = "import sys; from memcell.inference.onnx.check import _session; _session(sys.stdin.buffer.read())"
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])],
    )  # fmt: skip
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9
    )
    # in continuous integration, and in tests of its own, it sends nothing by itself
    unset = {"CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS"}
    variables = {name: value for name, value in os.environ.items() if name not in unset}
    subprocess.run(
        [sys.executable, "-c", code], input=model.SerializeToString(), check=True,
        env={**variables, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
