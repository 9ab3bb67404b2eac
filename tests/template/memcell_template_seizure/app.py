"""The application: labels, rules and scores of its own, everything else from `memcell_eeg`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from memcell.applications.app import ModelPredictions
from memcell_eeg.app import EegApp
from memcell_eeg.scores.events import EventRules, count_events
from memcell_eeg.targets.protocols import LabelProtocol, Protocols
from memcell_eeg.task import EegTask
from memcell_template_seizure.configs import SeizureConfig

BACKGROUND, SEIZURE, AFTER = "bckg", "seiz", "post"

PROTOCOLS = Protocols(
    classes=(BACKGROUND, AFTER, SEIZURE),
    graded=frozenset({AFTER}),
    usual="ictal",
    named=(
        LabelProtocol(
            name="ictal",
            positive=frozenset({SEIZURE}),
            negative=frozenset({BACKGROUND}),
            unlabelled=frozenset({AFTER}),
        ),
        LabelProtocol(
            name="ictal_vs_all",
            positive=frozenset({SEIZURE}),
            negative=frozenset({BACKGROUND, AFTER}),
        ),
    ),
)


class Seizures(EegApp):
    """Detects seizures at every second of a recording."""

    detects: ClassVar[EegTask] = EegTask(
        name="seizure",
        event="seizure",
        background="background",
        config=SeizureConfig,
        protocols=PROTOCOLS,
        rhythm=("a spike-wave", 3.0),
    )
    shown_scores: ClassVar[tuple[str, ...]] = (
        "balanced_accuracy",
        "event_sensitivity",
        "false_alarms_per_day",
        "found_within_10_s",
    )

    def pooled(self, predictions: Sequence[ModelPredictions]) -> Mapping[str, float]:
        """Return what `EegApp` gives, false alarms a day, and how many seizures were found in time."""
        scores = dict(super().pooled(predictions))
        rules = EventRules.of(self.config)
        counts = [
            count_events(s, p[:, 1] >= part.decision["threshold"], rules)
            for part in predictions
            for s, p in zip(part.sequences, part.probabilities, strict=True)
        ]
        seizures = sum(c.true for c in counts)
        in_time = sum(delay <= 10 for c in counts for _, delay in c.delays)
        scores["false_alarms_per_day"] = 24 * scores["false_alarms_per_hour"]
        scores["found_within_10_s"] = in_time / seizures if seizures else float("nan")
        return scores
