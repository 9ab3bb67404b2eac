"""The sleep application: `memcell_eeg.app.EegApp` with wake and sleep for classes, hypnograms for labels."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any, ClassVar

from memcell.applications.datasets import DataSet
from memcell_eeg.app import EegApp
from memcell_eeg.config import EegConfig
from memcell_eeg.task import EegTask
from memcell_sleep.config import KNOWS, SleepConfig
from memcell_sleep.protocols import PROTOCOLS, SLEEP, WAKE

TASK = EegTask(
    name="sleep",
    event="sleep",
    background="wake",
    config=SleepConfig,
    protocols=PROTOCOLS,
    knows=KNOWS,
)


class Sleep(EegApp):
    """Tells sleep from wake at every step of a recording."""

    detects: ClassVar[EegTask] = TASK
    main_score: ClassVar[str] = "kappa"
    shown_scores: ClassVar[tuple[str, ...]] = ("kappa", "balanced_accuracy", "auc_roc")

    def __init__(self, config: EegConfig, dataset: DataSet | None = None) -> None:
        super().__init__(config, None if dataset is None else with_hypnograms(dataset))


def with_hypnograms(dataset: DataSet) -> DataSet:
    """Return a data set whose labels are sleep stages, where its options do not say what they are.

    Own recordings and BIDS sets ask which label is the one to detect. Here that is every stage of sleep, wake
    is its absence, and time that a hypnogram does not cover has no class.
    """
    options: Any = getattr(dataset, "config", None)
    if getattr(options, "positive", None) != () or options.negative != ():
        return dataset
    background = "" if options.background == WAKE else options.background
    relabelled: Any = copy(dataset)
    relabelled.config = replace(options, positive=SLEEP, negative=(WAKE,), background=background)
    made: DataSet = relabelled
    return made
