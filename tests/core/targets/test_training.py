"""Values and labels through training, resume, prediction, comparison and export."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import torch

from memcell.applications.app import ModelPredictions, Row
from memcell.inference.inference import InferenceStream, probabilities
from memcell.inference.onnx.check import TOLERANCE, check
from memcell.inference.onnx.scan import scan_model
from memcell.inference.onnx.step import NetworkStep
from memcell.inference.stepping import NetworkStepper
from memcell.plugins import default_registry
from memcell.runs.model import load_model
from memcell.runs.predictions import read_predictions, write_predictions
from memcell.runs.run_folder import open_run
from memcell.runs.setup import build_app
from memcell.sequences.targets import Classes, MultiLabel, Values
from memcell.training.window_statistics import readout_gradients
from stopping import StopAfter


class Stopping(StopAfter):
    """Asks to stop in the middle of an epoch."""

    def __init__(self):
        super().__init__(20)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


FAST = (
    *("--time-steps", "10", "--hidden-size", "8", "--batch-size", "3", "--min-updates", "0"),
    *("--control", "none", "--backend", "eager", "--threads", "1"),
)
#: The first and the last of them in the fast tests.
KINDS = {
    "values": ("--kind", "values"),
    "bins": ("--kind", "values", "--bins"),
    "two": ("--kind", "two", "--loss", "huber"),
    "labels": ("--kind", "labels"),
}


@pytest.fixture(scope="module", autouse=True)
def toy(tmp_path_factory):
    """Install the toy application beside what is there."""
    root = tmp_path_factory.mktemp("site")
    info = root / "memcell_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: memcell-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[memcell]\ntoy = toy_targets\n")
    added = [str(root), str(Path(__file__).parent)]
    sys.path[:0] = added
    importlib.invalidate_caches()
    default_registry.cache_clear()
    yield
    for path in added:
        sys.path.remove(path)
    default_registry.cache_clear()


def memcell(*arguments):
    [script] = entry_points(group="console_scripts", name="memcell")
    printed = io.StringIO()
    code = 0
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            script.load()([str(a) for a in arguments])
        except SystemExit as end:
            code = end.code
    return code or 0, printed.getvalue()


def trained(out, kind, *options):
    code, printed = memcell("train", "toy", *KINDS[kind], *FAST, *options, "--out", out)
    assert code == 0, printed
    return printed


def loaded(run):
    registry = default_registry()
    folder, config = open_run("toy", run, registry)
    app = build_app(config, registry)
    network, facts = load_model(folder, config, registry, app)
    return network, facts, app


EACH_KIND = [
    pytest.param(kind, marks=pytest.mark.slow if kind in ("bins", "two") else ()) for kind in KINDS
]


class Runs(dict[str, tuple[Path, str]]):
    """Folder and printed lines of a run of each kind of target, trained when it is first asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def __missing__(self, kind: str) -> tuple[Path, str]:
        folder = self._root / kind
        self[kind] = folder, trained(folder, kind, "--epochs", "30", "--skip", "linear")
        return self[kind]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("kind", EACH_KIND)
def test_memory_is_learned(runs, kind):
    run, printed = runs[kind]
    rows = json.loads((run / "scores.json").read_text())["rows"]
    network, constant = rows[0]["scores"], rows[-1]["scores"]
    assert rows[-1]["name"] == "best constant"
    if kind == "labels":
        assert network["accuracy"] > 0.75
    else:
        assert network["mean_error"] < 0.6 * constant["mean_error"]
        assert "lowest of 1 baseline, best constant" in printed


@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_stored_model_knows_its_targets_and_streams_the_same_bits(runs, kind):
    network, facts, app = loaded(runs[kind][0])
    task = app.task()
    assert facts.target == task.target == network.target
    s = task.test[0]
    [whole] = probabilities(network, [s], "carry", 10)
    assert whole.shape == (s.n_steps, task.target.n_outputs)
    stream = InferenceStream(network, "carry", 10)
    cut = [stream.push(s.features[:30], s.starts[:30]), stream.push(s.features[30:], s.starts[30:])]
    assert np.array_equal(np.concatenate([*cut, stream.end()]), whole)
    for layer in network.recurrent.each:
        layer.choice = "auto"
    stepper = NetworkStepper(network, s.n_features)
    said = []
    for x, begins in zip(s.features, s.starts, strict=True):
        if begins:
            stepper.restart()
        said.append(stepper.step(x))
    np.testing.assert_allclose(np.array(said), whole, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize("kind", EACH_KIND)
def test_export_says_what_its_outputs_are(runs, kind, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    network, facts, app = loaded(runs[kind][0])
    step = NetworkStep(network.float().eval(), facts.n_features)
    checked = check(scan_model(step).SerializeToString(), step)
    assert max(checked.probability_error, checked.state_error) <= TOLERANCE
    out = tmp_path / "m.onnx"
    code, printed = memcell("export", runs[kind][0], "--to", "onnx", "--out", out)
    assert code == 0, printed
    session = onnxruntime.InferenceSession(out.read_bytes())
    names = [o.name for o in session.get_outputs()]
    meta = session.get_modelmeta().custom_metadata_map
    assert json.loads(meta["memcell.target"]) == facts.target.facts()
    assert json.loads(meta["memcell.classes"]) == list(facts.target.names)
    assert names[0] == ("probability" if kind == "labels" else "value")
    assert f'found["{names[0]}"]' in printed
    s = app.task().test[0]
    before = s.breaks[0]
    memory = {
        k: np.asarray(v, np.int64 if k == "age" else np.float32)[None]
        for k, v in json.loads(meta["memcell.start"]).items()
    }
    [said] = session.run([names[0]], {"x": s.features[:before, None], **memory})
    [whole] = probabilities(network, [s], "carry", 10)
    np.testing.assert_allclose(said[:, 0], whole[:before], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", EACH_KIND)
def test_resumed_is_bit_for_bit_what_was_not_stopped(kind, tmp_path, monkeypatch):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    options = ("--epochs", "4", "--checkpoint-seconds", "0", "--probe", "staleness,order,stuck")
    trained(whole, kind, *options)
    monkeypatch.setattr("memcell.runs.run.Interrupts", Stopping)
    code, printed = memcell("train", "toy", *KINDS[kind], *FAST, *options, "--out", stopped)
    monkeypatch.undo()
    assert code != 0, printed
    code, printed = memcell("train", "toy", "--resume", stopped)
    assert code == 0, printed
    for file in ("metrics.jsonl", "model.safetensors", "scores.tsv", "probes.jsonl"):
        assert (whole / file).read_bytes() == (stopped / file).read_bytes(), file


@pytest.mark.slow
def test_settings_are_compared_and_smaller_errors_are_better(tmp_path):
    out = tmp_path / "compared"
    code, printed = memcell(
        *("compare", "toy", "--kind", "values", *FAST[:8], "--backend", "eager", "--epochs", "6"),
        *("--policy", "carry,reset", "--seeds", "2", "--out", out),
    )
    assert code == 0, printed
    plan = json.loads((out / "comparison.json").read_text())
    # the middle of the training data, in mean distances from it, on the validation data
    assert plan["chance_loss"] == pytest.approx(1.0, abs=0.25)
    page = (out / "report.html").read_text()
    assert "validation loss (spreads)" in page
    assert "the error that training goes by, in spreads of the training data" in page
    assert "negative log likelihood" not in page


@pytest.mark.parametrize(
    ("sampler", "fits"),
    [("reshuffle", True), ("balanced", False), ("grab", True), ("curriculum", True)],
)
def test_samplers_that_go_by_classes_are_refused(tmp_path, sampler, fits):
    code, printed = memcell(
        *("train", "toy", *KINDS["values"], *FAST, "--epochs", "1", "--sampler", sampler),
        *("--policy", "reset", "--out", tmp_path / "r"),
    )
    assert (code == 0) == fits, printed
    if not fits:
        assert "--sampler reshuffle or stream" in printed


@pytest.mark.parametrize("kind", EACH_KIND)
def test_the_start_is_the_regression(tmp_path, kind):
    trained(tmp_path / "r", kind, "--skip", "fixed", "--epochs", "1")
    first = json.loads((tmp_path / "r" / "metrics.jsonl").read_text().splitlines()[0])
    assert first["update"] == 0
    assert first["valid_loss"] > 0
    network, _, _ = loaded(tmp_path / "r")
    assert network.skip is not None


def test_gradients_of_the_readout_are_those_of_the_loss():
    hidden = torch.randn(4, 2, 5)
    readout = torch.nn.Linear(5, 2)
    weight = torch.tensor([[1.0, 1], [1, 0], [0, 1], [1, 1]])

    class Lane:
        pass

    for target, y, group in (
        (Values(("a", "b"), loss="squared", spread=(2.0, 3.0)), torch.randn(4, 2, 2), None),
        (MultiLabel(("a", "b")), torch.randint(0, 2, (4, 2, 2)), None),
        (Classes(2), torch.randint(0, 2, (4, 2)), torch.tensor([1.0, 3.0])),
    ):
        batch = Lane()
        batch.y, batch.weight = y, weight
        logits = readout(hidden)
        found = readout_gradients(target, logits, hidden, batch, group)
        for lane in range(2):
            losses = target.losses(readout(hidden), y, group) * weight / weight.sum(0)
            grads = torch.autograd.grad(losses[:, lane].sum(), [readout.weight, readout.bias])
            expected = torch.cat([grads[0], grads[1][:, None]], dim=1).flatten()
            torch.testing.assert_close(found[lane], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", EACH_KIND)
def test_predictions_are_stored_and_read(runs, kind, tmp_path):
    network, _, app = loaded(runs[kind][0])
    task = app.task()
    said = tuple(probabilities(network, task.test, "carry", 10))
    part = ModelPredictions(sequences=task.test, probabilities=said, decision={})
    write_predictions(tmp_path, [Row(name="n", scores={}, predictions=(part,))])
    [row] = read_predictions(tmp_path)
    back = row.predictions[0]
    for mine, theirs in zip(task.test, back.sequences, strict=True):
        np.testing.assert_array_equal(mine.targets, theirs.targets)
    assert all(np.array_equal(a, b) for a, b in zip(said, back.probabilities, strict=True))
