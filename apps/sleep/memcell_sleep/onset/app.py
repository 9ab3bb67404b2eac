"""The sleep onset application: prepared as wake and sleep, learned and scored as seconds.

An application of its own, and no option of ``sleep``: nothing that follows the preparation is the same. There
is no decision, no event and no threshold; scores, baselines, report, results of a prediction and what a model
knows are others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

from memcell.applications.app import ModelPredictions, Probabilities, Row, Task
from memcell.applications.conditions import Peer
from memcell.applications.datasets import DataSet
from memcell.applications.detecting import DetectorRequest
from memcell.applications.prediction import PredictionRequest, Predictor
from memcell.applications.streaming import StreamRequest
from memcell.errors import DataError, UsageError
from memcell.progress import SILENT, Progress
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.config import EegConfig
from memcell_eeg.detector import EegDetector
from memcell_eeg.preparation.tasks import Tasks
from memcell_eeg.task import EegTask
from memcell_sleep.app import Sleep
from memcell_sleep.onset.config import KNOWS, OnsetConfig
from memcell_sleep.onset.task import MAIN, check_people, leaks, seconds_task
from memcell_sleep.protocols import PROTOCOLS

TASK = EegTask(
    name="sleep_onset",
    event="sleep onset",
    background="wake",
    config=OnsetConfig,
    protocols=PROTOCOLS,
    knows=KNOWS,
)


class SleepOnset(Sleep):
    """Predicts the seconds to the next sleep onset at every step of a recording."""

    detects: ClassVar[EegTask] = TASK
    main_score: ClassVar[str] = MAIN
    config: OnsetConfig

    def __init__(self, config: EegConfig, dataset: DataSet | None = None) -> None:
        super().__init__(config, dataset)
        from memcell_sleep.onset.scores import group_names

        self.screen_scores = (MAIN, *group_names(self.config), "rank_correlation")

    def _tasks(self, progress: Progress) -> Tasks:
        """Return what makes tasks of wake and sleep, turned into seconds.

        Raises:
            DataError: There are too few people for the split, or the clock tells the onset.
        """
        made = super()._tasks(progress)
        check_people(made.data.sequences, self.config)
        refused, lines = leaks(made.data.sequences, self.config.rules)
        if refused and self.config.leaks == "refuse":
            raise DataError(refused)
        leak_notes = tuple(f"LEAK: {line}" for line in ([refused] if refused else []) + lines)

        def task(config: EegConfig) -> Task:
            found = seconds_task(made.task(config), cast(OnsetConfig, config))
            return replace(
                found,
                shown_scores=self.screen_scores,
                notes=(*leak_notes, *found.notes),
                preview=(*found.preview, *leak_notes),
            )

        return replace(made, task=task)

    def unseen(self, facts: Mapping[str, Any], progress: Progress = SILENT) -> Task:
        """Return all labelled recordings as a test split."""
        found = super().unseen(facts, progress)
        return replace(seconds_task(found, self.config), shown_scores=self.screen_scores)

    def measures(
        self, sequences: Sequence[TimeSeries], probabilities: Sequence[Probabilities]
    ) -> Mapping[str, float]:
        """Return the scores of pooled out-of-fold predictions that the table of a choice shows."""
        found = self.scores(sequences, probabilities, {})
        return {name: found[name] for name in (MAIN, "mean_error", "rank_correlation")}

    def fit_decision(self, task: Task, valid: Sequence[Probabilities]) -> Mapping[str, float]:
        """Return nothing: nothing is decided."""
        return {}

    def decided(self, decision: Mapping[str, float]) -> str:
        """Return nothing: nothing is decided."""
        return ""

    def inspected(self, task: Task) -> tuple[Mapping[str, str], list[str]]:
        """Return nothing: features are not tested between classes."""
        return {}, []

    def pooled(self, predictions: Sequence[ModelPredictions]) -> Mapping[str, float]:
        """Return the scores of `memcell_sleep.onset.scores`."""
        from memcell_sleep.onset.scores import scores

        return scores(predictions, self.config)

    def intervals(
        self, predictions: Sequence[ModelPredictions]
    ) -> Mapping[str, tuple[float, float]]:
        """Return intervals of the pooled scores over people."""
        from memcell_sleep.onset.scores import intervals

        return intervals(predictions, self.config)

    def details(self, rows: Sequence[Row]) -> Mapping[str, str]:
        """Return the errors by true time."""
        from memcell_sleep.onset.scores import tables

        return tables(rows, self.config)

    def baselines(self, task: Task, every: bool = False) -> list[Row]:
        """Score on the test split what needs no network; see `memcell_sleep.onset.baselines`."""
        from memcell_sleep.onset.baselines import baselines

        which = "all" if every else self.config.baselines
        return baselines(task, lambda parts: dict(self.pooled(parts)), which)

    @property
    def compared(self) -> Sequence[str]:
        """The scores that are told under other conditions."""
        return (MAIN, "mean_error", "rank_correlation")

    def peer(self, task: Task, rows: Sequence[Row]) -> Peer | None:
        """Return the regression on past means, as a run's table has it."""
        from memcell_sleep.onset.baselines import peer

        return peer(task, rows)

    def detector(self, request: DetectorRequest) -> EegDetector:
        """Refuse: a detector has probabilities and events.

        Raises:
            UsageError: Always; says what to write instead.
        """
        raise UsageError(
            "sleep_onset predicts seconds, no probability of an event: memcell_sleep.OnsetPredictor(run) "
            "takes blocks of signal, 'memcell stream sleep_onset' a live signal, and 'memcell predict "
            "sleep_onset' recordings"
        )

    def stream(self, request: StreamRequest) -> int:
        """Predict live: a line a step, and no alarms."""
        from memcell_eeg.live.run import stream
        from memcell_sleep.onset.live import SECONDS

        return stream(request, self.detects, SECONDS)

    def picture(
        self,
        task: Task,
        probabilities: Mapping[str, Sequence[Probabilities]],
        decision: Mapping[str, float],
        path: Path,
    ) -> None:
        """Draw predicted against true seconds."""
        from memcell_sleep.onset.picture import draw

        draw(task, probabilities, path)

    def report(self, folder: Path) -> Path:
        """Write ``report.html`` of a run or a prediction."""
        from memcell_sleep.onset.report import build

        return build(folder)

    def predictor(self, request: PredictionRequest) -> Predictor:
        """Return what writes the seconds of recordings."""
        from memcell_sleep.onset.prediction import SecondsPredictor

        return SecondsPredictor(request, self.detects)

    def exported(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what an exported file says of its inputs and outputs."""
        return {**super().exported(facts), "classes": ["seconds"]}
