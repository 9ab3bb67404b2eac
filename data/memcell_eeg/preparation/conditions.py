"""Test recordings under other conditions: read once more, changed, and made into the same steps.

Another amplifier (gain, half the sampling rate), the mains, an electrode that is lost. Nothing is fitted anew
and nothing of it is kept. A lost channel is what a prediction makes of it: it is left out where the model was
trained with ``--channel-dropout``, else another one stands in for it (`memcell_eeg.signal.stand_in`), or the
recording is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from memcell.applications.app import Row, Task
from memcell.applications.conditions import Changed, Condition, Peer
from memcell.errors import DataError
from memcell.sequences.targets import Classes
from memcell.sequences.time_series import TimeSeries
from memcell.threads import one_thread
from memcell_data.channels import alternatives
from memcell_data.recording import Features, LostChannels, Recording
from memcell_eeg.baselines import past, regression
from memcell_eeg.config import EegConfig
from memcell_eeg.features.optional import has_optional, left_out_of
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.precomputed import PrecomputedFeatures, pipeline_of
from memcell_eeg.signal.absent import without
from memcell_eeg.signal.channels import locate
from memcell_eeg.signal.disturbed import at_half_rate, with_gain, with_hum
from memcell_eeg.signal.stand_in import living_on

GAINS = (0.7, 1.5)
#: Hz, and the amplitude in uV: what `memcell_data.quality.hum` names, some times the spread of an EEG.
MAINS, HUM = 50.0, 50.0
#: ``--robustness auto`` reads the test recordings so many times at most, in hours of one channel.
MOST_HOURS = 150.0


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to a recording.

    Args:
        recording: Changes it.
        left_out: Channels of the model that are left out then.
    """

    recording: Callable[[Recording], Recording]
    left_out: tuple[str, ...] = ()


def why_undisturbed(config: EegConfig, task: Task) -> str:
    """Return why a run does not score its conditions of its own accord; empty where it does.

    The rule knows the length of the recordings and no clock, so that a run done again does the same.

    Args:
        config: Option ``robustness``.
        task: The task.
    """
    if config.robustness == "none":
        return "--robustness none"
    if config.robustness == "all":
        return ""
    if task.train and not task.test:
        return "the networks that never saw whom they are scored on would be trained again"
    pipeline = pipeline_of(task.facts["pipeline"])
    if isinstance(pipeline, PrecomputedFeatures):
        return ""
    tested = {s.subject for s in task.test}
    # folds test everybody in turn, each its own; what they take together is what a person waits for
    everybody = task.train and task.facts.get("split") == "loso"
    seconds = sum(
        float(r["seconds"])
        for r in task.facts.get("recordings", ())
        if everybody or r["subject"] in tested
    )
    if not task.train:
        seconds = sum(s.n_steps * s.step_seconds for s in task.test)
    times = len(_changes(pipeline, task.facts))
    hours = seconds / 3600 * len(pipeline.channels) * times
    if hours <= MOST_HOURS:
        return ""
    return (
        f"{times} times {seconds / 3600:.3g} h of {len(pipeline.channels)} channels would be read "
        "(--robustness all does it in any case)"
    )


def conditions(task: Task, recordings: Sequence[Recording]) -> list[Condition]:
    """Return the conditions of a task's test recordings.

    Args:
        task: Its facts say how features are made and scaled.
        recordings: What it was made of.
    """
    pipeline = pipeline_of(task.facts["pipeline"])
    by_name = {r.name: r for r in recordings}
    changes = (
        _changes(pipeline, task.facts)
        if isinstance(pipeline, Pipeline)
        else _precomputed_changes(recordings)
    )
    return [
        Condition(name=name, make=partial(_changed, pipeline, task.test, by_name, change))
        for name, change in changes.items()
    ]


def _changes(pipeline: Pipeline, facts: Mapping[str, Any]) -> dict[str, Change]:
    changes = {
        f"gain x {gain:g}": Change(recording=partial(with_gain, gain=gain)) for gain in GAINS
    }
    for channel in pipeline.channels:
        if has_optional(facts):
            change = Change(
                recording=partial(_absent, pipeline.channels, channel), left_out=(channel,)
            )
            changes[f"{_called(channel)} lost, left out"] = change
        else:
            change = Change(recording=partial(_without, pipeline, channel))
            changes[f"{_called(channel)} lost"] = change
    hum = partial(with_hum, frequency=MAINS, amplitude=HUM)
    changes[f"{MAINS:g} Hz hum of {HUM:g} uV"] = Change(recording=hum)
    changes["half the sampling rate"] = Change(recording=at_half_rate)
    return changes


def _absent(channels: Sequence[str], channel: str, recording: Recording) -> Recording:
    """Return a recording of which a channel is not read, for it is left out."""
    return without(recording, channels, [channel])


def _called(channel: str) -> str:
    """Return what a condition calls a channel: the preferred one where it may be one of several."""
    first, *others = alternatives(channel)
    return f"{first} (or what is there of it)" if others else channel


def _without(pipeline: Pipeline, channel: str, recording: Recording) -> Recording:
    """Return a recording one of whose channels is lost, as a prediction has it.

    Raises:
        DataError: Nothing stands in for it.
    """
    own = locate(pipeline.channels, recording)
    lost = own[pipeline.channels.index(channel)].name
    error = LostChannels(
        f"a prediction refuses recording '{recording.name}' without {lost}", [lost]
    )
    return living_on(recording, pipeline.channels, error)[0]


def _precomputed_changes(recordings: Sequence[Recording]) -> dict[str, Change]:
    """Return what can happen to features that are precomputed: a gain, where it is known what it does."""
    first = next((r.features() for r in recordings if r.features is not None), None)
    if first is None or not first.of_gain:
        return {}
    return {f"gain x {gain:g}": Change(recording=partial(_with_offset, gain)) for gain in GAINS}


def _with_offset(gain: float, recording: Recording) -> Recording:
    made = recording.features
    if made is None:
        raise DataError(f"recording '{recording.name}' has a signal")

    def features() -> Features:
        found = made()
        return replace(found, values=found.values + np.log(gain) * np.array(found.of_gain))

    return replace(recording, features=features, fingerprint="")


def _changed(
    pipeline: Pipeline | PrecomputedFeatures,
    test: Sequence[TimeSeries],
    recordings: dict[str, Recording],
    change: Change,
) -> Changed:
    """Return the test sequences made of changed recordings, and why some could not be."""
    made: list[TimeSeries] = []
    refused: dict[str, None] = {}
    with one_thread():
        for sequence in test:
            recording = recordings.get(sequence.name)
            if recording is None:  # a part of it
                recording = recordings[sequence.name.rpartition("@")[0]]
            try:
                whole = pipeline.sequence(change.recording(recording))
                if isinstance(pipeline, Pipeline):
                    whole = left_out_of(whole, pipeline, change.left_out)
            except DataError as error:
                refused.setdefault(str(error))
            else:
                made.append(_same_steps(whole, sequence))
    return Changed(sequences=tuple(s for s in made if s.n_steps), refused=tuple(refused))


def _same_steps(whole: TimeSeries, sequence: TimeSeries) -> TimeSeries:
    """Return the steps of a sequence that are those of another, with its targets.

    Args:
        whole: Of the changed recording.
        sequence: Of the recording as it is, or a part of it.
    """
    # steps are .05 s or longer, and the same ones differ by rounding
    there = np.searchsorted(sequence.times, whole.times - 0.01)
    inside = there < sequence.n_steps
    inside[inside] &= np.abs(sequence.times[there[inside]] - whole.times[inside]) < 0.01
    starts = np.flatnonzero(whole.starts[inside])
    return replace(
        whole,
        name=sequence.name,
        subject=sequence.subject,
        features=whole.features[inside],
        targets=sequence.targets[there[inside]],
        breaks=tuple(int(k) for k in starts if k),
        step_times=whole.times[inside],
        start_time=float(whole.times[inside][0]) if inside.any() else 0.0,
    )


def peer(task: Task, rows: Sequence[Row]) -> Peer | None:
    """Return the regression on past means, else that on this step alone, as a run's table has it."""
    if not task.train or not isinstance(task.target, Classes):
        return None
    by_name = {row.name: row for row in rows if row.kind == "baseline" and row.predictions}
    for fit, name in ((past.regression, past.NAME), (regression.this_step, regression.THIS_STEP)):
        if name in by_name:
            with one_thread():
                return Peer(row=by_name[name], model=fit(task).model)
    return None
