"""The memory tasks behind the engine's contract (`memcell.applications.app.App`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from memcell.applications.app import Probabilities, Row, Task
from memcell.applications.datasets import DataSet
from memcell.applications.prediction import PredictionRequest, Predictor
from memcell.errors import UsageError
from memcell.plugins.options import to_mapping
from memcell.progress import SILENT, Progress
from memcell.sequences.time_series import TimeSeries
from memcell.settings.options import TrainingConfig
from memcell_memory_tasks.config import MemoryConfig
from memcell_memory_tasks.problem import MemoryProblem
from memcell_memory_tasks.scores import MAIN, scores

if TYPE_CHECKING:
    from torch import nn


class MemoryTasks:
    """Small tasks that need memory.

    Args:
        config: The options.
        dataset: None; the tasks make or read their own data.
    """

    def __init__(self, config: MemoryConfig, dataset: DataSet | None = None) -> None:
        config.validate()
        self.config = config
        self._made: MemoryProblem | None = None

    @property
    def problem(self) -> MemoryProblem:
        """The chosen task, made once.

        Raises:
            DataError: Images are asked for that cannot be read.
        """
        if self._made is None:
            module = import_module(f"memcell_memory_tasks.{self.config.task}")
            self._made = module.make(self.config)
        return self._made

    def task(self, progress: Progress = SILENT) -> Task:
        """Make the sequences.

        Raises:
            DataError: Images are asked for that cannot be read.
        """
        made = self.problem
        total = len(made.train) + len(made.valid) + len(made.test)
        progress.expect(total)
        progress.advance(total, self.config.task)
        first = ("simulated: made by a program, no data of the world",) if made.simulated else ()
        return Task(
            train=made.train,
            valid=made.valid,
            test=made.test,
            n_classes=made.n_classes,
            main_score=MAIN,
            notes=(*first, *made.notes),
            facts={
                "app": "memory",
                "task": self.config.task,
                "simulated": made.simulated,
                **made.facts,
                "config": to_mapping(self.config),
            },
        )

    def encoder(self, n_features: int) -> nn.Module:
        """Return the module that passes a step's features on."""
        from torch import nn

        same = nn.Identity()
        # a module's attribute is a tensor or a module to the type checker; the contract asks for an int
        same.output_size = n_features  # type: ignore[assignment]
        return same

    def fit_decision(self, task: Task, valid: Sequence[Probabilities]) -> Mapping[str, float]:
        """Return nothing: the answer is the most probable class."""
        return {}

    def scores(
        self,
        sequences: Sequence[TimeSeries],
        probabilities: Sequence[Probabilities],
        decision: Mapping[str, float],
    ) -> Mapping[str, float]:
        """Return the scores of `memcell_memory_tasks.scores.scores`."""
        return scores(self.problem, sequences, probabilities)

    def baselines(self, task: Task, every: bool = False) -> list[Row]:
        """Score what needs no memory on the test split; all of it is quick, so ``every`` adds nothing."""
        from memcell_memory_tasks.baselines import baselines

        window = self.config.window or TrainingConfig().time_steps
        return baselines(self.problem, task, window)

    def picture(
        self,
        task: Task,
        probabilities: Mapping[str, Sequence[Probabilities]],
        decision: Mapping[str, float],
        path: Path,
    ) -> None:
        """Draw the first test steps: features, and the probability of each right answer."""
        from memcell_memory_tasks.picture import draw

        draw(task.test, probabilities, "; ".join(task.notes[:2]), path)

    def predictor(self, request: PredictionRequest) -> Predictor:
        """Refuse: there are no recordings of a memory task.

        Raises:
            UsageError: Always; says what to type instead.
        """
        raise UsageError(
            "app 'memory' has no recordings to predict; score a run on its test split with "
            "'memcell evaluate memory RUN'."
        )
