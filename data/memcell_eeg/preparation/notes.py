"""What must be said with every output of a task: the data, the split, and every rule that shaped a score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memcell.sequences.time_series import TimeSeries
from memcell_eeg.config import EegConfig
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.precomputed import PrecomputedFeatures, ignored
from memcell_eeg.scores.events import EventRules
from memcell_eeg.signal.channels import ChannelChoice
from memcell_eeg.splits.split import Split
from memcell_eeg.targets.labels import LabelRules

MOST_WARNINGS = 5


def notes(
    config: EegConfig,
    choice: ChannelChoice,
    pipeline: Pipeline,
    parts: Split,
    native: float,
    rhythm: tuple[str, float],
    why: str = "",
) -> list[str]:
    """Return the lines, one fact each.

    Args:
        config: The options.
        choice: The channels.
        pipeline: From signal to features.
        parts: Who is in which split.
        native: The lowest rate among the recordings, Hz.
        rhythm: What delays are given for, as in `memcell_eeg.task.EegTask`.
        why: The steps and windows are as long as they are, where that was not typed.
    """
    wave, hertz = rhythm
    means = _means(pipeline.context)
    lines = [
        *parts.notes,
        str(choice),
        f"steps of {pipeline.step:g} s{f' ({why})' if why else ''} at {pipeline.rate:g} Hz, "
        f"{' and '.join(pipeline.features)} over the past {pipeline.window:g} s{means}, normalization: "
        f"{pipeline.normalization}; half the power of {wave} "
        f"is in the features {pipeline.onset_delay(native, hertz):.2f} s after it begins (filters "
        f"{pipeline.delay(native, hertz):.2f} s, window {pipeline.extraction_delay:g} s); the first "
        f"{pipeline.blind(native):.2g} s after a start or a gap have no features",
    ]
    if config.phase == "zero":
        lines.append("zero-phase filtering looks into the future: not for alarms")
    return lines + _shared(config, pipeline.normalization, parts)


def precomputed_notes(config: EegConfig, features: PrecomputedFeatures, parts: Split) -> list[str]:
    """Return the lines of a task whose features are precomputed.

    Args:
        config: The options.
        features: What is done with the features.
        parts: Who is in which split.
    """
    lines = [
        *parts.notes,
        f"{len(features.feature_names)} precomputed features ({', '.join(features.feature_names[:3])}, …) in "
        f"steps of {features.step:g} s{_means(features.context)}, normalization: {features.normalization}",
    ]
    if vain := ignored(config):
        lines.append(f"there is no signal, so these options do nothing: {', '.join(vain)}")
    if 0 < config.max_duration <= features.step:
        lines.append(
            f"a step is as long as --max-duration ({config.max_duration:g} s) or longer, so every "
            "positive step counts as an event of its own"
        )
    return lines + _shared(config, features.normalization, parts)


def _means(seconds: Sequence[float]) -> str:
    return f" and means of {' and '.join(f'{tau:g}' for tau in seconds)} s" if seconds else ""


def _shared(config: EegConfig, normalization: str, parts: Split) -> list[str]:
    lines = []
    if normalization == "recording":
        lines.append("normalization by recording looks into the future: not for alarms")
        if parts.kind == "time":
            lines.append("each recording is scaled by values that include its test part")
    lines.append(f"labels: {LabelRules.of(config)}")
    if not config.decides:
        return lines
    lines.append(str(EventRules.of(config)))
    inside = config.tune != "none" and parts.kind != "time"
    known = {int(y) for s in parts.valid for y in np.unique(s.targets[s.labelled])}
    lines.append(_decision(config, inside or len(known) > 1, inside))
    lines += counts(parts.train, parts.test)
    own_scale = normalization in ("causal", "recording")
    if own_scale and all(_classes(s) < 2 for s in (*parts.train, *parts.test)):
        lines.append(
            "every recording has one class only, and normalization takes away what is constant in a "
            "recording: type --normalization none"
        )
    return lines


def _decision(config: EegConfig, validated: bool, inside: bool) -> str:
    """Return how decisions are made.

    Args:
        config: The options.
        validated: There are steps of both classes to choose on.
        inside: They are those of people left out in cross-validation, not of a validation split.
    """
    ratio = f"for a cost ratio of {config.cost_ratio:g}"
    way = config.decision_method(inside)
    where = "people left out in cross-validation" if inside else "validation"
    if way == "cost":
        return f"loss weighted by the costs {ratio}, threshold .5; baselines: threshold chosen on {where}"
    if way == "likelier" or (way == "kappa" and not validated):
        return "each step gets the likelier class, corrected for the class weights of training"
    if way == "kappa":
        return f"threshold of the largest kappa on {where}"
    if not validated:
        return f"theoretical threshold (Elkan 2001) {ratio}, as validation has no steps of both classes"
    if way == "intercept":
        return f"intercept fitted on {where} {ratio}; baselines: threshold chosen on {where}"
    return f"threshold chosen on {where} {ratio}"


def counts(train: Sequence[TimeSeries], test: Sequence[TimeSeries]) -> list[str]:
    """Return how many steps there are to train on and to test on, and how many are positive."""
    pairs = (("training", train), ("test", test))
    return [f"{name} steps: {_counted(sequences)}" for name, sequences in pairs if sequences]


def few(warnings: Sequence[str]) -> list[str]:
    """Return the first warnings of reading, and how many more there are; alike ones of several files once."""
    alike: dict[str, list[str]] = {}
    for line in warnings:
        alike.setdefault(line.partition(": ")[2] or line, []).append(line)
    lines = [
        f"{same[0]} (and likewise for {len(same) - 1} more)" if len(same) > 1 else same[0]
        for same in alike.values()
    ]
    more = sum(len(same) for same in list(alike.values())[MOST_WARNINGS:])
    return [*lines[:MOST_WARNINGS], *([f"and {more} more warnings"] if more > 0 else [])]


def _counted(sequences: Sequence[TimeSeries]) -> str:
    y = np.concatenate([s.targets for s in sequences])
    known = int(np.sum(y != -1))
    share = f"{100 * float(np.sum(y == 1)) / known:.1f} % of them positive" if known else "none"
    return f"{known} labelled, {share}; {len(y) - known} unlabelled"


def _classes(sequence: TimeSeries) -> int:
    return len(np.unique(sequence.targets[sequence.labelled]))
