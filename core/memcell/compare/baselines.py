"""What stands beside every network of a comparison: the app's baselines, pooled and by subject."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memcell.applications.app import App, Task
from memcell.compare.prepared import data_name, prepared
from memcell.files.atomic import write_atomic
from memcell.jobs import Working
from memcell.plugins import default_registry
from memcell.runs.own_functions import OwnFunctions
from memcell.runs.run import write_tables
from memcell.settings.run_config import resolve
from memcell.threads import one_thread

FILE = "baselines.json"


@dataclass(frozen=True, kw_only=True)
class BaselinesTask:
    """The baselines of a comparison.

    Args:
        folder: The comparison's.
        app: Name of the app.
        sections: The config of any run.
        own: Python functions that the app is built with.
    """

    folder: str
    app: str
    sections: Mapping[str, Any]
    own: OwnFunctions = field(default_factory=OwnFunctions)
    id: str = "baselines"

    @property
    def data(self) -> str:
        """Its data, which a process prepares once for tasks in a row (`memcell.jobs.tasks.data_of`)."""
        return data_name(self.app, self.sections)


def do_baselines(task: BaselinesTask, working: Working) -> None:
    """Write ``baselines.json`` and the tables about the data.

    Raises:
        CannotPrepare: The data cannot be used.
    """
    config = resolve(task.app, task.sections, default_registry())
    found = prepared(config, task.own, working.progress)
    path = Path(task.folder) / FILE
    with one_thread():
        rows = _rows(found.app, found.task)
    write_atomic(path, json.dumps(rows, indent=1) + "\n")
    write_tables(path.parent, found.task.tables)


def _rows(app: App, task: Task) -> list[dict[str, Any]]:
    return [
        {
            "name": row.name,
            "kind": row.kind,
            "note": row.note,
            "deployable": row.deployable,
            "scores": _plain(row.scores),
            "subjects": {name: _plain(scores) for name, scores in row.subjects.items()},
        }
        for row in app.baselines(task, every=True)
    ]


def _plain(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {k: None if v != v else float(v) for k, v in scores.items()}
