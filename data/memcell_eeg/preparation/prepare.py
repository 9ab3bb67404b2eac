"""Recordings to sequences: labels first, then features, from the cache where they were made before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from memcell.errors import DataError
from memcell.progress import Progress
from memcell.reports.numbers import counted
from memcell.sequences.time_series import TimeSeries
from memcell.threads import one_thread
from memcell_data.recording import Recording
from memcell_eeg.cache import FeatureCache
from memcell_eeg.config import EegConfig
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.precomputed import PrecomputedFeatures
from memcell_eeg.left_out import RECORDING, LeftOut
from memcell_eeg.preparation.notes import few
from memcell_eeg.signal.absent import with_absent
from memcell_eeg.signal.channels import locate, native_rate
from memcell_eeg.signal.references import References
from memcell_eeg.signal.stand_in import Living, with_stand_ins
from memcell_eeg.splits.copies import copied_names, short_steps
from memcell_eeg.targets.labels import LabelRules
from memcell_eeg.targets.protocols import LabelProtocol
from memcell_eeg.targets.resolved import ResolvedLabels


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """Sequences before they are split, and what must be said of how they were made.

    Args:
        sequences: Those that have a labelled step.
        recordings: What they were made of.
        protocol: What counts as which class.
        left_out: What could not be used.
        simulated: A recording was made by a program.
        notes: What every output must carry.
        remarks: What only the person at the screen wants to know (where features are kept).
        quality: What each recording was like, as `quality` says.
        compared: The recordings of `sequences` in short steps, by which copies are found; `sequences`
            themselves where their steps are short.
        without: By recordings, the channels of the model that are left out of it.
    """

    sequences: list[TimeSeries]
    recordings: tuple[Recording, ...]
    protocol: LabelProtocol
    left_out: LeftOut
    simulated: bool
    notes: tuple[str, ...]
    remarks: tuple[str, ...]
    quality: tuple[dict[str, Any], ...]
    compared: Sequence[TimeSeries]
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def copies(self) -> frozenset[tuple[str, str]]:
        """Names of the recordings that hold the same signal, however they are split."""
        return copied_names(self.compared)

    @property
    def published(self) -> dict[str, str]:
        """Return the part of each subject in the split that the data set brings.

        Raises:
            DataError: It puts recordings of one subject into two parts.
        """
        parts: dict[str, str] = {}
        for r in self.recordings:
            before = parts.setdefault(r.subject, r.part)
            if before != r.part:
                raise DataError(
                    f"the published split puts recordings of '{r.subject}' into "
                    f"{before or 'no part'} and {r.part or 'no part'}; type --split subject."
                )
        return parts


def make_sequences(
    config: EegConfig,
    pipeline: Pipeline | PrecomputedFeatures,
    resolved: ResolvedLabels,
    progress: Progress,
    left_out: LeftOut,
    compare: bool = True,
    stand_in: bool = False,
    optional: References | None = None,
) -> PreparedData:
    """Return the sequences of all recordings.

    Args:
        config: Its label rules, protocol and cache.
        pipeline: Makes the features.
        resolved: At least one recording, with its labels.
        progress: Told of each that is done.
        left_out: Takes recordings that cannot be used.
        compare: Make what copies are found by; False where all recordings are on one side.
        stand_in: Others stand in for channels that are lost (`memcell_eeg.signal.stand_in`), as in a
            prediction; otherwise such a recording cannot be used.
        optional: Of a model that was trained to do without some channels: those that are lost, or that a
            recording does not have, are left out instead.

    Raises:
        DataError: Nothing can be used, or something cannot and nothing may be left out; or no recording has a
            labelled step.
    """
    recordings, warnings = resolved.recordings, list(resolved.warnings)
    rules = replace(LabelRules.of(config), protocol=resolved.protocol)
    cache = FeatureCache.of(config.cache)
    short = None
    if compare and isinstance(pipeline, Pipeline):
        # a model's own pipeline may be faster than these recordings, which its features allow
        slowest = min(native_rate(locate(pipeline.channels, r), r) for r in recordings)
        short = short_steps(replace(pipeline, rate=min(pipeline.rate, slowest)))
    # a cache of its own: the summary counts what is trained on
    cache_of_short = FeatureCache.of(config.cache)
    progress.expect(len(recordings))
    made, used, described, compared = [], [], [], []
    left_out_of: dict[str, tuple[str, ...]] = {}
    with one_thread():
        for recording in recordings:
            before = len(warnings)
            try:
                make = partial(_sequence, pipeline, cache, rules, warnings.append)
                if optional is not None:
                    found = with_absent(recording, optional, partial(_unmasked, make))
                    left_out_of[recording.name] = found.left_out
                elif stand_in:
                    found = with_stand_ins(recording, pipeline.channels, make)
                else:
                    found = Living(made=make(recording), recording=recording)
                warnings += [f"{recording.name}: {line}" for line in found.lines]
                sequence = found.made
                if short is not None and sequence.labelled.any():
                    compared.append(cache_of_short.sequence(short, recording))
            except DataError as error:
                left_out.add(recording, RECORDING, str(error))
            else:
                made.append(sequence)
                used.append(found.recording)
                described.append(quality(recording, made[-1], warnings[before:]))
            progress.advance(1, recording.name)
    left_out.refuse_if_nothing_is_left(used)
    sequences = [s for s in made if s.labelled.any()]
    if all(r.labels() is None for r in used):
        name = used[0].name if used[0].path is None else used[0].path.name
        raise DataError(
            f"none of the {len(used)} recordings of '{recordings[0].dataset}' has labels: there is no label "
            f"file beside {name} (of its name, ending in .tsv, .csv, .txt or _events.tsv), and no annotation "
            "inside; say where they are with --data.labels FOLDER"
        )
    if not sequences:
        raise DataError(
            f"none of the {len(recordings)} recordings of '{recordings[0].dataset}' has a labelled "
            f"step under {resolved.protocol}; check the names of the labels."
        )
    lines = [*resolved.notes, *few(warnings)]
    if len(sequences) < len(made):
        without = [s.name for s in made if not s.labelled.any()]
        listed = ", ".join(without[:5]) + (", ..." if len(without) > 5 else "")
        lines.append(
            f"{counted(len(without), 'recording')} without a labelled step left out ({listed})"
        )
    summary = cache.summary()
    return PreparedData(
        sequences=sequences,
        recordings=tuple(used),
        protocol=resolved.protocol,
        left_out=left_out,
        simulated=any(r.simulated for r in recordings),
        notes=tuple(lines),
        remarks=(summary,) if summary else (),
        quality=tuple(described),
        compared=sequences if short is None else compared,
        without=left_out_of,
    )


def _unmasked(
    make: Callable[[Recording], TimeSeries], recording: Recording, absent: Sequence[str]
) -> TimeSeries:
    """Make a sequence in which what is left out still has features: they are not scaled yet."""
    return make(recording)


def _sequence(
    pipeline: Pipeline | PrecomputedFeatures,
    cache: FeatureCache,
    rules: LabelRules,
    warn: Callable[[str], object],
    recording: Recording,
) -> TimeSeries:
    if isinstance(pipeline, Pipeline):
        return cache.sequence(pipeline, recording, rules, warn)
    return pipeline.sequence(recording, rules, warn)


MOST_WARNINGS = 5


def quality(recording: Recording, sequence: TimeSeries, warnings: Sequence[str]) -> dict[str, Any]:
    """Return facts about a recording, as JSON holds them.

    Args:
        recording: The recording.
        sequence: What was made of it.
        warnings: What was odd about it.

    Returns:
        ``name``, ``subject``; ``seconds`` from first to last sample; ``rate`` in Hz, 0 where features came
        precomputed; ``steps``, how many of them are ``labelled`` and ``positive``; ``gaps`` and
        ``gap_seconds`` between steps; the first ``warnings``.
    """
    times, step = sequence.times, sequence.step_seconds
    lost = sum(float(times[b] - times[b - 1]) - step for b in sequence.breaks)
    more = len(warnings) - MOST_WARNINGS
    return {
        "name": recording.name,
        "subject": recording.subject,
        "seconds": float(recording.duration if recording.features is None else times[-1] + step),
        "rate": float(max((c.rate for c in recording.channels), default=0.0)),
        "steps": sequence.n_steps,
        "labelled": int(sequence.labelled.sum()),
        "positive": int((sequence.targets == 1).sum()),
        "gaps": len(sequence.breaks),
        "gap_seconds": round(lost, 3),
        "warnings": [*warnings[:MOST_WARNINGS], *([f"and {more} more"] if more > 0 else [])],
    }
