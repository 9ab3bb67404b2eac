"""Python functions that a run was given: its loss, and scores beside those that have a name.

They go to worker processes with the tasks. A run folder keeps their names, and their source for a reader
(`FILE`), and not the functions: who goes on with it gives them again, so that a folder never runs code.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memcell.applications.arrays import TakingFunctions
from memcell.errors import UsageError
from memcell.files.atomic import make_folder, write_atomic
from memcell.plugins import Registry
from memcell.plugins.registry import Entry
from memcell.sequences.own_loss import named

#: What the functions of a run were, for a reader: ``{"loss:focal": {"defined_in", "source"}}``.
FILE = "functions.json"


@dataclass(frozen=True, kw_only=True)
class OwnFunctions:
    """The functions of a call.

    Args:
        loss: Of each step (`memcell.sequences.own_loss`); None for one that has a name.
        metrics: Scores by name: ``(targets, predictions) -> float`` of all steps with a target.
        shown: Names of the scores to show, functions among them, the one that counts most first.
    """

    loss: Callable[..., Any] | None = None
    metrics: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    shown: tuple[str, ...] = ()

    @classmethod
    def of(cls, loss: Any, metrics: Any) -> OwnFunctions:
        """Return the functions among what a call was given.

        Args:
            loss: A function; anything else is an option.
            metrics: A name, a function, a list of these, or a dict of functions by name.

        Raises:
            UsageError: One is neither, or has no name.
        """
        found: dict[str, Callable[..., Any]] = {}
        shown: list[str] = []
        for name, one in _pairs(metrics):
            if isinstance(one, str):
                shown.append(one)
            elif not callable(one):
                raise UsageError(
                    f"metrics got {one!r}; expected names of scores, or functions (targets, predictions)"
                )
            elif not name.isidentifier():
                raise UsageError(
                    f"metrics got the function {name}, which has no name: metrics={{'my_score': function}}"
                )
            else:
                found[name] = one
                shown.append(name)
        return cls(loss=loss if callable(loss) else None, metrics=found, shown=tuple(shown))

    @property
    def names(self) -> tuple[str, ...]:
        """The functions as a run folder names them: ``loss:focal``, ``metric:mape``."""
        own = () if self.loss is None else (f"loss:{named(self.loss)}",)
        return (*own, *(f"metric:{name}" for name in self.metrics))

    def check_same(self, stored: Sequence[str], run: object) -> None:
        """Refuse to go on with a run that was given others.

        Raises:
            UsageError: Says which, and what to type.
        """
        if tuple(stored) == self.names:
            return
        given = ", ".join(self.names) or "none"
        words = again(stored)
        raise UsageError(
            f"run '{run}' was begun with the Python functions {', '.join(stored) or 'none'}, and got "
            f"{given}: go on with memcell.fit(resume={str(run)!r}{words})"
        )

    def write(self, folder: Path) -> None:
        """Write down what they are, where there are any."""
        if self.names:
            make_folder(folder)
            facts = dict(zip(self.names, map(_described, self._each), strict=True))
            write_atomic(folder / FILE, json.dumps(facts, indent=2) + "\n")

    def check_travel(self, jobs: int) -> None:
        """Refuse functions that cannot go to other processes, where there are such.

        Raises:
            UsageError: Says which, why, and what to do.
        """
        if not jobs or not self.names:
            return
        try:
            import cloudpickle  # comes with Dask, without which there are no such processes
        except ImportError:
            return
        for name, function in zip(self.names, self._each, strict=True):
            try:
                cloudpickle.dumps(function)
            except Exception as error:  # what a function holds may raise anything
                reason = " ".join(str(error).split())
                raise UsageError(
                    f"jobs={jobs}: the function {name.partition(':')[2]} cannot go to other processes "
                    f"({reason}): define it without what it holds on to, or leave out jobs="
                ) from None

    @property
    def _each(self) -> list[Callable[..., Any]]:
        """The functions, in the order of `names`."""
        return [*([] if self.loss is None else [self.loss]), *self.metrics.values()]

    @classmethod
    def in_registry(cls, registry: Registry, app: str) -> OwnFunctions:
        """Return the functions that an app of a registry is built with; they can go to another process."""
        entry = registry.get("app", app)
        return entry.own if isinstance(entry, EntryWithFunctions) else cls()

    def registry(self, registry: Registry, app: str) -> Registry:
        """Return a registry whose app has these functions; the same where there are none.

        Raises:
            UsageError: The app takes none.
        """
        if not self.names:
            return registry
        entry = registry.get("app", app)
        return registry.with_entry(
            EntryWithFunctions(
                **{n: getattr(entry, n) for n in Entry.__dataclass_fields__}, own=self
            )
        )


@dataclass(frozen=True, kw_only=True)
class EntryWithFunctions(Entry):
    """An app that is built with functions.

    Args:
        own: Those.
    """

    own: OwnFunctions

    def build(self, *args: Any) -> Any:
        """Build the app, and hand it the functions."""
        app = super().build(*args)
        if not isinstance(app, TakingFunctions):
            raise UsageError(f"{self.origin} takes no functions")
        return app.using(self.own.loss, self.own.metrics)


def again(stored: Sequence[str]) -> str:
    """Return the arguments that give a run its functions again: ``, loss=focal, metrics=[mape]``."""
    loss = [name.partition(":")[2] for name in stored if name.startswith("loss:")]
    metrics = [name.partition(":")[2] for name in stored if name.startswith("metric:")]
    words = f", loss={loss[0]}" if loss else ""
    return words + (f", metrics=[{', '.join(metrics)}]" if metrics else "")


def _described(function: Callable[..., Any]) -> dict[str, str | None]:
    """Return where a function is defined, and its source where Python knows it."""
    made = function if hasattr(function, "__qualname__") else type(function)
    try:
        source = inspect.getsource(made)
    except (OSError, TypeError):  # typed at a prompt, or compiled
        source = None
    return {"defined_in": f"{made.__module__}:{made.__qualname__}", "source": source}


def _pairs(metrics: Any) -> list[tuple[str, Any]]:
    if metrics is None:
        return []
    if isinstance(metrics, Mapping):
        return [(str(name), one) for name, one in metrics.items()]
    alone = isinstance(metrics, str) or callable(metrics) or not hasattr(metrics, "__iter__")
    return [(named(one), one) for one in ([metrics] if alone else metrics)]
