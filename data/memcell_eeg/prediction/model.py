"""The settings of a trained model that a prediction needs, from the facts of its run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from memcell.applications.prediction import PredictionRequest
from memcell.errors import DataError, UsageError
from memcell.plugins.options import fields_of, from_mapping
from memcell.plugins.options.values import check
from memcell_data.recording import Channel, Recording
from memcell_data.renaming import NOTHING, Renaming
from memcell_eeg.config import EegConfig
from memcell_eeg.features.pipeline import Pipeline, looks_ahead
from memcell_eeg.features.precomputed import (
    PrecomputedFeatures,
    check_features_of_run,
    is_precomputed,
    pipeline_of,
)
from memcell_eeg.prediction.sources import RecordingFile
from memcell_eeg.scores.events import EventRules
from memcell_eeg.signal.channels import locate
from memcell_eeg.signal.reference_words import AS_IS
from memcell_eeg.signal.references import FACT as REFERENCES
from memcell_eeg.signal.references import References, check_references
from memcell_eeg.signal.renaming import renaming_of
from memcell_eeg.signal.unit import Unit
from memcell_eeg.task import EegTask


@dataclass(frozen=True, kw_only=True)
class DetectionModel:
    """Everything that leads from a recording to events: features, threshold and event rules.

    Args:
        model_id: Tells one trained model and inference policy from another.
        task: What it detects.
        pipeline: From a recording to features.
        rules: From decisions to events.
        threshold: From a probability to a decision.
        simulated: It was trained on simulated data.
        knows: What it tells apart, and what it does not know; empty where its names say it.
        unit: Of EDF channels whose own is blank or unknown.
        renaming: Other names for a recording's channels.
        references: What its channels are measured against.
        reference: What was typed as ``--reference``.
        optional: It was trained to do without some of its channels.
        typed: Options that were typed and that results depend on, where they are not the run's own.
    """

    model_id: str
    task: EegTask
    pipeline: Pipeline | PrecomputedFeatures
    rules: EventRules
    threshold: float
    simulated: bool
    knows: str = ""
    unit: Unit = field(default_factory=Unit)
    renaming: Renaming = NOTHING
    references: References = field(default_factory=References)
    reference: str = ""
    optional: bool = False
    typed: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, request: PredictionRequest, task: EegTask) -> DetectionModel:
        """Return the model that the facts describe.

        Raises:
            UsageError: They are not of a run of the application, or lack ``model_id``.
        """
        facts = request.facts
        required = ("model_id", "pipeline", "config")
        missing = [name for name in required if not facts.get(name)]
        if missing:
            raise UsageError(
                f"the run's facts lack {', '.join(missing)}; type the --model of a finished "
                f"'memcell train {task.name}'."
            )
        pipeline = pipeline_of(facts["pipeline"])
        check_features_of_run(pipeline, facts)
        config = from_mapping(task.config, facts["config"], "the run's config")
        options = request.options
        threshold = float(request.decision["threshold"])
        if (other := getattr(options, "threshold", None)) is not None:
            threshold = float(other)
        rules, typed = _rules(EventRules.of(config), getattr(options, "min_duration", None))
        reference = getattr(options, "reference", "")
        if reference:
            typed["reference"] = reference
        return cls(
            model_id=str(facts["model_id"]),
            task=task,
            pipeline=pipeline,
            rules=rules,
            threshold=threshold,
            simulated=bool(facts.get("simulated", False)),
            knows=str(facts.get("knows", "")),
            unit=Unit.of(getattr(options, "unit", ""), facts),
            renaming=renaming_of(getattr(options, "rename", ()), facts),
            references=References.of(
                pipeline.channels, facts, getattr(pipeline, "reference", "none")
            ),
            reference=reference,
            optional=config.channel_dropout > 0,
            typed=typed,
        )

    def opened(self, source: RecordingFile, unit: str | None = None) -> tuple[Recording, list[str]]:
        """Return a recording with the model's names and references, and lines on what was made so.

        Args:
            source: Its file.
            unit: Of its channels, other than what was typed.

        Raises:
            DataError: It is none, or its channels cannot be had as was typed.
        """
        recording = self.renaming.recording(source.open(self.unit.name if unit is None else unit))
        if not self.reference or recording.features is not None:
            return recording, []
        return self.references.fitted(recording, self.reference)

    def origin(self, source: RecordingFile, fingerprint: str) -> dict[str, Any]:
        """Return the origin of results; results of another origin are computed again.

        Args:
            source: The recording's file.
            fingerprint: Of the recording as it is read.
        """
        return {
            "Name": f"memcell {self.task.name}",
            "model_id": self.model_id,
            "threshold": self.threshold,
            "trained_on_simulated_data": self.simulated,
            **({"knows": self.knows} if self.knows else {}),
            "file": str(source.path),
            "fingerprint": fingerprint,
            **self.typed,
        }

    def channels_of(self, recording: Recording) -> Sequence[Channel]:
        """Return the recording's channels that correspond to the model's.

        Raises:
            DataError: It lacks one, or has it with another reference; says what to type.
        """
        if recording.features is not None and isinstance(self.pipeline, Pipeline):
            raise DataError(
                f"recording '{recording.name}' has precomputed features and no signal. The model was "
                f"trained on the channels {', '.join(self.pipeline.channels)}."
            )
        if self.reference == AS_IS:
            return locate(self.pipeline.channels, recording)
        return self.references.check(recording)

    def check_causal(self) -> None:
        """Refuse a run whose features need future samples.

        Raises:
            UsageError: They do; names the options and what to type instead.
        """
        if lookahead := looks_ahead(self.pipeline):
            cause, alternative = lookahead
            raise UsageError(
                f"--causal: the run was made with {cause}, which looks into the future; train one with "
                f"{alternative}, or leave out --causal."
            )


def _rules(rules: EventRules, min_duration: float | None) -> tuple[EventRules, dict[str, Any]]:
    """Return the rules of events with a typed duration, and what is said of it beside results.

    Raises:
        UsageError: It is longer than the longest event.
    """
    if min_duration is None or min_duration == rules.min_duration:
        return rules, {}
    if 0 < rules.max_duration < min_duration:
        raise UsageError(
            f"--min-duration got {min_duration:g} s, and the run cuts events at {rules.max_duration:g} s; "
            f"type {rules.max_duration:g} or less"
        )
    return replace(rules, min_duration=min_duration), {"min_duration": min_duration}


#: Lists of numbers among the settings of a pipeline.
NUMBERS = ("context", "centre", "spread")
#: Names of channels or features that one model has.
_MOST_NAMES = 100_000


def check_facts(facts: Mapping[str, Any], config: type[EegConfig]) -> None:
    """Refuse facts whose types no run writes; missing ones are reported elsewhere.

    Args:
        facts: Of a stored model.
        config: The options of its application.

    Raises:
        ConfigError: An option is of another type, or out of bounds.
        ValueError: So is something else.
    """
    if "config" in facts:
        from_mapping(config, _object(facts, "config"), "the run's config")
    for name in ("feature_names", "channels"):
        if name in facts:
            _names(facts, name)
    if REFERENCES in facts:
        check_references(facts[REFERENCES])
    for name in ("unit", "app", "knows"):
        if not isinstance(facts.get(name) or "", str):
            raise ValueError(f"{name} is no text")
    if "pipeline" not in facts:
        return
    pipeline = _object(facts, "pipeline")
    known = {f.name: f for f in fields_of(config)}
    for setting in fields(Pipeline):
        if setting.name not in pipeline or is_precomputed(pipeline):
            continue
        if setting.name in ("channels", "eeg", "features"):
            _names(pipeline, setting.name)
        elif setting.name in NUMBERS:
            _numbers(pipeline, setting.name)
        elif setting.name == "rate":
            _number(pipeline, "rate", 1.0, 100_000.0)
        elif setting.name in ("step", "window"):
            _number(pipeline, setting.name, 0.05, 60.0)
        else:
            check(known[setting.name], pipeline[setting.name], "the run's pipeline")
    if is_precomputed(pipeline):
        _names(pipeline, "feature_names")
        _number(pipeline, "step", 1e-3, 1e6)
        for name in NUMBERS:
            _numbers(pipeline, name)


def _object(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of[name]
    if not isinstance(found, Mapping):
        raise ValueError(f"{name} is no object")
    return found


def _names(of: Mapping[str, Any], name: str) -> None:
    found = of[name]
    if not isinstance(found, list | tuple) or len(found) > _MOST_NAMES:
        raise ValueError(f"{name} is no list of names")
    if not all(isinstance(each, str) for each in found):
        raise ValueError(f"{name} holds what is no name")


def _numbers(of: Mapping[str, Any], name: str) -> None:
    found = of.get(name, ())
    if not isinstance(found, list | tuple) or len(found) > _MOST_NAMES:
        raise ValueError(f"{name} is no list of numbers")
    if not all(type(v) in (int, float) and math.isfinite(v) for v in found):
        raise ValueError(f"{name} holds what is no number")
    if name != "centre" and any(v <= 0 for v in found):
        raise ValueError(f"{name} holds what is not above 0")


def _number(of: Mapping[str, Any], name: str, low: float, high: float) -> None:
    found = of[name]
    if type(found) not in (int, float) or not low <= found <= high:
        raise ValueError(f"{name} is {str(found)[:40]}")
