"""What an app gives for a choice of settings by cross-validation inside the training people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from memcell.applications.app import Probabilities, Task
from memcell.sequences.time_series import TimeSeries

#: However short an epoch, a candidate is looked at up to so many updates where its config has them.
FEWEST_UPDATES = 256


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Settings of a run that may be chosen.

    Args:
        name: What tables and folders call it.
        options: Section to option to value, as in ``config.toml``. Every option that any candidate changes is
            named in each of them, so that a candidate means the same whatever the config says.
        most_epochs: Passes over the training windows after which it is looked at no more, though not before
            `FEWEST_UPDATES`; 0 for as many as the config has.
        of_features: It is tried on other features too, where an app has such (`FeatureSearching`).
    """

    name: str
    options: Mapping[str, Mapping[str, Any]]
    most_epochs: int = 0
    of_features: bool = False


@runtime_checkable
class CrossValidating(Protocol):
    """An app that divides its training people into folds (`memcell.applications.app.Task.inner`).

    Its config has an option ``tune``, whose word ``"none"`` asks for no such folds.
    """

    def candidates(self, task: Task) -> Sequence[Candidate]:
        """Return the settings to choose from, the simplest first, as if nothing was typed.

        Args:
            task: Its training sequences may say what is worth trying.
        """

    def measures(
        self, sequences: Sequence[TimeSeries], probabilities: Sequence[Probabilities]
    ) -> Mapping[str, float]:
        """Return what the table of a choice shows beside the loss, of pooled out-of-fold predictions.

        They are shown and decide nothing.
        """


@runtime_checkable
class FeatureSearching(Protocol):
    """A cross-validating app that can describe the steps of its recordings in more ways than one."""

    def feature_sets(self, task: Task) -> Sequence[Candidate]:
        """Return the ways to choose from as options of the app, the usual one first; empty for no choice.

        A regression compares them, and networks are trained on the best few. They change neither steps nor
        labels, nor who is in which fold.

        Args:
            task: Under the options that were typed.
        """
