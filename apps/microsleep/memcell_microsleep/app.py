"""The microsleep application behind the engine's contract (`memcell.app.App`)."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as ListOf
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memcell.app import Infer, Probabilities, Row, Task
from memcell.config import to_mapping
from memcell.datasets import DataSet
from memcell.errors import DataError
from memcell.progress import SILENT, Progress
from memcell.sequences.sequence import Sequence
from memcell_data.recording import Recording
from memcell_microsleep.channels import choose, locate, native_rate
from memcell_microsleep.config import MicrosleepConfig
from memcell_microsleep.decision import choose_threshold, labelled
from memcell_microsleep.events import EventRules
from memcell_microsleep.labels import LabelRules
from memcell_microsleep.notes import few, notes, ready_notes
from memcell_microsleep.pipeline import Pipeline
from memcell_microsleep.ready import ReadyFeatures
from memcell_microsleep.scores import MAIN, SHOWN, scores
from memcell_microsleep.split import PARTS, Split, split
from memcell_microsleep.transitions import transition_weights

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class _Made:
    """Sequences before they are split, and what must be said of how they were read."""

    sequences: list[Sequence]
    simulated: bool
    notes: list[str]


class Microsleep:
    """Detects microsleeps at every step of a recording.

    Args:
        config: The options.
        dataset: What ``config.data`` stands for, built; None where only `predict` is wanted.
    """

    def __init__(self, config: MicrosleepConfig, dataset: DataSet | None = None) -> None:
        config.validate()
        self.config = config
        self.dataset = dataset

    def task(self, progress: Progress = SILENT) -> Task:
        """Read the recordings and prepare the sequences.

        Args:
            progress: Told how many recordings there are, and of each that is done.

        Raises:
            DataError: There is no data set or no labelled recording, or a recording, a channel or
                the split cannot be used as asked.
        """
        if self.dataset is None:
            raise DataError("no data set was given; type --data NAME or --data PATH.")
        config, card = self.config, self.dataset.card
        recordings = list(self.dataset.recordings())
        if not recordings:
            raise DataError(f"data set '{card.name}' has no recording.")
        if any(r.features is not None for r in recordings):
            return self._ready_task(self.dataset, recordings, progress)
        choice = choose(config.channels, recordings)
        native = min(native_rate(locate(choice.names, r), r) for r in recordings)
        pipeline = Pipeline.of(config, choice, native)
        made = self._sequences(pipeline, recordings, progress)
        parts = split(made.sequences, config)
        return self._task(
            self.dataset,
            made,
            parts,
            notes(config, choice, pipeline, parts, native),
            {
                "pipeline": pipeline.facts(),
                "feature_names": list(pipeline.feature_names),
                "channels": list(pipeline.channels),
                "rate": pipeline.rate,
                "delay_seconds": pipeline.delay(native),
            },
        )

    def _ready_task(
        self, dataset: DataSet, recordings: ListOf[Recording], progress: Progress
    ) -> Task:
        """Prepare recordings whose features come ready-made."""
        config = self.config
        ready = ReadyFeatures.of(config, recordings)
        made = self._sequences(ready, recordings, progress)
        parts = split(made.sequences, config)
        ready = ready.fitted(parts.train)
        parts = ready.scale(parts)
        facts = {
            "pipeline": {"ready": True, **ready.facts()},
            "feature_names": list(ready.feature_names),
            "channels": [],
            "delay_seconds": 0.0,
        }
        return self._task(dataset, made, parts, ready_notes(config, ready, parts), facts)

    def _sequences(
        self,
        pipeline: Pipeline | ReadyFeatures,
        recordings: ListOf[Recording],
        progress: Progress,
    ) -> _Made:
        rules = LabelRules.of(self.config)
        warnings: list[str] = []
        progress.expect(len(recordings))
        made = []
        for recording in recordings:
            made.append(pipeline.sequence(recording, rules, warnings.append))
            progress.advance(1, recording.name)
        sequences = [s for s in made if s.labelled.any()]
        if not sequences:
            raise DataError(
                f"none of the {len(recordings)} recordings of '{recordings[0].dataset}' has a labelled "
                "step; check the names of the labels."
            )
        lines = few(warnings)
        if len(sequences) < len(made):
            lines.append(
                f"{len(made) - len(sequences)} recordings without a labelled step left out"
            )
        simulated = any(r.simulated for r in recordings)
        return _Made(sequences=sequences, simulated=simulated, notes=lines)

    def _task(
        self,
        dataset: DataSet,
        made: _Made,
        parts: Split,
        lines: ListOf[str],
        facts: Mapping[str, Any],
    ) -> Task:
        config, card = self.config, dataset.card
        weights = None
        if config.around_transitions:
            weights = tuple(transition_weights(s, config.margin) for s in parts.train)
            if not any(w.any() for w in weights):
                raise DataError(
                    "no training sequence has a change of label to train around; leave out "
                    "--around-transitions."
                )
        simulated = card.simulated or made.simulated
        said = [f"simulated data ('{card.name}'): no result about people"] if simulated else []
        balanced = config.class_weights == "balanced"
        return Task(
            train=parts.train,
            valid=parts.valid,
            test=parts.test,
            n_classes=2,
            main_score=MAIN,
            shown_scores=SHOWN,
            class_weights=_class_weights(parts.train, weights) if balanced else None,
            train_weights=weights,
            drop_unweighted=config.around_transitions,
            notes=(*said, *lines, *made.notes),
            facts={
                "app": "microsleep",
                "dataset": card.name,
                "simulated": simulated,
                **facts,
                "split": parts.kind,
                "subjects": {p: sorted({s.subject for s in parts.part(p)}) for p in PARTS},
                "config": to_mapping(config),
            },
        )

    def encoder(self, n_features: int) -> nn.Module:
        """Return the module from a step's ``n_features`` to the cell's input."""
        from memcell_microsleep.encoder import LinearEncoder, NoEncoder

        if self.config.encoder == "linear":
            return LinearEncoder(n_features, self.config.encoder_size)
        return NoEncoder(n_features)

    def fit_decision(self, task: Task, valid: ListOf[Probabilities]) -> Mapping[str, float]:
        """Choose the threshold on the validation split for the cost ratio.

        Returns:
            ``threshold``; ``threshold_chosen``, 0 where it is .5 for want of both classes; and
            ``weight_odds``, what the class weights multiplied the odds by.
        """
        y, p = labelled(task.valid, valid)
        threshold = choose_threshold(y, p, self.config.cost_ratio)
        weights = task.class_weights
        return {
            "threshold": threshold.value,
            "threshold_chosen": float(not threshold.note),
            "weight_odds": 1.0 if weights is None else weights[1] / weights[0],
        }

    def scores(
        self,
        sequences: ListOf[Sequence],
        probabilities: ListOf[Probabilities],
        decision: Mapping[str, float],
    ) -> Mapping[str, float]:
        """Return the scores of `memcell_microsleep.scores.MEANING`."""
        return scores(
            sequences,
            probabilities,
            decision["threshold"],
            EventRules.of(self.config),
            decision.get("weight_odds", 1.0),
        )

    def baselines(self, task: Task, every: bool = False) -> list[Row]:
        """Score on the test split what needs no network; see `memcell_microsleep.baselines`.

        Args:
            task: What `task` gave.
            every: The slower ones too, as with ``--baselines all``.
        """
        from memcell_microsleep.baselines import baselines

        config = self.config
        every = every or config.baselines == "all"
        return baselines(task, config.cost_ratio, EventRules.of(config), config.split_seed, every)

    def picture(
        self,
        task: Task,
        probabilities: Mapping[str, ListOf[Probabilities]],
        decision: Mapping[str, float],
        path: Path,
    ) -> None:
        """Draw the test recording with the most events: EEG, truth and probabilities over time."""
        from memcell_microsleep.timeline import draw

        recordings = () if self.dataset is None else self.dataset.recordings()
        rules = EventRules.of(self.config)
        draw(task, probabilities, decision["threshold"], rules, recordings, path)

    def predict(
        self,
        paths: ListOf[str],
        facts: Mapping[str, Any],
        decision: Mapping[str, float],
        infer: Infer,
        out: Path,
        progress: Progress = SILENT,
    ) -> list[Mapping[str, Any]]:
        """Write events and probabilities of recordings; see `memcell_microsleep.predict.predict`."""
        from memcell_microsleep.predict import predict

        return predict(paths, facts, decision, infer, out, progress)


def _class_weights(
    train: ListOf[Sequence], weights: ListOf[np.ndarray[Any, Any]] | None
) -> tuple[float, float]:
    """Return weights that let both classes weigh the same, of mean 1 over the training steps."""
    y = np.concatenate([s.targets[s.labelled] for s in train])
    if weights is None:
        w = np.ones(len(y))
    else:
        w = np.concatenate([v[s.labelled] for s, v in zip(train, weights, strict=True)])
    negative, positive = float(w[y == 0].sum()), float(w[y == 1].sum())
    total = negative + positive
    return total / (2 * negative), total / (2 * positive)
