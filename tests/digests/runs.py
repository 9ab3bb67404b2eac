"""Small fixed runs of every command, and what of their results is kept: numbers, never words or layout.

A reorganisation of the code must leave these numbers alone. They are kept as numbers with a tolerance, not
as hashes, since float32 sums differ in the last bits from one instruction set to another. Commands are run
through the installed console script's function, so this file names no module of the engine.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

#: Recall in sequences of about 50 steps: 22 updates of two lanes, on the eager loop.
TINY = (
    *("--task", "recall", "--streams", "4", "--test-streams", "2", "--trials", "6", "--lag", "8"),
    *("--time-steps", "10", "--hidden-size", "6", "--batch-size", "2", "--epochs", "2"),
    *("--min-updates", "0", "--against", "none"),
)
EAGER = ("--backend", "eager")
EEG = (
    *("--data.subjects", "3", "--data.minutes", "3", "--hidden-size", "6", "--batch-size", "2"),
    *("--time-steps", "20", "--epochs", "2", "--min-updates", "0", "--cache", "off"),
    *("--tune", "none", "--skip", "none"),
    *("--features", "bandpower", "--normalization", "causal", "--context", "none"),
    *("--step", "0.2", "--window", "1", "--filled", "1"),
)


@dataclass(frozen=True)
class Fixed:
    """A command with fixed options, and what is run on its folder afterwards."""

    app: str
    options: tuple[str, ...]
    then: tuple[str, ...] = field(default=())  # of "resume", "predict", "stream", "export"


def memory(*options: str, then: tuple[str, ...] = ()) -> Fixed:
    """Return a run of the memory tasks."""
    return Fixed("memory", (*TINY, *options), then)


#: Each cell with one normalizer, natively where there is a compiler (``slow``) and in the eager loop.
CELLS = {
    f"cell-{cell}-{norm}": memory(
        *("--cell", cell, "--normalizer", norm),
        *(("--batch-size", "16", "--streams", "16") if "batch" in norm else ()),
    )
    for cell, norm in (
        ("lstm", "none"),
        ("gru", "layer"),
        ("lstm97", "batch"),
        ("peephole", "rms"),
        ("cifg", "batch_shared"),
        ("rnn", "none"),
        ("cec", "none"),
        ("lstm", "batch"),
    )
}
POLICIES = {
    f"policy-{name}": memory("--policy", name, *EAGER)
    for name in ("carry_p", "decay", "refresh", "burn_in", "learned", "noise", "reset", "oracle")
} | {
    f"policy-{name}": memory("--sampler", "reshuffle", "--policy", name, *EAGER)
    for name in ("stored", "stored_burn_in", "fitted_noise", "random_pass")
}
SAMPLERS = {
    f"sampler-{name}": memory("--sampler", name, "--policy", "reset", *EAGER)
    for name in (
        *("balanced", "blocks", "curriculum", "grab", "grouped", "sequential"),
        *("shuffle_buffer", "shuffle_once", "with_replacement"),
    )
}
GRADIENTS = {
    f"gradient-{name}": memory("--gradient", name, *EAGER)
    for name in ("tbptt", "random_length", "artbp")
}
OPTIMIZERS = {
    f"optimizer-{name}": memory("--optimizer", name, *EAGER)
    for name in ("adadelta", "adamw", "averaged", "gated_memory", "lookahead", "rmsprop", "sgd")
}
OTHER = {
    "layers-dropout": memory("--layers", "2", "--dropout", "0.3", "--input-shift", "0.2", *EAGER),
    "probes": memory("--probe", "staleness,order", "--probe-budget", "5", *EAGER),
    "resume": memory("--checkpoint-seconds", "0", "--epochs", "6", *EAGER, then=("resume",)),
    "temporal-order": Fixed("memory", (*TINY, *EAGER, "--task", "temporal_order")),
    "microsleep": Fixed(
        "microsleep",
        (*EEG, "--against", "reset", *EAGER),
        ("predict", "stream", "export"),
    ),
    "microsleep-layer-gru": Fixed(
        "microsleep",
        (*EEG, "--against", "none", "--cell", "gru", "--normalizer", "layer", *EAGER),
        ("predict",),
    ),
}
EAGER_RUNS = (
    {name: Fixed(run.app, (*run.options, *EAGER), run.then) for name, run in CELLS.items()}
    | POLICIES
    | SAMPLERS
    | GRADIENTS
    | OPTIMIZERS
    | OTHER
)
#: The same numbers are expected of generated C.
NATIVE_RUNS = CELLS
#: As comparisons were when these numbers were kept: each policy under its own inference, data drawn once.
COMPARE = (
    *(*TINY[:-2], *EAGER, "--policy", "carry,reset", "--seeds", "2"),
    *("--eval-policy", "auto", "--draw-data", "once", "--no-reshuffled"),
)


def memcell(*arguments: str) -> str:
    """Run a command in this process and return what it printed.

    Raises:
        AssertionError: It did not end well.
    """
    [script] = entry_points(group="console_scripts", name="memcell")
    printed = io.StringIO()
    code: Any = 0
    with contextlib.redirect_stdout(printed):
        try:
            script.load()(list(arguments))
        except SystemExit as end:
            code = end.code
    assert code in (0, None), (arguments, code, printed.getvalue()[-2000:])
    return printed.getvalue()


def number(value: float) -> float:
    """Round to six significant digits, so that the kept file can be read."""
    return float(f"{float(value):.6g}")


def run_digest(folder: Path) -> dict[str, Any]:
    """Return the numbers of a run folder: losses, norms of weights, scores in the order of their rows."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    updates = [line for line in lines if "update" in line and "loss" in line]
    losses = [line["loss"] for line in updates]
    weights = load_file(folder / "model.safetensors")
    found: dict[str, Any] = {
        "updates": len(updates),
        "losses": [number(losses[k]) for k in (0, len(losses) // 2, -1)],
        "gradient_norm": number(updates[-1]["gradient_norm"]),
        "weights": {
            name: number(np.linalg.norm(value.astype(np.float64)))
            for name, value in sorted(weights.items())
        },
    }
    if (folder / "scores.tsv").exists():
        with (folder / "scores.tsv").open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        networks = [row for row in rows if row["kind"] == "network"]
        found["scores"] = [
            {
                key: numeric(row[key])
                for key in ("loss", "brier", "auc_pr", "accuracy")
                if key in row
            }
            for row in networks
        ]
    probes = folder / "probes.jsonl"
    if probes.exists():
        measured = [json.loads(line) for line in probes.read_text().splitlines()]
        found["probes"] = sum("values" in line for line in measured)
    return found


def numeric(text: str) -> float | None:
    """Return the number in a cell of a table, None where it has none."""
    try:
        return number(float(text))
    except ValueError:
        return None


def predicted_digest(folder: Path) -> dict[str, Any]:
    """Return the numbers of a folder of predictions, recording by recording."""
    found = {}
    for path in sorted(folder.glob("*_probability.tsv")):
        table = np.genfromtxt(path, delimiter="\t", names=True)
        events = (path.parent / path.name.replace("_probability", "_events")).read_text()
        found[path.name] = {
            "steps": len(table),
            "probability": [
                number(np.nanmean(table["probability"])),
                number(np.nanstd(table["probability"])),
            ],
            "events": len(events.splitlines()) - 1,
        }
    return found


def streamed_digest(printed: str) -> dict[str, Any]:
    """Return the numbers of a stream's lines."""
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    said = [line["probability"] for line in lines if line.get("probability") is not None]
    return {"steps": len(said), "probability": [number(np.mean(said)), number(np.std(said))]}


def exported_digest(path: Path) -> dict[str, Any]:
    """Return what the exported network says of a fixed input, with memory at zero."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    given = {}
    for one in session.get_inputs():
        shape = [
            7 if k == 0 and isinstance(n, str) else 1 if isinstance(n, str) else n
            for k, n in enumerate(one.shape)
        ]
        kind = {"tensor(float)": np.float32, "tensor(bool)": np.bool_, "tensor(int64)": np.int64}
        value = (
            random.normal(size=shape)
            if one.name == session.get_inputs()[0].name
            else np.zeros(shape)
        )
        given[one.name] = value.astype(kind[one.type])
    outputs = session.run(None, given)
    return {"outputs": [number(np.abs(np.asarray(value, np.float64)).sum()) for value in outputs]}


def interrupt_after(path: Path, lines: int) -> threading.Thread:
    """Start a thread that presses Ctrl-C once a file has so many lines."""

    def watch() -> None:
        for _ in range(6000):
            if path.exists() and path.read_bytes().count(b"\n") >= lines:
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.005)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def resumed_digest(run: Fixed, folder: Path) -> dict[str, Any]:
    """Return the numbers of a run that was stopped by Ctrl-C and gone on with."""
    watcher = interrupt_after(folder / "metrics.jsonl", 20)
    with contextlib.suppress(AssertionError):
        memcell("train", run.app, *run.options, "--out", str(folder))
    watcher.join()
    memcell("train", run.app, "--resume", str(folder))
    return run_digest(folder)


def digest(run: Fixed, folder: Path) -> dict[str, Any]:
    """Do a run and what follows on it in an empty folder, and return its numbers."""
    out = folder / "run"
    memcell("train", run.app, *run.options, "--out", str(out))
    found = run_digest(out)
    for control in sorted(out.glob("*/metrics.jsonl")):
        found["control"] = run_digest(control.parent)
    following: dict[str, Callable[[], dict[str, Any]]] = {
        "resume": lambda: resumed_digest(run, folder / "stopped"),
        "predict": lambda: predict(run, out, folder),
        "stream": lambda: streamed_digest(
            memcell(
                *("stream", run.app, "--model", str(out), "--speed", "max", "--lines", "steps"),
                *("--file", str(recordings(folder)[0])),
            )
        ),
        "export": lambda: export(out, folder),
    }
    for name in run.then:
        found[name] = following[name]()
    return found


def recordings(folder: Path) -> list[Path]:
    """Return two simulated recordings of people that no run is trained on, made on the first call."""
    out = folder / "recordings"
    if not out.exists():
        memcell(
            *("data", "make", "simulated", "--to", str(out), "--subjects", "2"),
            *("--minutes", "3", "--seed", "7"),
        )
    return sorted(out.rglob("*.edf"))


def predict(run: Fixed, model: Path, folder: Path) -> dict[str, Any]:
    """Predict two simulated recordings and return the numbers."""
    out = folder / "predicted"
    paths = [str(path) for path in recordings(folder)]
    memcell(
        "predict", run.app, *paths, "--model", str(model), "--out", str(out), "--layout", "flat"
    )
    return predicted_digest(out)


def export(model: Path, folder: Path) -> dict[str, Any]:
    """Export a run to ONNX and return what it computes."""
    memcell("export", str(model), "--to", "onnx", "--out", str(folder / "model.onnx"))
    return exported_digest(folder / "model.onnx")


def compared_digest(folder: Path) -> dict[str, Any]:
    """Compare two policies with two seeds and return losses of each run and the paired differences."""
    out = folder / "compared"
    memcell("compare", "memory", *COMPARE, "--out", str(out))
    runs = {}
    for record in sorted(out.glob("runs/*/record.json")):
        kept = json.loads(record.read_text())
        runs[kept["id"]] = {how: number(scores["loss"]) for how, scores in kept["scores"].items()}
    with (out / "comparisons.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {"runs": runs, "comparisons": len(rows)}
