"""What a trained network needs of what it is given, and the command that uses it."""

from __future__ import annotations

import shlex
from pathlib import Path

from memcell.applications.app import Needing
from memcell.errors import RunFolderError
from memcell.files.reading import refusing
from memcell.inference.model_facts import read_facts
from memcell.plugins import Registry
from memcell.runs.run_folder import RunFolder
from memcell.training.checkpoint import read_head


def needs_of(folder: Path, registry: Registry) -> tuple[str, list[tuple[str, str]]]:
    """Return the app of a run's network, and what the network needs: headings and texts.

    Args:
        folder: Of the run.
        registry: What is installed.

    Raises:
        RunFolderError: It is damaged, or says no app.
        CheckpointError: It is of a newer version.
    """
    run = RunFolder.open(folder)
    app = run.sections().get("app")
    if not isinstance(app, str):
        raise RunFolderError(f"'{run.config}' says no app")
    facts = read_facts(run.model, read_head(run.model).meta)
    entry = registry.get("app", app)
    built = entry.build(entry.config({}), None)
    if not isinstance(built, Needing):
        return app, []
    with refusing(run.model):
        own_check = getattr(built, "check_facts", None)
        if own_check is not None:
            own_check(facts.task)
        found = [(str(heading), str(text)) for heading, text in built.needs(facts.task)]
    threshold = facts.decisions[facts.eval_policy].get("threshold")
    if threshold is not None:
        found.append(
            ("threshold", f"a probability of {threshold:.3g} (memory: {facts.eval_policy})")
        )
    return app, found


def line_to_type(app: str, named: str) -> str:
    """Return the command that predicts with a model."""
    return f"memcell predict {app} FOLDER --model {shlex.quote(named)} --out found"
