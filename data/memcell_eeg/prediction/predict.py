"""Prediction of recordings with a trained network, each on its own.

A broken recording is named with its reason and the others go on; a rerun does only what is missing,
changed or failed. Everything streams: blocks of signal, features, probabilities, rows of a file; so memory
grows neither with the number of recordings nor with the length of one. What is needed of the run comes
from its facts, so that a prediction never depends on today's options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.prediction import Infer, PredictionRequest, Record
from memcell.errors import DataError
from memcell.files.atomic import Growing, growing
from memcell_data.derivations import beneath
from memcell_data.recording import Recording
from memcell_data.renaming import renamed
from memcell_data.tables.bids import entities_of
from memcell_eeg.export import outputs
from memcell_eeg.export.edf import StepProbabilities, export_edf
from memcell_eeg.export.hypnogram import HypnogramEpochs, check_staged
from memcell_eeg.export.layout import check_own, choose_layout, describe, layout_of
from memcell_eeg.export.views import how_many, keep_view, marks_in, view_path
from memcell_eeg.features.chunks import FeatureChunk
from memcell_eeg.features.optional import columns_left_out
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.precomputed import feature_chunks
from memcell_eeg.prediction.bids_names import bids_names, sources_of
from memcell_eeg.prediction.config import PredictConfig
from memcell_eeg.prediction.each import EachRecording
from memcell_eeg.prediction.model import DetectionModel
from memcell_eeg.prediction.sources import RecordingFile
from memcell_eeg.scores.detector import DetectedEvent, EventDetector
from memcell_eeg.signal.absent import with_absent
from memcell_eeg.signal.channels import otherwise_measured
from memcell_eeg.signal.stand_in import with_stand_ins
from memcell_eeg.task import EegTask

#: What the person is told of an export with gaps.
GAPS = (
    "it has gaps, so the EDF is EDF+D: EDFbrowser opens it only after conversion, and MNE joins the "
    "signal before and after a gap; --export edf-filled has neither"
)
#: The ending of what each word of ``--export`` writes.
ENDINGS = {"edf": "_detected.edf", "edf-filled": "_filled.edf", "hypnogram": "_hypnogram.txt"}
EDFS = frozenset(("edf", "edf-filled"))


class RecordingPredictor(EachRecording):
    """Writes ``*_events.tsv``, ``*_probability.tsv``, ``*_annot.txt``, ``*_events.json`` and ``summary.tsv``.

    Args:
        request: The trained network, its facts and the options.
        task: What is detected.

    Raises:
        UsageError: The facts are not of a run of the application, or ``causal`` is asked for and its features
            look into the future.
    """

    columns = outputs.COLUMNS
    sidecar = outputs.SIDECAR
    remarks: tuple[str, ...] = ()

    def __init__(self, request: PredictionRequest, task: EegTask) -> None:
        super().__init__(request, DetectionModel.of(request, task))
        options = request.options or PredictConfig()
        self._export, self._layout, self._views = options.export, options.layout, options.views
        #: Names of files and of their results, which stay from look to look.
        self._named: dict[Path, tuple[str, str]] = {}

    def find(self, paths: Sequence[str]) -> list[RecordingFile]:
        """Return the recordings under the names that their results have in the folder's layout.

        Raises:
            DataError: As `EachRecording.find`, or the folder cannot have the layout that is asked for.
        """
        self._check_asked()
        return self._placed(super().find(paths))

    def check_folder(self) -> None:
        """Refuse the results of another model, and a data set of somebody else's."""
        self._check_asked()
        super().check_folder()

    def _check_asked(self) -> None:
        """Refuse a folder that is somebody else's, and a hypnogram of what has none."""
        task = self._model.task
        check_own(self._out, task.event)
        if "hypnogram" in self._export:
            check_staged(task.event, task.background, self._model.pipeline.step)

    def look(self, paths: Sequence[str]) -> list[tuple[RecordingFile, object]]:
        """Return what is there now under the names of the folder's layout; see `EachRecording.look`."""
        found = super().look(paths)
        placed = self._placed([item for item, _ in found]) if found else []
        return [(item, mark) for item, (_, mark) in zip(placed, found, strict=True)]

    def _placed(self, found: list[RecordingFile]) -> list[RecordingFile]:
        """Return recordings under the names that their results have in the folder's layout, which is chosen.

        The first of them are those that the report scrolls through.

        Raises:
            DataError: The folder cannot have the layout that is asked for.
        """
        task = self._model.task
        viewed = how_many(self._views, len(found))
        found = [replace(item, viewed=k < viewed) for k, item in enumerate(found)]
        files = [r.path for r in found]
        layout, said = choose_layout(self._out, self._layout, files, task.event)
        self.remarks = (said,) if said else ()
        if not layout.desc:
            return found
        describe(layout, task.name, self._model.model_id, sources_of(files))
        if any(path not in self._named for path in files):
            self._name_all(found)
        names = (self._named[path] for path in files)
        return [
            replace(r, name=name, results=results if results != name else "")
            for r, (name, results) in zip(found, names, strict=True)
        ]

    def _name_all(self, found: Sequence[RecordingFile]) -> None:
        """Give recordings and their results names that no others in the folder have."""
        known = outputs.names_known(self._out)
        earlier = {**known.results, **{path: place for path, (_, place) in self._named.items()}}
        said = {**known.recordings, **{path: name for path, (name, _) in self._named.items()}}
        places = bids_names([r.path for r in found], earlier)
        for item, place in zip(found, places, strict=True):
            if item.path in self._named:
                continue
            # a recording of a data set is called by its entities, as its results are
            name = place if entities_of(item.path) is not None else item.name
            taken = {other for path, other in said.items() if path != item.path}
            name = said.get(item.path) or (place if name in taken else name)
            said[item.path], self._named[item.path] = name, (name, place)

    def _add(self, item: RecordingFile, recording: Recording, record: Record, new: bool) -> None:
        path = view_path(self._out, item.name)
        if not item.viewed or (path.is_file() and not new):
            return
        used = str(record.get("channels", "")).split(",")
        keep_view(path, recording, used, marks_in(recording), item.name)

    def _files(self, name: str) -> list[Path]:
        places = [outputs.events_path, outputs.probability_path, outputs.annotations_path]
        exported = [outputs.result_path(self._out, name, ENDINGS[word]) for word in self._export]
        return [*(place(self._out, name) for place in places), *exported]

    def _write_sidecar(
        self, path: Path, origin: Mapping[str, Any], record: Mapping[str, Any]
    ) -> None:
        layout, event = layout_of(self._out), self._model.task.event
        about = ""
        if layout.desc:
            outputs.describe_probabilities(layout, outputs.place_of(record), origin)
            about = outputs.about(event)
        outputs.write_sidecar(path, origin, record, event, about)

    def _run(self, item: RecordingFile, recording: Recording, infer: Infer) -> dict[str, Any]:
        model, out, name = self._model, self._out, item.place
        channels = model.pipeline.channels
        whole = recording
        if model.optional and isinstance(model.pipeline, Pipeline):
            found = with_absent(
                recording, model.references, lambda r, out: self._through(item, r, infer, out)
            )
        else:
            found = with_stand_ins(recording, channels, lambda r: self._through(item, r, infer))
        run, recording, own = found.made, found.recording, found.channels
        notes = [*renamed(*beneath(whole, [c.name for c in own])), *found.lines]
        if isinstance(model.pipeline, Pipeline):
            notes = otherwise_measured(channels, recording) + notes
            if not (model.reference or renamed(*beneath(whole, [c.name for c in own]))):
                notes = [*model.references.lines(recording), *notes]
        events = run.detector.end()
        outputs.write_events(outputs.events_path(out, name), events, model.task.event)
        joined = outputs.joined_by_mne(recording.path)
        annotations = outputs.annotations_path(out, name)
        outputs.write_annotations(annotations, events, model.task.event, joined)
        record = {
            "events": len(events),
            "event_seconds": round(sum(e.duration for e in events), 3),
            "probability_max": run.highest,
            "hours": run.steps * model.pipeline.step / 3600,
            "channels": ",".join(c.name for c in own),
            "rate": own[0].rate if own else "",
            "gaps": run.segments - 1,
            "warnings": "; ".join(run.warnings),
        }
        if run.probabilities is not None:
            notes += self._exported_edf(name, recording, [c.name for c in own], events, run)
        if run.epochs is not None:
            run.epochs.write(outputs.result_path(out, name, ENDINGS["hypnogram"]))
        if notes:
            record["note"] = "; ".join(notes)
        return record

    def _exported_edf(
        self,
        name: str,
        recording: Recording,
        channels: Sequence[str],
        events: Sequence[DetectedEvent],
        run: RecordingRun,
    ) -> list[str]:
        """Write the EDF files that are asked for; return what the person should know of them."""
        step, label, notes = self._model.pipeline.step, self._model.task.event, []
        assert run.probabilities is not None
        for word in [w for w in self._export if w in EDFS]:
            path, fill = outputs.result_path(self._out, name, ENDINGS[word]), word == "edf-filled"
            try:
                export_edf(path, recording, channels, events, run.probabilities, step, label, fill)
                if run.segments > 1 and not fill:
                    notes.append(GAPS)
            except DataError as error:
                # the detection stands; what cannot be shown in EDF is said
                notes.append(f"no EDF was exported: {error}")
        return notes

    def _through(
        self, item: RecordingFile, recording: Recording, infer: Infer, absent: Sequence[str] = ()
    ) -> RecordingRun:
        """Write the probabilities of a whole recording and return its run."""
        own = self._model.channels_of(recording)
        place = outputs.probability_path(self._out, item.place)
        with growing(place, lasting=False) as file:
            run = RecordingRun(
                model=self._model,
                file=file,
                probabilities=StepProbabilities() if EDFS & set(self._export) else None,
                epochs=HypnogramEpochs(self._model.pipeline.step)
                if "hypnogram" in self._export
                else None,
                warnings=self._model.unit.messages(item.path, own),
                absent=absent,
            )
            run.through(recording, infer)
            # A sidecar that speaks of older results must not stand beside newer ones.
            outputs.sidecar_path(self._out, item.place).unlink(missing_ok=True)
        return run


_NONE = np.empty((0, 0), dtype=np.float32)


@dataclass(kw_only=True)
class RecordingRun:
    """The prediction of one recording.

    Args:
        model: What is done with it.
        file: Takes a row a step.
        probabilities: Takes the probabilities, where somebody wants them at the end.
        epochs: Takes the decisions, where somebody wants a hypnogram.
        warnings: Takes what is odd about it.
        absent: Channels of the model of whose features nothing is used.

    Attributes:
        steps: How many there were.
        segments: Of how many segments.
        highest: The largest probability.
    """

    model: DetectionModel
    file: Growing
    probabilities: StepProbabilities | None
    epochs: HypnogramEpochs | None
    warnings: list[str]
    absent: Sequence[str] = ()
    detector: EventDetector = field(init=False)
    steps: int = 0
    segments: int = 0
    highest: float = 0.0
    _owed: list[FeatureChunk] = field(default_factory=list)

    def __post_init__(self) -> None:
        pipeline = self.model.pipeline
        self.detector = EventDetector(self.model.threshold, pipeline.step, self.model.rules)

    def through(self, recording: Recording, infer: Infer) -> None:
        """Process the whole recording; `detector` then has the events.

        Raises:
            DataError: The recording cannot be used, or the network gave nonsense.
        """
        self.file.write(outputs.PROBABILITY_HEADER)
        stream = infer.begin()
        pipeline = self.model.pipeline
        left_out = (
            columns_left_out(pipeline, self.absent) if isinstance(pipeline, Pipeline) else None
        )
        for chunk in feature_chunks(self.model.pipeline, recording, self.warnings.append):
            features = chunk.features
            if left_out is not None and self.absent:
                features = np.where(left_out, np.float32(0.0), features)
            self._owed.append(FeatureChunk(features=_NONE, times=chunk.times, starts=chunk.starts))
            self._take(stream.push(features, chunk.starts))
        self._take(stream.end())
        owed = sum(len(s.times) for s in self._owed)
        if owed:
            raise DataError(
                f"the network gave {self.steps} probabilities for {self.steps + owed} steps; train it again."
            )

    def _take(self, probabilities: NDArray[np.float32]) -> None:
        p = np.asarray(probabilities[:, 1], dtype=np.float64)
        if len(p) == 0:
            return
        if not np.isfinite(p).all():
            raise DataError("the network gave probabilities that are not numbers; train it again.")
        times, starts = self._next(len(p))
        self.detector.push(p, times, starts)
        outputs.add_probabilities(self.file, times, p, self.model.threshold)
        if self.probabilities is not None:
            self.probabilities.push(p, times, starts)
        if self.epochs is not None:
            self.epochs.push(times, p >= self.model.threshold)
        self.steps += len(p)
        self.segments += int(starts.sum())
        self.highest = max(self.highest, float(p.max()))

    def _next(self, n: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return times and starts of the next n steps."""
        if len(self._owed) > 1:
            times = np.concatenate([s.times for s in self._owed])
            starts = np.concatenate([s.starts for s in self._owed])
        else:
            times, starts = self._owed[0].times, self._owed[0].starts
        if n > len(times):
            raise DataError("the network gave more probabilities than there are steps.")
        self._owed = [FeatureChunk(features=_NONE, times=times[n:], starts=starts[n:])]
        return times[:n], starts[:n]
