"""Where the results of a prediction lie: flat beside each other, or as a BIDS derivatives data set.

As BIDS derivatives, which is the default, NAME is made of BIDS entities (``sub-01_ses-1_task-rest``) and the
files are ``sub-01/ses-1/eeg/NAME_desc-microsleep_events.tsv``; a ``dataset_description.json`` says what made
them. Flat, the files of recording NAME are ``NAME_events.tsv`` and so on. Which of both a folder has is told
from that file, so that whoever has folder and name finds the results.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memcell.errors import DataError, MemcellError
from memcell.files.atomic import make_folder, write_atomic
from memcell.files.reading import read_object
from memcell.version import __version__

DESCRIPTION = "dataset_description.json"
#: What the files of a data set are called that the standard does not know.
_IGNORED = (
    "*_probability.tsv", "*_probability.json", "*_annot.txt", "*_detected.edf", "*_filled.edf",
    "*_hypnogram.txt", "*.html", "summary.tsv", "study.tsv", "prediction.json", "views",
)  # fmt: skip
_README = """Events that memcell found in EEG, as BIDS derivatives.

*_events.tsv        onset, duration (s from the recording's first sample), kind, largest and mean probability
*_events.json       the columns, and the model and the recording that they come from
*_probability.tsv   onset, probability and decision of every step
*_annot.txt         the events for mne.read_annotations
summary.tsv         a row a recording, failed ones with the reason: what it is called, the file that it is of,
                    and under 'results' what the names here begin with
"""
_ENTITY = re.compile(r"(?:^|_)(sub|ses)-([^_]+)")


@dataclass(frozen=True, kw_only=True)
class ResultLayout:
    """Where the results of recordings lie in a folder.

    Args:
        out: The folder.
        desc: Label of the entity ``desc``; empty for flat.
    """

    out: Path
    desc: str = ""

    def path(self, name: str, ending: str) -> Path:
        """Return the path of a result.

        Args:
            name: Of the recording.
            ending: Such as ``"_events.tsv"``.
        """
        if not self.desc:
            return self.out / f"{name}{ending}"
        folders = [f"{key}-{label}" for key, label in _ENTITY.findall(name)]
        return self.out.joinpath(*folders, "eeg", f"{name}_desc-{self.desc}{ending}")

    def name(self, path: Path, ending: str) -> str:
        """Return the name of the recording that a result is of; the other way round of `path`."""
        return path.name.removesuffix(ending).removesuffix(
            f"_desc-{self.desc}" if self.desc else ""
        )

    def all(self, ending: str) -> Iterator[Path]:
        """Yield the results of all recordings that end so, sorted."""
        pattern = f"sub-*/**/*_desc-{self.desc}{ending}" if self.desc else f"*{ending}"
        yield from sorted(self.out.glob(pattern))


def layout_of(out: Path) -> ResultLayout:
    """Return the layout of a folder of results; flat where nothing says otherwise."""
    ours = _ours(out / DESCRIPTION)
    return ResultLayout(out=out, desc="" if ours is None else str(ours.get("desc", "")))


def choose_layout(
    out: Path, wanted: str, recordings: Sequence[Path], event: str
) -> tuple[ResultLayout, str]:
    """Return the layout for results in a folder, which may hold some, and what the person should know of it.

    Args:
        out: The folder.
        wanted: ``"bids"``, ``"flat"``, or ``"auto"``: as what lies there, else BIDS derivatives; flat where
            the recordings lie there themselves, for that folder must not become a data set of results.
        recordings: What is predicted.
        event: What is detected.

    Raises:
        DataError: It holds results in the other layout, or recordings.
    """
    there, said = layout_of(out), ""
    flat = not there.desc and _holds_flat(there)
    beside = not there.desc and any(out in path.parents for path in recordings)
    if wanted == "auto":
        wanted = "flat" if flat or beside else "bids"
        if flat:
            said = (
                "the folder holds results beside each other (flat), and goes on so; another --out gets BIDS "
                "derivatives"
            )
        elif beside:
            said = (
                "recordings lie in --out themselves, so results lie flat in it; an --out of their own gets "
                "BIDS derivatives"
            )
    elif wanted == "bids" and beside and not flat:
        raise DataError(
            f"--out '{out}' holds the recordings; type another --out for BIDS derivatives, or leave out "
            "--layout bids."
        )
    if wanted == "flat" and there.desc:
        raise DataError(
            f"--out '{out}' holds BIDS derivatives; type another --out, or leave out --layout flat."
        )
    if wanted == "bids" and flat:
        raise DataError(
            f"--out '{out}' holds results beside each other; type another --out, or leave out --layout bids."
        )
    return ResultLayout(out=out, desc=_label(event) if wanted == "bids" else ""), said


def _holds_flat(layout: ResultLayout) -> bool:
    """Whether a flat folder has results of memcell, and not just a sidecar of somebody's events."""
    made = (_read(path).get("GeneratedBy") for path in layout.all("_events.json"))
    return any(isinstance(m, dict) and str(m.get("Name")).startswith("memcell") for m in made)


def check_own(out: Path, event: str) -> None:
    """Refuse a BIDS data set of somebody else's.

    Raises:
        DataError: It is one; says what to type.
    """
    if os.path.lexists(out / DESCRIPTION) and not layout_of(out).desc:
        raw = _read(out / DESCRIPTION).get("DatasetType", "raw") == "raw"
        place = (out / "derivatives" if raw else out.parent) / f"memcell-{_label(event)}"
        raise DataError(
            f"--out '{out}' is a BIDS data set that memcell did not write; type a folder of its own, such as "
            f"--out '{place}'."
        )


def describe(layout: ResultLayout, app: str, model_id: str, sources: Sequence[Path]) -> None:
    """Write what makes a folder a BIDS derivatives data set; what it said before of sources stays.

    Args:
        layout: Of the folder.
        app: Name of the application.
        model_id: Of the model.
        sources: Folders of the data sets that were predicted.

    Raises:
        MemcellError: It cannot be written.
    """
    path = layout.out / DESCRIPTION
    before = _read(path).get("SourceDatasets")
    listed = before if isinstance(before, list) else []
    known = [s["URL"] for s in listed if isinstance(s, dict) and isinstance(s.get("URL"), str)]
    urls = dict.fromkeys([*known, *(s.absolute().as_uri() for s in sources)])
    content = {
        "Name": f"memcell {app}: events found in EEG",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "memcell",
                "Version": __version__,
                "Description": f"memcell predict {app}, model {model_id}",
                "desc": layout.desc,
            }
        ],
        "SourceDatasets": [{"URL": url} for url in urls],
    }
    make_folder(layout.out)
    text = json.dumps(content, indent=2) + "\n"
    for name, new in (
        (DESCRIPTION, text),
        (".bidsignore", "\n".join(_IGNORED) + "\n"),
        ("README", _README),
    ):
        file = layout.out / name
        if not file.is_file() or (name == DESCRIPTION and file.read_text(encoding="utf-8") != new):
            write_atomic(file, new)


def _read(path: Path) -> Mapping[str, Any]:
    """Return what a description says; nothing where there is none, or one that cannot be read."""
    try:
        return read_object(path)
    except MemcellError:
        return {}


def _ours(path: Path) -> Mapping[str, Any] | None:
    """Return what memcell says of itself in a description; None where it is not ours or there is none."""
    made = _read(path).get("GeneratedBy")
    for each in made if isinstance(made, list) else ():
        if isinstance(each, dict) and each.get("Name") == "memcell" and each.get("desc"):
            return each
    return None


def _label(event: str) -> str:
    """Return a word as a BIDS label: letters and digits."""
    return re.sub(r"[^0-9A-Za-z]", "", event) or "events"
