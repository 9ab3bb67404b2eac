"""The recordings of folds, prepared once a process: every fold is made of the same sequences."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from memcell.applications.app import Fold, Folding
from memcell.plugins import Registry
from memcell.progress import SILENT, Progress
from memcell.runs.setup import build_app
from memcell.runs.source import gone_on
from memcell.settings.run_config import RunConfig
from memcell.threads import one_thread


@dataclass(frozen=True, kw_only=True)
class PreparedFolds:
    """An app with its folds.

    Args:
        app: Under the options that ask for folds.
        folds: In order.
    """

    app: Folding
    folds: tuple[Fold, ...]


_kept: dict[str, PreparedFolds] = {}


def prepared_folds(
    config: RunConfig, registry: Registry, progress: Progress = SILENT
) -> PreparedFolds:
    """Return the folds of a run; they depend on the sections of app and data set alone.

    Args:
        config: Asks for folds.
        registry: What is installed; the app may be built with functions of a program's own.
        progress: Told of each recording, the first time.

    Raises:
        DataError: The recordings cannot be used as asked.
    """
    sections = config.sections()
    names = (config.app, "data", "init")
    data = {name: sections[name] for name in names if name in sections}
    key = json.dumps([config.app, data], sort_keys=True)
    if key not in _kept:
        forget_folds()
        app = build_app(config, registry)
        assert isinstance(app, Folding)
        with one_thread():
            folds = tuple(_gone_on(fold, config) for fold in app.folds(progress))
            _kept[key] = PreparedFolds(app=app, folds=folds)
    return _kept[key]


def _gone_on(fold: Fold, config: RunConfig) -> Fold:
    """Return a fold whose task knows the model that training goes on from."""
    make = fold.task
    return dataclasses.replace(fold, task=lambda: gone_on(make(), config))


def forget_folds() -> None:
    """Let go of the recordings that this process holds."""
    _kept.clear()
