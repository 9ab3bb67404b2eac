"""What a trained model needs of a recording, in lines: channels, unit, rate, length, whether live works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memcell.plugins.options import from_mapping
from memcell_data.channels import alternatives
from memcell_eeg.features.extractors import extractors
from memcell_eeg.features.pipeline import Pipeline, looks_ahead
from memcell_eeg.features.precomputed import pipeline_of
from memcell_eeg.scores.events import EventRules
from memcell_eeg.signal.references import References, any_known
from memcell_eeg.task import EegTask


def needs(facts: Mapping[str, Any], task: EegTask) -> list[tuple[str, str]]:
    """Return headings and texts.

    Args:
        facts: Of the model.
        task: What it detects.

    Raises:
        DataError: They are of another version.
    """
    pipeline = pipeline_of(facts["pipeline"])
    config = from_mapping(task.config, facts["config"], "the run's config")
    if not isinstance(pipeline, Pipeline):
        return [
            (
                "channels",
                f"none: {len(pipeline.feature_names)} precomputed features of each step of "
                f"{pipeline.step:g} s ({', '.join(pipeline.feature_names[:6])}, ...)",
            ),
            ("live", "no: a stream is a signal"),
        ]
    optional = (
        f"; up to half of them may be lacking, as in training (--channel-dropout {config.channel_dropout:g})"
        if config.channel_dropout
        else ""
    )
    found = [("channels", _channels(pipeline, facts) + optional)]
    if config.rename:
        rules = ",".join(config.rename)
        found.append(("renamed", f"by its own rules, where no --rename is typed: {rules}"))
    unit = str(facts.get("unit", ""))
    own = f"; without one {unit}, as it was trained with" if unit else "; else type --unit"
    found += [
        ("unit", f"a voltage, uV, mV, V or nV, that the file states{own}"),
        ("rate", _rate(pipeline)),
        ("length", _length(pipeline)),
        ("step", _step(pipeline)),
        ("live", _live(pipeline)),
    ]
    if config.decides:
        rule = EventRules.of(config)
        change = "--threshold and --min-duration change that"
        least = f"{rule.min_duration:g} s and longer" if rule.min_duration else "of any length"
        found.append(("events", f"{least}; {change}"))
    return found


def _channels(pipeline: Pipeline, facts: Mapping[str, Any]) -> str:
    references = References.of(pipeline.channels, facts, pipeline.reference)
    named = ", ".join(
        f"{' or '.join(w for w in alternatives(c) if '*' not in w)} ({references.words(c)})"
        for c in pipeline.channels
    )
    if any_known(pipeline.channels, facts) or any("*" in c for c in pipeline.channels):
        return named
    return f"{named}. Trained before references were kept: these are by the names of its channels alone"


def _rate(pipeline: Pipeline) -> str:
    lowest = max(getattr(e, "slowest", pipeline.rate) for e in extractors(pipeline))
    if lowest < pipeline.rate:
        return f"{lowest:.3g} Hz and more; works at {pipeline.rate:g} Hz, or the recording's own if lower"
    return f"{pipeline.rate:g} Hz and more"


def _length(pipeline: Pipeline) -> str:
    least, blind = max(pipeline.window, pipeline.step), pipeline.blind(pipeline.rate)
    return f"{least:g} s at least; the first {blind:.2g} s, and as much after each gap, say nothing"


def _step(pipeline: Pipeline) -> str:
    seconds = " and ".join(f"{s:g}" for s in pipeline.context)
    past = f", and means of {seconds} s" if seconds else ""
    return f"{pipeline.step:g} s, from the {pipeline.window:g} s before its end{past}"


def _live(pipeline: Pipeline) -> str:
    ahead = looks_ahead(pipeline)
    return "yes" if ahead is None else f"no: {ahead[0]} looks into the future"
