"""``memcell bench cells`` at sizes of a few numbers. No test looks at how long anything took."""

from __future__ import annotations

import json
import os

import pytest
import torch

from memcell.backends.eager import unroll_eager
from memcell.cli.main import run
from memcell.plugins import default_registry
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.window_call import WindowOutput
from memcell_benchmarks import backends, memory
from memcell_benchmarks.contenders import CellContender
from memcell_benchmarks.peers import lstm_weights

TINY = [
    *["bench", "cells", "--hidden-size", "4", "--batch-size", "3", "--time-steps", "5"],
    *["--input-size", "2", "--rounds", "1", "--sample", "0.001"],
]


@pytest.fixture
def bench(capfd, tmp_path):
    """``bench(*args)``: exit code, what was printed, and the JSON."""

    def call(*args):
        file = tmp_path / "numbers.json"
        code = run([*TINY, *args, "--json", str(file)])
        out, err = capfd.readouterr()
        return code, out + err, json.loads(file.read_text()) if file.exists() else None

    return call


def results(record, backend):
    return [r for r in record["results"] if r["backend"] == backend]


def test_ratios_to_torchs_lstm_are_printed_and_written(bench):
    code, said, record = bench("--cell", "lstm", "--cell", "rnn", "--backends", "naive,eager")
    assert code == 0, said
    assert "xLSTM" in said
    assert max(map(len, said.splitlines())) <= 80
    assert "B3 H4 T5 I2" in said
    (peer,) = results(record, "nn.LSTM")
    assert peer["train"]["ratio_of_least"] == peer["train"]["median_ratio"] == 1
    assert [(r["cell"], r["backend"]) for r in record["results"][1:]] == [
        (c, w) for c in ("lstm", "rnn") for w in ("naive", "eager")
    ]
    for row in record["results"][1:]:
        assert row["relative_error"] < 1e-5
        assert not row["reason"]
        for kind in ("train", "infer", "step"):
            assert row[kind]["least"] > 0
            assert row[kind]["ratio_of_least"] == row[kind]["least"] / peer[kind]["least"]
        assert row["first_use_seconds"] > 0
        assert row["gflops"] > 0
        assert row["torch_mm_gflops"] > 0
    assert {"cpu", "isa", "torch", "threads", "clock", "malloc"} <= set(record["machine"])


def test_by_default_every_cell_and_lstm_with_every_normalizer(bench):
    # the last --batch-size typed counts: batch statistics want 16 lanes
    code, said, record = bench("--backends", "eager", "--what", "train", "--batch-size", "16")
    assert code == 0, said
    got = [(r["cell"], r["normalizer"]) for r in results(record, "eager")]
    registry = default_registry()
    with_norms = [("lstm", n) for n in registry.names("normalizer") if n != "none"]
    assert got == [(c, "none") for c in registry.names("cell")] + with_norms
    assert not any(r["reason"] for r in record["results"])
    assert "infer" not in record["results"][1]


@pytest.mark.slow
def test_several_sizes_in_float64(bench):
    code, said, record = bench(
        *["--cell", "gru", "--normalizer", "layer", "--hidden-size", "3,5", "--time-steps", "1,4"],
        *["--dtype", "float64", "--backends", "naive,eager", "--what", "train,memory"],
    )
    assert code == 0, said
    sizes = [(r["hidden_size"], r["time_steps"]) for r in results(record, "nn.LSTM")]
    assert sizes == [(3, 1), (3, 4), (5, 1), (5, 4)]
    assert all(r["relative_error"] < 1e-12 for r in record["results"] if r["cell"])


def test_two_threads_are_set_and_put_back(bench):
    before = torch.get_num_threads()
    code, said, record = bench("--cell", "rnn", "--backends", "eager", "--threads", "2")
    assert code == 0
    assert "2 threads, wall time" in " ".join(
        said.split()
    )  # where the line breaks depends on the name of the CPU
    assert record["machine"]["threads"] == 2
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--cell", "lstn"], "Did you mean 'lstm'?"),
        (["--normalizer", "layr"], "Did you mean 'layer'?"),
        (["--backends", "eagre"], "Did you mean 'eager'?"),
        (["--what", "trian"], "Did you mean 'train'?"),
        (["--dtype", "float23"], "Did you mean 'float32'?"),
        (["--hidden-size", "64,x"], "--hidden-size got '64,x'"),
        (["--batch-size", "0"], "at least 1"),
        (["--hiden-size", "4"], "--hidden-size"),
    ],
)
def test_a_wrong_call_says_what_to_type(bench, args, said):
    code, printed, record = bench(*args)
    assert code == 2
    assert said in printed
    assert record is None


def test_torchs_own_kernel_runs_with_the_cells_weights(bench):
    code, said, record = bench("--cell", "gru", "--cell", "cifg", "--backends", "torch")
    assert code == 0, said
    gru, cifg = results(record, "torch")
    assert gru["relative_error"] < 1e-5
    assert {"train", "infer", "step"} <= gru.keys()
    assert "not one of torch's own cells" in cifg["reason"]


def test_former_names_are_understood_and_told_the_new_ones(bench):
    code, said, record = bench("--cell", "rnn", "--ways", "eager", "--what", "infer", "--no-check")
    assert code == 0
    assert "note: '--ways eager' is now '--backends eager'" in said
    assert len(results(record, "eager")) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_said(bench):
    code, said, _ = bench("--device", "cuda")
    assert code == 2
    assert "--device cpu" in said


def _wrong(call):
    out, states = unroll_eager(call)
    return WindowOutput(out * 1.01, states)


@pytest.mark.slow
def test_a_wrong_way_is_found_not_timed_and_fails_the_command(bench, monkeypatch):
    monkeypatch.setitem(
        backends.BUILD, "native", lambda parts, p, n: CellContender(parts, p, _wrong)
    )
    code, said, record = bench("--cell", "lstm", "--backends", "eager,native")
    assert code == 1
    assert "WRONG: lstm native at B3 H4 T5 I2" in said
    (row,) = results(record, "native")
    assert row["wrong"]
    assert row["relative_error"] == pytest.approx(0.01, rel=0.01)
    assert "train" not in row
    assert "train" in results(record, "eager")[0]
    code, said, record = bench("--cell", "lstm", "--backends", "eager,native", "--no-check")
    assert code == 0
    assert "nothing verified" in said
    assert "train" in results(record, "native")[0]


@pytest.mark.parametrize(
    "what",
    [pytest.param(w, marks=pytest.mark.slow) for w in ("gradient", "statistics", "step", "nan")],
)
def test_the_check_sees_every_part(bench, monkeypatch, what):
    def wrong(call):
        if what == "gradient":
            detached = type(call.state)(*(s.detach() for s in call.state))
            out, states = unroll_eager(call._replace(state=detached, x=call.x * 1.0))
            return WindowOutput(out + 0.1 * (out - out.detach()), states)
        out, states = unroll_eager(call)
        if what == "statistics":
            if call.update_statistics:
                for buffer in call.norms.buffers():
                    buffer.mul_(2)
            return WindowOutput(out, states)
        if what == "nan":
            return WindowOutput(out * float("nan"), states)
        zeroed = {k: type(s)(*(t * 0 for t in s)) for k, s in states.items()}
        return WindowOutput(out, zeroed)

    monkeypatch.setitem(
        backends.BUILD, "native", lambda parts, p, n: CellContender(parts, p, wrong)
    )
    size = ["--batch-size", "16", "--normalizer", "batch", "--cell", "lstm"]
    code, said, record = bench(*size, "--backends", "native")
    assert code == 1, said
    assert record["results"][1]["wrong"]


@pytest.mark.parametrize(("error", "code"), [(Unsupported("it has a loop"), 0), (OSError("?"), 1)])
def test_a_way_that_cannot_run_is_listed_with_the_reason(bench, monkeypatch, error, code):
    def broken(*_):
        raise error

    monkeypatch.setitem(
        backends.BUILD, "native", lambda parts, p, n: CellContender(parts, p, broken)
    )
    got, said, record = bench("--cell", "lstm", "--backends", "eager,native")
    assert got == code
    assert str(error) in said
    assert str(error) in results(record, "native")[0]["reason"]


def test_a_normalizer_that_wants_more_lanes_is_listed(bench):
    code, said, record = bench("--cell", "lstm", "--normalizer", "batch", "--backends", "eager")
    assert code == 0
    assert "needs 16 lanes" in said
    assert "16" in record["results"][1]["reason"]


@pytest.mark.parametrize("peer", ["jax", "onnx"])
def test_a_peer_that_is_not_installed_is_listed(bench, monkeypatch, peer):
    def absent(name):
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(lstm_weights, "import_module", absent)
    code, said, _ = bench("--cell", "lstm", "--cell", "gru", "--backends", peer)
    assert code == 0
    assert "is not installed" in said
    assert "only the plain LSTM" in said


@pytest.mark.parametrize("peer", ["jax", "onnx"])
def test_peers_that_are_installed_give_the_same_numbers(bench, peer):
    pytest.importorskip({"jax": "jax", "onnx": "onnxruntime"}[peer])
    pytest.importorskip(peer)
    code, said, record = bench("--cell", "lstm", "--backends", peer)
    assert code == 0, said
    (row,) = results(record, peer)
    assert row["relative_error"] < 1e-5
    assert "infer" in row
    assert ("train" in row) == (peer == "jax")


#: They compile for minutes; tests/core/test_compiled.py compares what Inductor makes of every cell.
COMPILED_BY_TORCH = [
    pytest.param(name, marks=pytest.mark.exhaustive) for name in ("inductor", "torch.compile")
]


@pytest.mark.slow
@pytest.mark.parametrize("backend", [*COMPILED_BY_TORCH, "native"])
def test_compiled_backends_give_the_same_numbers(bench, backend):
    size = ["--time-steps", "17", "--batch-size", "16", "--normalizer", "batch"]
    code, said, record = bench(
        "--cell", "lstm", "--normalizer", "none", *size, "--backends", backend
    )
    assert code == 0, said
    for row in results(record, backend):
        assert not row["reason"], row["reason"]
        assert row["relative_error"] < 1e-4


@pytest.mark.slow
def test_a_second_process_finds_what_the_first_left(bench):
    args = ["--backends", "eager,native", "--what", "first-use", "--no-check", "--batch-size", "16"]
    code, said, record = bench("--cell", "rnn", "--normalizer", "layer", *args)
    assert code == 0, said
    assert "again s" in said
    (native,), (eager,) = results(record, "native"), results(record, "eager")
    assert native["again_seconds"] > 0
    assert eager["again_seconds"] is None  # it leaves nothing


def test_a_second_process_that_fails_leaves_the_number_out():
    from memcell_benchmarks.again import again
    from memcell_benchmarks.options import CellChoice, Options, Size

    size = Size(hidden_size=4, batch_size=3, time_steps=5, input_size=2)
    options = Options(
        subjects=(),
        sizes=(size,),
        backends=("native",),
        kinds=("first-use",),
        device="cpu",
        dtype="float32",
        threads=1,
        rounds=1,
        sample=0.1,
        check=False,
    )
    assert again(CellChoice(cell="no such cell"), "native", size, options) is None


def test_memory_is_left_out_where_nobody_counts_it(bench, monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "nothing")
    code, _, record = bench("--cell", "rnn", "--backends", "eager", "--what", "memory")
    assert code == 0
    assert all(r["memory_mebibytes"] is None for r in record["results"])


def test_the_persons_environment_stays_as_it_was(bench):
    before = dict(os.environ)
    bench("--cell", "rnn", "--backends", "eager")
    assert dict(os.environ) == before


@pytest.mark.slow
def test_a_cell_is_measured_with_options_of_its_own(bench):
    code, said, record = bench(
        *["--cell", "lstm97:gate_recurrence=false,block_size=2", "--cell", "lstm97"],
        *["--backends", "native", "--what", "train,first-use"],
    )
    assert code == 0, said
    assert "lstm97:gate_recurrence=false,block_size=2" in said
    without, whole = results(record, "native")
    assert without["options"] == {"gate_recurrence": False, "block_size": 2}
    assert whole["options"] == {}
    assert without["again_seconds"] > 0
    assert without["product"] != whole["product"] or without["gflops"] != whole["gflops"]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("lstm97:gate_recurrence", "options with values are expected"),
        ("lstm97:", "options with values are expected"),
        ("lstm97:gate=1", "gate_recurrence"),
        ("lstm97:block_size=many", "a whole number"),
        ("lstm79:block_size=2", "lstm97"),
    ],
)
def test_a_wrong_option_of_a_cell_is_one_line(bench, cell, why):
    code, said, _ = bench("--cell", cell, "--backends", "eager", "--what", "train")
    assert code == 2
    assert why in said
    assert "Traceback" not in said


def test_an_option_that_does_not_fit_the_size_is_listed_with_the_reason(bench):
    _, said, record = bench(
        "--cell", "lstm97:block_size=3", "--backends", "eager", "--what", "train"
    )
    assert "block_size 3 does not divide hidden_size 4" in said
    (row,) = results(record, "eager")
    assert "does not divide" in row["reason"]


def test_without_a_compiler_the_other_ways_are_measured(bench, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    args = [
        "--cell",
        "lstm",
        "--normalizer",
        "none",
        "--backends",
        "eager,native",
        "--what",
        "train",
    ]
    _, said, record = bench(*args)
    (eager,), (native,) = results(record, "eager"), results(record, "native")
    assert eager["train"]["least"] > 0
    assert "no C compiler" in native["reason"]
    assert "no C compiler here (CC=no-such-compiler)" in said


def test_a_profile_is_of_the_native_way(bench):
    code, said, _ = bench("--cell", "lstm", "--backends", "eager", "--what", "profile")
    assert code == 2
    assert "add native to --backends" in said
