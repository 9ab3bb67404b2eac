"""A trained model in a program of one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from memcell.applications.app import App
from memcell.applications.detecting import Detecting, DetectorRequest
from memcell.applications.models import names_a_model, run_folder_of
from memcell.applications.prediction import PredictionRequest
from memcell.errors import UsageError
from memcell.inference.stepping import NetworkStepper
from memcell.plugins import default_registry
from memcell.runs.model import ModelFacts
from memcell.runs.predict import digest_of
from memcell.runs.predict_task import PredictionOptions, opened_model, options_of
from memcell.runs.reporting import app_of, try_report, write_prediction
from memcell.settings.options import EVAL_POLICIES


def load(
    model: str | Path,
    *,
    eval_policy: str = "auto",
    causal: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Return a trained model as a detector: its app's own object, whose ``predict`` takes a recording.

    For an EEG model that is a `memcell_eeg.detector.EegDetector`.

    Args:
        model: A run folder, or the name of a model that comes along (``memcell models list``).
        eval_policy: ``"carry"``, ``"reset"``, or ``"auto"`` for what the run was trained for.
        causal: Only what a live stream would give: memory is carried, and nothing looks into the future.
        options: The app's options of ``memcell predict``, by name.

    Raises:
        CheckpointError: There is no such run or model; says which there are.
        RunFolderError: Its files cannot be used: of a newer version, damaged.
        UsageError: Its app has no detector, or it cannot be used as asked.
    """
    if eval_policy not in ("auto", *EVAL_POLICIES):
        raise UsageError(
            f"eval_policy={eval_policy!r}; expected auto, {' or '.join(EVAL_POLICIES)}"
        )
    if causal and eval_policy == "reset":
        raise UsageError("causal=True carries memory on: leave out eval_policy='reset'")
    registry = default_registry()
    run = run_folder_of(registry, str(model))
    digest = digest_of(run)
    app = app_of(run)
    entry = registry.get("app", app)
    built: App = entry.build(entry.config({}), None)
    if not isinstance(built, Detecting):
        raise UsageError(
            f"'{model}' is of {entry.origin}, which has no detector for Python; an EEG model has one, "
            "such as memcell.load('wake_sleep')"
        )
    request = PredictionOptions(
        app=app,
        run=str(run.absolute()),
        digest=digest,
        out="",
        policy="carry" if causal else eval_policy,
        causal=causal,
        options=json.dumps(dict(options or {}), sort_keys=True),
    )
    threads = torch.get_num_threads()
    try:
        opened = opened_model(request)
    finally:
        torch.set_num_threads(threads)  # the program's, not the run's
    facts, policy = opened.facts, opened.policy

    return built.detector(
        DetectorRequest(
            name=str(model),
            prediction=PredictionRequest(
                facts={**facts.task, "model_id": f"{digest}-{policy}"},
                decision=facts.decisions[policy],
                out=Path(),
                causal=causal,
                options=options_of(request),
            ),
            infer=opened.infer(),
            network=lambda: NetworkStepper(opened.network, facts.n_features),
            carried=facts.decisions["carry"],
            finish=partial(_finish, app, run, policy, digest, facts),
            again=partial(
                load,
                str(model) if names_a_model(registry, str(model)) else str(run.absolute()),
                eval_policy=eval_policy,
                causal=causal,
                options=dict(options or {}),
            ),
        )
    )


def _finish(app: str, run: Path, policy: str, digest: str, facts: ModelFacts, out: Path) -> None:
    """Write what the engine leaves beside an app's results."""
    write_prediction(
        out, app, run, policy, digest, facts.task, facts.decisions[policy], facts.notes
    )
    try_report(out, app, default_registry(), _quiet)


def _quiet(line: str) -> None:
    """Say nothing of a report: who wants it finds it in the folder."""
