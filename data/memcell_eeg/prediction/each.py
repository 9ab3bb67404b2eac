"""The frame of a prediction: recordings one by one, results that exist kept, failures named."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memcell.applications.prediction import Infer, PredictionRequest, Record
from memcell.errors import DataError, DiskError, MemcellError
from memcell.interrupt import Interrupted
from memcell_data.recording import Recording
from memcell_eeg.export import outputs
from memcell_eeg.prediction.instead import options_instead
from memcell_eeg.prediction.model import DetectionModel
from memcell_eeg.prediction.sources import RecordingFile, find_sources
from memcell_eeg.prediction.watched import WatchedFiles


class EachRecording(ABC):
    """Base class of what predicts recordings, each on its own; a `memcell.applications.prediction.Predictor`.

    Args:
        request: The trained network, its facts and the options.
        model: Made of them.

    Raises:
        UsageError: ``causal`` is asked for and the features look into the future.

    Attributes:
        columns: Columns of the summary.
        sidecar: What the name of a sidecar ends in; it says what made the results beside it.
    """

    imports: tuple[str, ...] = ("mne.io", "mne.io.edf.edf")
    columns: tuple[str, ...]
    sidecar: str

    def __init__(self, request: PredictionRequest, model: DetectionModel) -> None:
        self._model, self._out = model, request.out
        self._watched: WatchedFiles | None = None
        if request.causal:
            model.check_causal()

    def find(self, paths: Sequence[str]) -> list[RecordingFile]:
        """Return the recordings; see `memcell_eeg.prediction.sources.find_sources`.

        Raises:
            DataError: A path does not exist or holds no recording, or the folder holds the results of
                another model.
        """
        sources = find_sources(paths, but_not_in=self._out)
        outputs.check_folder(self._out, self._model.model_id, self.sidecar)
        return sources

    def check_folder(self) -> None:
        """Refuse the results of another model; see `memcell.applications.prediction.Watching`."""
        outputs.check_folder(self._out, self._model.model_id, self.sidecar)

    def look(self, paths: Sequence[str]) -> list[tuple[RecordingFile, object]]:
        """Return what is there now; see `memcell.applications.prediction.Watching`."""
        if self._watched is None:
            self._watched = WatchedFiles(self._out, outputs.names_known(self._out, self.sidecar))
        return self._watched.look(paths)

    def one(self, item: RecordingFile, infer: Infer) -> Record:
        """Predict one recording, or return the record of existing results."""
        base = {"recording": item.name, "file": str(item.path)}
        try:
            recording, lines = self._model.opened(item)
            origin = self._origin(item, recording)
            kept = self._kept(item, origin)
            if kept is not None:
                self._add(item, recording, kept, new=False)
                return {**kept, **base, "status": "done before"}
            record = {**base, **self._run(item, recording, infer), "status": "done"}
            if lines:
                record["note"] = "; ".join(filter(None, (*lines, record.get("note"))))
            self._add(item, recording, record, new=True)
            path = outputs.result_path(self._out, item.name, self.sidecar)
            self._write_sidecar(path, origin, record)
        except (DiskError, Interrupted):
            raise
        except (MemcellError, OSError) as error:
            return {**base, "status": "failed", **self._refused(item, error)}
        except Exception as error:
            # One strange file among ten thousand must not lose the others; its kind of error is named.
            return {**base, "status": "failed", "reason": f"{type(error).__name__}: {error}"}
        return record

    def finish(self, records: Sequence[Record]) -> None:
        """Write the summary."""
        outputs.write_summary(self._out, records, self.columns)

    def _refused(self, item: RecordingFile, error: Exception) -> Record:
        """Return why a recording is not predicted, and options under which it is, where there are such."""
        if not isinstance(error, DataError):
            return {"reason": str(error)}
        options, more = options_instead(self._model, item, error)
        reason = f"{error} And then: {more}" if more and more != str(error) else str(error)
        return {"reason": reason, **({"instead": options} if options else {})}

    def _origin(self, item: RecordingFile, recording: Recording) -> dict[str, Any]:
        """Return what the results depend on."""
        return self._model.origin(item, recording)

    def _kept(self, item: RecordingFile, origin: Mapping[str, Any]) -> Record | None:
        """Return the record of existing results, or None if they have to be computed.

        Raises:
            DataError: The name is taken by the results of another file.
        """
        found = outputs.read_sidecar(outputs.result_path(self._out, item.name, self.sidecar))
        if found is None:
            return None
        before = found["GeneratedBy"]
        if before.get("file") != origin["file"]:
            raise DataError(
                f"{self._out} already holds the results '{item.name}' of another file "
                f"({before.get('file')}); type another --out, or give both files at once."
            )
        complete = all(path.is_file() for path in self._files(item.name))
        return dict(found["Summary"]) if complete and before == origin else None

    def _add(  # noqa: B027 - most add nothing
        self, item: RecordingFile, recording: Recording, record: Record, new: bool
    ) -> None:
        """Write what stands beside the results and is none of them; ``new`` where they were just computed."""

    @abstractmethod
    def _files(self, name: str) -> Sequence[Path]:
        """Return the files that a recording's results consist of, the sidecar aside."""

    @abstractmethod
    def _run(self, item: RecordingFile, recording: Recording, infer: Infer) -> dict[str, Any]:
        """Write the results of one recording and return its part of the summary."""

    @abstractmethod
    def _write_sidecar(
        self, path: Path, origin: Mapping[str, Any], record: Mapping[str, Any]
    ) -> None:
        """Write what the results depend on, and their row of the summary."""
