"""The source and the features of a live stream, from its options and the facts of the run."""

from __future__ import annotations

from pathlib import Path

from memcell.applications.streaming import StreamRequest
from memcell.errors import DataError, UsageError
from memcell_data.renaming import NOTHING, Renaming
from memcell_eeg.features.optional import has_optional
from memcell_eeg.features.pipeline import Pipeline, looks_ahead
from memcell_eeg.features.precomputed import check_features_of_run, pipeline_of
from memcell_eeg.live.file_source import FileSource
from memcell_eeg.live.lsl_source import LSLSource
from memcell_eeg.live.options import SourceConfig
from memcell_eeg.live.source import LiveSource
from memcell_eeg.signal.references import References
from memcell_eeg.signal.renaming import renaming_of
from memcell_eeg.signal.unit import Unit
from memcell_eeg.task import EegTask


def pipeline_of_run(request: StreamRequest, task: EegTask) -> Pipeline:
    """Return the pipeline of a run, if it can process a signal live.

    Raises:
        UsageError: It cannot; the message says why and what to do instead.
    """
    facts = request.facts.get("pipeline")
    if not facts or request.facts.get("app", task.name) != task.name:
        raise UsageError(
            f"the run has no {task.name} pipeline; type the --model of a finished "
            f"'memcell train {task.name}'."
        )
    pipeline = pipeline_of(facts)
    check_features_of_run(pipeline, request.facts)
    if not isinstance(pipeline, Pipeline):
        raise UsageError(
            "the run was trained on precomputed features, and a stream is a signal; train on recordings "
            "with a signal (--data simulated, eye-state, or your own files)."
        )
    if lookahead := looks_ahead(pipeline):
        cause, alternative = lookahead
        raise UsageError(
            f"the run was made with {cause}, which looks into the future, and a stream has none; train one "
            f"with {alternative}."
        )
    return pipeline


def opened(options: SourceConfig, pipeline: Pipeline, request: StreamRequest) -> LiveSource:
    """Return the source that the options name."""
    renaming = renaming_of(options.rename, request.facts)
    references = References.of(pipeline.channels, request.facts, pipeline.reference)
    optional = references if has_optional(request.facts) else None
    if options.file:
        file = FileSource(
            Path(options.file),
            pipeline,
            options.times_real,
            options.chunk,
            request.say,
            unit=Unit.of(options.unit, request.facts),
            renaming=renaming,
            optional=optional,
        )
        _check_references(file, references, f"file '{options.file}'", NOTHING)
        return file
    request.say(f"looking for stream '{options.lsl}' ...")
    stream = LSLSource(
        options.lsl,
        pipeline,
        options.timeout,
        options.silence,
        options.unit,
        request.stop,
        request.say,
        renaming,
        optional,
    )
    try:
        _check_references(stream, references, f"stream '{stream.name}'", renaming)
    except DataError:
        stream.close()
        raise
    return stream


def _check_references(
    source: LiveSource, references: References, where: str, renaming: Renaming
) -> None:
    """Refuse a source whose channels state other references than the model's.

    Raises:
        DataError: One does; says what to type.
    """
    found = source.channels
    needed = [c for c in references.channels if c not in found.left_out]
    references.only(needed).check_stream(where, renaming.names(found.names, where))
