"""What a prediction found, recording by recording, as it is to be corrected."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memcell.applications.labels import LabelOptions, ReviewRequest
from memcell.errors import UsageError, did_you_mean
from memcell_data.datasets.finding import below, recordings_in
from memcell_data.formats.reader import stem
from memcell_data.labelling.sources import (
    LabelSource,
    SourceLabels,
    key_of,
    read_source,
)
from memcell_data.labels.predicted import prediction_of

SIDECAR = "_events.json"
#: What every BIDS data set has.
DESCRIPTION = "dataset_description.json"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found in one recording.

    Args:
        events: The table of events.
        recording: What they were found in.
        origin: What the sidecar says of the model and the file.
    """

    events: Path
    recording: Path
    origin: dict[str, Any]

    @property
    def name(self) -> str:
        """The recording's name, by which label files are matched."""
        return stem(self.recording)

    @property
    def called(self) -> str:
        """What a screen calls it, where the name of its file is one of BIDS derivatives."""
        return self.name if "_desc-" in self.events.name else ""

    @property
    def app(self) -> str:
        """The application that found them."""
        return str(self.origin.get("Name", "")).removeprefix("memcell ").split(" ")[0] or "APP"


def found_in(request: ReviewRequest) -> tuple[list[Found], list[str]]:
    """Return what was found in each recording, and why some cannot be reviewed.

    Raises:
        UsageError: What was typed is no prediction, or a name of ``--only`` is not among them.
    """
    given = Path(request.found).expanduser()
    if given.is_file():
        tables = [given]
    elif given.is_dir():
        tables = sorted(
            table
            for path in below(given)
            if path.name.endswith(SIDECAR) and (table := path.with_suffix(".tsv")).is_file()
        )
    else:
        raise UsageError(
            f"'{request.found}' is not there; type the folder of 'memcell predict --out'"
        )
    found, missing = [], []
    for table in tables:
        origin = prediction_of(table)
        if origin is None:
            continue
        recording = _recording(Path(str(origin.get("file", ""))), request.options)
        if recording is None:
            missing.append(
                f"{table.name}: its recording '{origin.get('file')}' is not there: say where it lies now "
                "with --recordings"
            )
        else:
            found.append(Found(events=table, recording=recording, origin=origin))
    if not found and not missing:
        raise UsageError(
            f"'{request.found}' holds no prediction of memcell (NAME_events.tsv with its NAME{SIDECAR}); "
            "type the folder of 'memcell predict --out'"
        )
    names = [f.name for f in found]
    for name in request.only:
        if name not in names:
            raise UsageError(f"--only: there is no '{name}'.{did_you_mean(name, names)}")
    found = [f for f in found if not request.only or f.name in request.only]
    twice = next((n for n, count in Counter(f.name for f in found).items() if count > 1), None)
    if twice is not None:
        raise UsageError(
            f"two recordings are called '{twice}', and labels go by that name: review the events of one, by "
            "its file, with an --out of its own"
        )
    return found, missing


def _recording(path: Path, options: LabelOptions) -> Path | None:
    """Return a recording where it was, or where a person says that it lies now."""
    if not options.recordings:
        return path if path.exists() else None
    where = Path(options.recordings).expanduser()
    if not where.exists():
        raise UsageError(f"--recordings '{options.recordings}' is not there")
    candidates = [where] if where.is_file() else recordings_in(where)
    same = [p for p in candidates if p.name == path.name] or [
        p for p in candidates if key_of(stem(p)) == key_of(stem(path))
    ]
    return same[0] if len(same) == 1 else None


def beside(found: str, word: str) -> Path:
    """Return a folder beside the prediction, or beside the data set that it lies in.

    Args:
        found: What was typed.
        word: What its name has behind a dash.
    """
    given = Path(found).expanduser()
    folder = given.parent if given.is_file() else given
    if given.is_file():  # of BIDS derivatives the folder of the data set, not that of a subject
        above = (p for p in given.absolute().parents[:4] if (p / DESCRIPTION).is_file())
        folder = next(above, folder)
    if folder.name in ("", ".."):
        folder = folder.resolve()
    return folder.parent / f"{folder.name}-{word}"


def corrected_path(found: Found, out: Path) -> Path:
    """Return where the corrected labels of a recording go: by its name, as BIDS has it."""
    return out / f"{re.sub(r'_(?:eeg|ieeg)$', '', found.name)}_events.tsv"


def labels_of(found: Found, options: LabelOptions) -> SourceLabels:
    """Return the events as they were found."""
    return read_source(LabelSource(path=found.events, recording=found.recording), options)


def typed_path(path: Path) -> str:
    """Return a path as a person would type it here."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
