"""A trained EEG model that takes recordings and blocks of samples, in a program or a notebook."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from memcell.applications.detecting import DetectorRequest
from memcell.applications.prediction import Record
from memcell.errors import DataError, UsageError
from memcell.files.names import file_names
from memcell.threads import one_thread
from memcell_data.channels import alternatives
from memcell_data.formats.mne_raw import file_of, recording_of
from memcell_data.recording import Recording
from memcell_data.renaming import Renaming
from memcell_eeg.detector.found import FoundEvents
from memcell_eeg.detector.streaming import BlockStream, StreamedStep
from memcell_eeg.features.pipeline import Pipeline, looks_ahead
from memcell_eeg.live.alarm import AlarmRules
from memcell_eeg.prediction.config import PredictConfig
from memcell_eeg.prediction.model import DetectionModel
from memcell_eeg.prediction.predict import RecordingPredictor
from memcell_eeg.prediction.sources import find_sources
from memcell_eeg.task import EegTask


class EegDetector:
    """A trained EEG model.

    Args:
        request: The trained network.
        task: What is detected.

    Raises:
        UsageError: The facts are not of a run of the application, or ``causal`` is asked for and its features
            look into the future.
    """

    def __init__(self, request: DetectorRequest, task: EegTask) -> None:
        self._request, self._task = request, task
        self._model = DetectionModel.of(request.prediction, task)
        if request.prediction.causal:
            self._model.check_causal()
        self._stream: BlockStream | None = None
        self._stream_key: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """The run folder or the model's name that it was loaded by."""
        return self._request.name

    @property
    def detects(self) -> str:
        """What an event is: the ``trial_type`` of events, the description of annotations."""
        return self._task.event

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that it takes, in its order."""
        return tuple(self._model.pipeline.channels)

    @property
    def step(self) -> float:
        """Seconds of a step."""
        return float(self._model.pipeline.step)

    @property
    def threshold(self) -> float:
        """From which probability on a step is positive."""
        return self._model.threshold

    @property
    def knows(self) -> str:
        """What it tells apart, and what it does not know; empty where its names say it."""
        return self._model.knows

    def predict(
        self,
        recording: Any,
        *,
        name: str | None = None,
        rename: Mapping[str, str] | None = None,
        reference: str = "",
        threshold: float | None = None,
        min_duration: float | None = None,
    ) -> FoundEvents:
        """Return what is found in a recording: what ``memcell predict`` writes.

        Args:
            recording: A path, or an `mne.io.Raw` (volts, as MNE has them; it is not changed).
            name: What a Raw's results are called; None for its file's name.
            rename: Other names for its channels, new ones by those that it has: ``{"O1-M2": "O1"}``; None for
                those that the run was trained with.
            reference: What its channels may be measured against, as ``memcell predict --reference`` takes it.
            threshold: From which probability on a step is positive; None for the model's own.
            min_duration: Shorter detections are no events, s; None for the run's.

        Raises:
            DataError: It lacks a channel, is too slow, or cannot be used otherwise; says why.
            UsageError: It is neither a path nor a Raw.
        """
        item, measured = self._item(recording, name)
        with TemporaryDirectory(prefix="memcell-") as folder:
            out = Path(folder)
            request = replace(self._request.prediction, out=out)
            typed = {"reference": reference, "threshold": threshold, "min_duration": min_duration}
            changes: dict[str, Any] = {
                name: value for name, value in typed.items() if value not in ("", None)
            }
            if rename is not None:
                changes["rename"] = tuple(f"{old}={new}" for old, new in rename.items())
            if changes:
                options = replace(request.options or PredictConfig(), **changes)
                options.validate()
                request = replace(request, options=options)
            predictor = RecordingPredictor(request, self._task)
            with one_thread():
                record = predictor.one(item, self._request.infer)
            if record["status"] == "failed":
                raise DataError(str(record["reason"]))
            files = {path.name: path.read_bytes() for path in sorted(out.iterdir())}
        self._warn(record)
        return FoundEvents(
            item.name,
            record,
            files,
            self.threshold if threshold is None else threshold,
            self._request.finish,
            measured,
        )

    def stream(
        self,
        blocks: Iterable[Any],
        rate: float | None = None,
        channels: Sequence[str] | None = None,
        *,
        unit: str = "uV",
        rename: Mapping[str, str] | None = None,
        threshold: float | None = None,
        alarm_steps: int = 3,
        alarm_of: int = 4,
        refractory: float = 5.0,
    ) -> Iterator[StreamedStep]:
        """Yield probability and alarm of each step, as blocks of samples complete it.

        What was seen is remembered for the next call with the same arguments; `reset_state` forgets it.

        Args:
            blocks: Arrays ``[channels, samples]`` of any length, NaN where a sample is missing; or
                `mne.io.Raw` objects, which say rate, channels and unit by themselves.
            rate: Samples a second of the arrays, Hz.
            channels: Names of their rows; None for the model's own channels in its order.
            unit: What their numbers are: uV, mV, V or nV.
            rename: Other names for the channels, as for `predict`.
            threshold: From which probability on a step is positive; None for the model's own.
            alarm_steps: An alarm requires this many positive steps ...
            alarm_of: ... among the last so many.
            refractory: No further alarm for so many seconds after one.

        Raises:
            UsageError: The model looks into the future, or arguments contradict each other.
            DataError: A channel is missing, the rate too low, or a block of another shape.
        """
        own = float(self._request.carried["threshold"])
        pipeline = self._live_pipeline()
        if not 1 <= alarm_steps <= alarm_of:
            raise UsageError(
                f"alarm_steps={alarm_steps} of alarm_of={alarm_of}; expected 1 or more, and no more than "
                "alarm_of"
            )
        rules = AlarmRules(
            threshold=own if threshold is None else threshold,
            need=alarm_steps,
            of=alarm_of,
            refractory=refractory,
            step=pipeline.step,
        )
        renaming = self._model.renaming if rename is None else Renaming.of(rename)
        return self._steps(blocks, pipeline, rules, rate, channels, unit, renaming)

    def reset_state(self) -> None:
        """Forget all that was streamed: the next block is the first of a recording."""
        self._stream = None

    def _steps(
        self,
        blocks: Iterable[Any],
        pipeline: Pipeline,
        rules: AlarmRules,
        rate: float | None,
        channels: Sequence[str] | None,
        unit: str,
        renaming: Renaming,
    ) -> Iterator[StreamedStep]:
        for block in blocks:
            if hasattr(block, "get_data"):
                names, hertz, volts = block.ch_names, float(block.info["sfreq"]), "V"
                values = block.get_data(verbose="error")
            else:
                if rate is None:
                    raise UsageError(
                        "blocks are arrays and rate was not given: detector.stream(blocks, rate=256)"
                    )
                names = self._own_names() if channels is None else channels
                values, hertz, volts = np.asarray(block), float(rate), unit
            asked = (hertz, tuple(names), volts, rules, renaming)
            if self._stream is None or self._stream_key != asked:
                self._stream = BlockStream(
                    pipeline,
                    self._request.network(),
                    rules,
                    hertz,
                    names,
                    volts,
                    renaming,
                    self._model.references if self._model.optional else None,
                )
                self._stream_key = asked
            yield from self._stream.push(values)

    def _warn(self, record: Record) -> None:
        """Warn of what the command says in a note; Python shows the same words once."""
        if record.get("note"):
            warnings.warn(f"{record['recording']}: {record['note']}", stacklevel=3)
        if self._model.simulated:
            warnings.warn(
                f"'{self.name}' was trained on simulated data; what it finds says nothing about people",
                stacklevel=3,
            )

    def _own_names(self) -> list[str]:
        """Return a name of each channel: the first of those that would do."""
        return [alternatives(channel)[0] for channel in self.channels]

    def _live_pipeline(self) -> Pipeline:
        pipeline = self._model.pipeline
        if not isinstance(pipeline, Pipeline):
            raise UsageError(
                f"'{self.name}' was trained on precomputed features, and a stream is a signal; load a model "
                "that was trained on a signal"
            )
        if lookahead := looks_ahead(pipeline):
            cause, alternative = lookahead
            raise UsageError(
                f"'{self.name}' was made with {cause}, which looks into the future, and a stream has none; "
                f"train one with {alternative}"
            )
        return pipeline

    def _item(self, recording: Any, name: str | None) -> tuple[Any, tuple[Any, float] | None]:
        """Return what the predictor takes, and the start of the recording where a Raw tells it."""
        if isinstance(recording, str | Path):
            found = find_sources([str(recording)])
            if len(found) != 1:
                raise UsageError(
                    f"'{recording}' is {len(found)} recordings; predict one at a time, or type "
                    f"memcell predict {self._task.name} {recording} --model {self.name}"
                )
            return (found[0] if name is None else replace(found[0], name=_file_name(name))), None
        if not _is_raw(recording):
            raise UsageError(
                f"predict got a {type(recording).__name__}; expected a path or an mne.io.Raw (of an array in "
                "volts: mne.io.RawArray(values, mne.create_info(names, rate, 'eeg')))"
            )
        # a unit that the run was trained with is of its files; a Raw has volts unless it is said here
        unit = getattr(self._request.prediction.options, "unit", "")
        described = recording_of(recording, name, unit)
        path = file_of(recording) or Path(described.name)
        item = _InMemory(name=_file_name(described.name), path=path, described=described)
        return item, (recording.info["meas_date"], float(recording.first_time))

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        """Return how another process loads it; what was streamed stays here."""
        return self._request.again, ()

    def __repr__(self) -> str:
        takes = f"channels {', '.join(self.channels)}" if self.channels else "precomputed features"
        return f"<detector of {self.detects}: {self.name}; {takes}>"


@dataclass(frozen=True, kw_only=True)
class _InMemory:
    """A recording that is at hand; `memcell_eeg.prediction.sources.RecordingFile` is one in a file."""

    name: str
    path: Path
    described: Recording
    results: str = ""
    viewed: bool = False

    @property
    def place(self) -> str:
        return self.results or self.name

    def open(self, unit: str = "") -> Recording:
        return replace(self.described, name=self.name)


def _is_raw(value: Any) -> bool:
    """Whether a value is MNE's; MNE is loaded where there can be such."""
    import mne

    return isinstance(value, mne.io.BaseRaw)


def _file_name(name: str) -> str:
    return file_names([name])[0]
