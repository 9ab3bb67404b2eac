"""A run folder to a file that other programs run."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from memcell.errors import CheckpointError, MemcellError, UsageError
from memcell.escape import Lines, line
from memcell.files.atomic import write_atomic
from memcell.files.reading import refusing
from memcell.plugins import Registry

#: Packages that ONNX needs, all of them of the extra ``onnx``.
_NEEDED = ("onnx", "onnxruntime", "onnxscript")


def export_onnx(run: Path, out: Path | None, registry: Registry, say: Any) -> Path:
    """Write the trained network of a run as an ONNX file.

    The memory is named inputs and outputs, time and batch are free. In: ``x [T, B, F]``,
    ``state_LAYER_PART [B, …]``, and ``age [B]`` where a normalizer counts steps. Out: ``probability`` and
    ``logits [T, B, C]``, and the state after the last step, ``next_state_LAYER_PART``. What is in the file
    beside it, and how it is run in 16 lines: `memcell.inference.onnx.facts`.

    Args:
        run: The run folder, of any app.
        out: The file; None for ``model.onnx`` in the run folder. One that is there is replaced.
        registry: What is installed.
        say: Receives lines for the person.

    Returns:
        The file.

    Raises:
        MemcellError: The extra is not installed, a part cannot be exported (named), or the file's
            numbers are not torch's; nothing is written then.
        CheckpointError: It is no run, or one without a trained network.
    """
    _check_installed()
    path = out or run / "model.onnx"
    if path.is_dir():
        raise UsageError(
            f"--out '{path}' is a folder; type the name of a file, as {path}/model.onnx"
        )
    step, entries = _prepared(run, registry)
    from memcell.inference.onnx.check import check
    from memcell.inference.onnx.facts import HOW_TO, write_facts
    from memcell.inference.onnx.scan import scan_model

    model = scan_model(step)
    write_facts(model, entries)
    content: bytes = model.SerializeToString()
    checked = check(content, step)
    write_atomic(path, content)
    say(f"{path}: {len(content) / 1024:.0f} KiB, time and batch free")
    say(str(checked))
    say(f"memory: {', '.join([*step.names, *(['age'] if step.aged else [])])}")
    if entries["knows"]:
        say(f"note: what the model knows: {entries['knows']}")
    if entries["simulated"]:
        say(
            "note: the model was trained on simulated data; what it finds says nothing about people"
        )
    if entries["inference"] == "reset":
        say(
            "note: this run was trained to restart its memory: feed memcell.start every "
            f"{entries['time_steps']} steps"
        )
    say("to run it:")
    say("")
    say(
        Lines(
            HOW_TO.format(
                path=line(path),
                n_features=step.n_features,
                n_classes=step.network.readout.out_features,
                output=step.network.target.output,
            )
        )
    )
    return path


def _prepared(run: Path, registry: Registry) -> tuple[Any, dict[str, Any]]:
    from memcell.inference.onnx.facts import facts_of
    from memcell.inference.onnx.step import NetworkStep
    from memcell.runs.model import load_model
    from memcell.runs.predict import model_id
    from memcell.runs.run_folder import RunFolder, open_run

    app = RunFolder.open(run).sections().get("app")
    if not isinstance(app, str):
        raise CheckpointError(f"run '{run}' does not say of which app it is; it cannot be exported")
    folder, config = open_run(app, run, registry)
    with refusing(folder.config):
        built: Any = registry.get("app", app).build(config.app_config, None)
    network, facts = load_model(folder, config, registry, built)
    step = NetworkStep(network.float().eval(), facts.n_features)
    return step, facts_of(step, config, facts, built, model_id(folder.model))


def _check_installed() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MemcellError(
            f"exporting to ONNX needs {', '.join(missing)}: pip install 'memcell-rnn[onnx]'"
        )
