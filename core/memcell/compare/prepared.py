"""The data of a comparison, prepared once a process: every run sees the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memcell.applications.app import App, Task
from memcell.errors import DataError
from memcell.plugins import default_registry
from memcell.progress import SILENT, Progress
from memcell.runs.own_functions import OwnFunctions
from memcell.runs.setup import build_app
from memcell.settings.run_config import RunConfig, resolve
from memcell.threads import one_thread


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An app and its task."""

    app: App
    task: Task


class CannotPrepare(DataError):
    """The data cannot be used as asked: no run of the comparison could be done."""


#: What this process holds: the data of one comparison at the most.
_kept: dict[str, Prepared] = {}


def prepared(config: RunConfig, own: OwnFunctions, progress: Progress = SILENT) -> Prepared:
    """Return app and task of a run; they depend on the sections of app and data set alone.

    Args:
        config: The run's. Its seed has no part in this: splits have a seed of their own.
        own: Python functions that the app is built with.
        progress: Told of each recording, the first time.

    Raises:
        CannotPrepare: The recordings cannot be used as asked.
    """
    sections = config.sections()
    data, key = _of_data(config.app, sections), data_name(config.app, sections)
    if key not in _kept:
        forget_prepared()
        _kept[key] = _prepared(config.app, data, own, progress)
    return _kept[key]


def data_name(app: str, sections: Mapping[str, Any]) -> str:
    """Return a name for the data of a run, the same for runs of the same data."""
    return json.dumps([app, _of_data(app, sections)], sort_keys=True)


def _of_data(app: str, sections: Mapping[str, Any]) -> dict[str, Any]:
    return {name: sections[name] for name in (app, "data") if name in sections}


def forget_prepared() -> None:
    """Let go of the data that this process holds."""
    _kept.clear()


def _prepared(app: str, data: Mapping[str, Any], own: OwnFunctions, progress: Progress) -> Prepared:
    registry = own.registry(default_registry(), app)
    try:
        with one_thread():
            built = build_app(resolve(app, data, registry), registry)
            return Prepared(app=built, task=built.task(progress))
    except DataError as error:
        raise CannotPrepare(str(error)) from error
