"""The frame of a prediction: recordings one by one, results that exist kept, failures named."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memcell.applications.prediction import Incomplete, Infer, PredictionRequest, Record
from memcell.errors import DataError, DiskError, MemcellError
from memcell.interrupt import Interrupted
from memcell_data.formats.incomplete import missing_of
from memcell_data.formats.reader import companions, fingerprint
from memcell_data.recording import Recording
from memcell_eeg.export import outputs
from memcell_eeg.prediction.instead import options_instead
from memcell_eeg.prediction.model import DetectionModel
from memcell_eeg.prediction.sources import RecordingFile, find_sources
from memcell_eeg.prediction.watched import WatchedFiles

#: What reads the formats that are not read without MNE.
_MNE, _WITHOUT_MNE = ("mne.io",), (".edf", ".bdf", ".mat")


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

    imports: tuple[str, ...] = _MNE
    columns: tuple[str, ...]
    sidecar: str

    def __init__(self, request: PredictionRequest, model: DetectionModel) -> None:
        self._model, self._out = model, request.out
        self._watched: WatchedFiles | None = None
        self._reading = _typed(request.options)
        if request.causal:
            model.check_causal()

    def find(self, paths: Sequence[str]) -> list[RecordingFile]:
        """Return the recordings; see `memcell_eeg.prediction.sources.find_sources`.

        Raises:
            DataError: A path does not exist or holds no recording, or the folder holds the results of
                another model.
        """
        sources = find_sources(paths, but_not_in=self._out)
        if all(item.path.suffix.lower() in _WITHOUT_MNE for item in sources):
            self.imports = ()
        outputs.check_folder(self._out, self._model.model_id, self.sidecar)
        return sources

    def check_folder(self) -> None:
        """Refuse the results of another model; see `memcell.applications.prediction.Watching`."""
        outputs.check_folder(self._out, self._model.model_id, self.sidecar)

    def look(self, paths: Sequence[str]) -> list[tuple[RecordingFile, object]]:
        """Return what is there now; see `memcell.applications.prediction.Watching`."""
        if self._watched is None:
            known = outputs.names_known(self._out, self.sidecar).recordings
            self._watched = WatchedFiles(self._out, known)
        return self._watched.look(paths)

    def incomplete(self, item: RecordingFile) -> Incomplete | None:
        """Return what of a recording is not there; see `memcell.applications.prediction.Awaiting`."""
        what = missing_of(item.path)
        if not what:
            return None
        changed = max(path.stat().st_mtime for path in [item.path, *companions(item.path)])
        return Incomplete(what=what, rested=time.time() - changed)

    def one(self, item: RecordingFile, infer: Infer) -> Record:
        """Predict one recording, or return the record of existing results."""
        base = {"recording": item.name, "file": str(item.path)}
        if item.results:
            base["results"] = item.results
        try:
            recording, lines = self._model.opened(item)
            origin = self._origin(item, recording.fingerprint)
            kept = self._kept(item, origin)
            if kept is not None:
                self._add(item, recording, kept, new=False)
                return {**kept, **base, "status": "done before"}
            record = {**base, **self._run(item, recording, infer), "status": "done"}
            record["read_with"] = {"stamp": _stamp(item.path), **self._reading}
            if lines:
                record["note"] = "; ".join(filter(None, (*lines, record.get("note"))))
            self._add(item, recording, record, new=True)
            path = outputs.result_path(self._out, item.place, self.sidecar)
            self._write_sidecar(path, origin, record)
        except (DiskError, Interrupted):
            raise
        except (MemcellError, OSError) as error:
            before = self._done_otherwise(item) if isinstance(error, DataError) else None
            read_with = _options_of(before)
            if before is not None and self._reading in ({}, read_with):
                said = f"done before with {_as_typed(read_with)}, and stays done"
                note = "; ".join(filter(None, (said, before.get("note"))))
                return {**before, **base, "status": "done before", "note": note}
            refused = self._refused(item, error)
            if before is not None:  # what was typed now asks for other results than those
                stays = f"The results made before with {_as_typed(read_with)} stay as they are."
                refused = {**refused, "reason": f"{refused['reason']} ({stays})"}
            return {**base, "status": "failed", **refused}
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

    def _done_otherwise(self, item: RecordingFile) -> Record | None:
        """Return the record of results that other options of reading made of a recording that is refused.

        What was done stays done, as long as it is of this file as it is now, of this model, its threshold and
        its rules of events.
        """
        found = outputs.read_sidecar(outputs.result_path(self._out, item.place, self.sidecar))
        if found is None or not all(path.is_file() for path in self._files(item.place)):
            return None
        record = dict(found["Summary"])
        read_with = record.get("read_with")
        if not isinstance(read_with, Mapping) or read_with.get("stamp") != _stamp(item.path):
            return None
        now, before = self._origin(item, ""), dict(found["GeneratedBy"])
        for name in ("fingerprint", "reference"):
            now.pop(name, None)
            before.pop(name, None)
        if now != before:
            return None
        return record

    def _origin(self, item: RecordingFile, fingerprint: str) -> dict[str, Any]:
        """Return what the results depend on."""
        return self._model.origin(item, fingerprint)

    def _kept(self, item: RecordingFile, origin: Mapping[str, Any]) -> Record | None:
        """Return the record of existing results, or None if they have to be computed.

        Raises:
            DataError: The name is taken by the results of another file.
        """
        found = outputs.read_sidecar(outputs.result_path(self._out, item.place, self.sidecar))
        if found is None:
            return None
        before = found["GeneratedBy"]
        if before.get("file") != origin["file"]:
            raise DataError(
                f"{self._out} already holds the results '{item.name}' of another file "
                f"({before.get('file')}); type another --out, or give both files at once."
            )
        complete = all(path.is_file() for path in self._files(item.place))
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


def _typed(options: Any) -> dict[str, str]:
    """Return the options of reading that were typed, as they are typed."""
    values = {name: getattr(options, name, "") for name in ("unit", "rename", "reference")}
    return {
        name: value if isinstance(value, str) else ",".join(value)
        for name, value in values.items()
        if value
    }


def _options_of(record: Record | None) -> dict[str, str]:
    """Return the options of reading that results were made with, as they were typed; none without results."""
    read_with = dict(record["read_with"]) if record is not None else {}
    return {str(name): str(value) for name, value in read_with.items() if name != "stamp"}


def _as_typed(options: Mapping[str, str]) -> str:
    return " ".join(f"--{name} {value}" for name, value in options.items()) or "other options"


def _stamp(path: Path) -> str:
    """Return what changes when the files of a recording do; empty for a recording that is none of files."""
    return fingerprint([path, *companions(path)]) if os.path.lexists(path) else ""
