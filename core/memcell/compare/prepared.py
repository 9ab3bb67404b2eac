"""The data of a comparison, prepared once a process: every run sees the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from memcell.applications.app import App, Task
from memcell.errors import DataError
from memcell.plugins import default_registry
from memcell.progress import SILENT, Progress
from memcell.runs.run import build_app
from memcell.settings.run_config import RunConfig, resolve
from memcell.threads import one_thread


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An app and its task."""

    app: App
    task: Task


class CannotPrepare(DataError):
    """The data cannot be used as asked: no run of the comparison could be done."""


def prepared(config: RunConfig, progress: Progress = SILENT) -> Prepared:
    """Return app and task of a run; they depend on the sections of app and data set alone.

    Args:
        config: The run's. Its seed has no part in this: splits have a seed of their own.
        progress: Told of each recording, the first time.

    Raises:
        CannotPrepare: The recordings cannot be used as asked.
    """
    sections = config.sections()
    data = {name: sections[name] for name in (config.app, "data") if name in sections}
    return _prepared(config.app, json.dumps(data, sort_keys=True), _Shown(progress))


def forget_prepared() -> None:
    """Let go of the data that this process holds."""
    _prepared.cache_clear()


class _Shown:
    """Progress that is the same argument to the cache, whoever looks on."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shown)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=1)
def _prepared(app: str, data: str, shown: _Shown) -> Prepared:
    registry = default_registry()
    config = resolve(app, json.loads(data), registry)
    try:
        with one_thread():
            built = build_app(config, registry)
            return Prepared(app=built, task=built.task(shown.progress))
    except DataError as error:
        raise CannotPrepare(str(error)) from error
