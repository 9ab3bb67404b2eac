"""Running a trained network live."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from memcell.applications.streaming import Streaming, StreamRequest
from memcell.backends.precision import mixed_if_faster
from memcell.errors import UsageError
from memcell.files.reading import refusing
from memcell.inference.stepping import NetworkStepper
from memcell.interrupt import Interrupts
from memcell.plugins import Registry
from memcell.plugins.options import from_mapping
from memcell.runs.model import load_model
from memcell.runs.predict_task import model_id
from memcell.runs.run_folder import open_run
from memcell.runs.setup import Say
from memcell.threads import one_thread


def stream(
    app: str,
    run: Path,
    out: Path | None,
    options: Mapping[str, Any],
    registry: Registry,
    say: Say,
    output: IO[str] | None = None,
    mixed_precision: bool = False,
) -> int:
    """Stream until the source ends or the person stops; memory is carried, on the CPU, in one thread.

    Args:
        app: Name of the app.
        run: The run folder of the model.
        out: Folder for results; None to keep none.
        options: Of the app's ``stream_config``.
        registry: What is installed.
        say: Receives lines for the person.
        output: Where the app writes what it finds; None for the standard output.
        mixed_precision: The recurrent layers in bfloat16, where that is faster; said where it is not.

    Returns:
        The exit code.

    Raises:
        UsageError: The app has nothing to stream, or what it says to what is asked.
        CheckpointError: ``run`` has no model of the app.
        DataError: The source cannot be used.
    """
    entry = registry.get("app", app)
    config_type = entry.stream_config_type()
    if config_type is None:
        raise UsageError(f"app '{app}' has no live signal to stream")
    folder, config = open_run(app, run, registry)
    with refusing(folder.config):
        built: Any = entry.build(config.app_config, None)
    network, facts = load_model(folder, config, registry, built)
    if not isinstance(built, Streaming):
        raise UsageError(f"{entry.origin} names stream options and cannot stream")
    mixed = mixed_if_faster(network.device, mixed_precision, "this is streamed", say)
    rounded = "-bfloat16" if mixed else ""
    with one_thread(), Interrupts() as interrupts:
        request = StreamRequest(
            facts={**facts.task, "model_id": f"{model_id(folder.model)}-carry{rounded}"},
            decision=facts.decisions["carry"],
            network=NetworkStepper(network, facts.n_features, mixed, say),
            options=from_mapping(config_type, options, "stream"),
            out=out,
            stop=lambda: interrupts.requested,
            say=say,
            output=output,
        )
        return built.stream(request)
