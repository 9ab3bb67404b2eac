"""``report.html`` of a training run or of a prediction.

The engine finds out which it is and whose; what a run or a prediction looks like is the app's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from memcell.applications.app import Reporting, network_label
from memcell.applications.models import FINAL
from memcell.errors import DataError, MemcellError, RunFolderError, UsageError
from memcell.files.atomic import write_atomic
from memcell.files.reading import read_json, read_object, read_toml, subfolders
from memcell.plugins import Registry
from memcell.runs.run_folder import RunFolder
from memcell.runs.tables import with_fields

#: What a prediction's folder says of the run that made it; the app's own files say the rest.
PREDICTION = "prediction.json"


def make_report(folder: Path, registry: Registry, say: Callable[[str], None]) -> None:
    """Make the report of a folder anew, from its files alone.

    Args:
        folder: Of a run (also one of folds), or of a prediction; finished or not.
        registry: What is installed.
        say: Receives lines for the person.

    Raises:
        DataError: It is none of them.
        UsageError: Its app makes no report.
        MemcellError: The report cannot be written.
    """
    name = app_of(folder)
    app = _reporting(name, registry)
    if app is None:
        raise UsageError(
            f"app '{name}' makes no report of a folder such as '{folder}'; its numbers are in the "
            "tables there"
        )
    say(f"report: {app.report(folder)}")


def try_report(folder: Path, app: str, registry: Registry, say: Callable[[str], None]) -> None:
    """Make the report of what has just been finished, where the app makes one; failing loses nothing."""
    try:
        found = _reporting(app, registry)
        if found is not None:
            say(f"report: {found.report(folder)}")
    except Exception as error:
        # the work is done and kept: no fault of a picture may take it back
        reason = " ".join(str(error).split())
        say(
            f"note: no report was made ({type(error).__name__}: {reason}); everything else is there"
        )


def app_of(folder: Path) -> str:
    """Return the name of the app whose run or prediction a folder holds.

    Raises:
        DataError: It is neither, nor a comparison, or not there.
        RunFolderError: The file that says so cannot be read.
    """
    configs = [p / "config.toml" for p in (folder, *subfolders(folder, "folds/*"))]
    for config in configs:
        if os.path.lexists(config):
            return _named(read_toml(config), config)
    if not os.path.lexists(folder):
        raise DataError(f"there is no folder '{folder}'")
    about = folder / PREDICTION
    if os.path.lexists(about):
        return _named(read_json(about), about)
    raise DataError(
        f"'{folder}' is no folder that 'memcell train', 'memcell compare' or 'memcell predict' has "
        "written: it "
        f"has neither config.toml nor folds, nor comparison.json, nor {PREDICTION}"
    )


def write_prediction(
    out: Path, app: str, run: Path, policy: str, digest: str, facts: Mapping[str, Any],
    decision: Mapping[str, float], notes: tuple[str, ...], options: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write what a prediction's folder says of the model: ``prediction.json``.

    Args:
        out: The prediction's folder.
        app: Name of the app.
        run: The run folder.
        policy: Inference policy.
        digest: Of the model.
        facts: Of the run's task.
        decision: Under that policy.
        notes: What every output must carry.
        options: The app's own that were typed.
    """
    network, scores = _scores(run, policy)
    about = {
        "app": app, "run": str(run), "model_id": digest, "inference": policy, "network": network,
        "decision": dict(decision), "notes": list(notes), "scores": scores, "facts": dict(facts),
        **({"options": dict(options)} if options else {}),
    }  # fmt: skip
    write_atomic(out / PREDICTION, json.dumps(about, indent=1) + "\n")


def _scores(run: Path, policy: str) -> tuple[str, dict[str, Any]]:
    """Return name and test scores of a run's own network under a policy; nothing where there are none.

    Of a network of everybody, which was tested on nobody, they are those of the folds that it came after.
    """
    of_folds = run.name == FINAL and RunFolder(run.parent).folds.is_file()
    try:
        scored = run.parent if of_folds else run
        rows = [with_fields(row) for row in read_object(scored / "scores.json")["rows"]]
        own = (rows[0]["cell"], rows[0]["trained_with"])
        row = next(
            r for r in rows if (r["cell"], r["trained_with"], r["inferred_with"]) == (*own, policy)
        )
        return network_label(*own), dict(row["scores"])
    except (MemcellError, ValueError, KeyError, TypeError, IndexError, StopIteration):
        return "", {}


def _reporting(name: str, registry: Registry) -> Reporting | None:
    entry = registry.get("app", name)
    app = entry.build(entry.config({}), None)
    return app if isinstance(app, Reporting) else None


def _named(sections: Any, path: Path) -> str:
    name = sections.get("app") if isinstance(sections, Mapping) else None
    if not isinstance(name, str):
        raise RunFolderError(f"'{path}' does not say which app it is of")
    return name
