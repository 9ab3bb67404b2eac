"""Labels that a detector made and nobody has looked at: how they are known from a person's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from memcell.errors import DataError
from memcell_data.content import begins_as_edf, first_bytes
from memcell_data.formats.reader import stem


def was_predicted(labels: Path) -> bool:
    """Whether labels are what ``memcell predict`` wrote, and nobody has corrected them.

    Its sidecar says so, a table's columns of probabilities, or a remark in XML and EDF; a program in which
    somebody corrects them writes none of these.
    """
    return _says_predicted(labels) or prediction_of(labels) is not None


def prediction_of(labels: Path) -> dict[str, Any] | None:
    """Return what the sidecar of predicted events says of their origin; None where it is none."""
    if labels.suffix.lower() not in (".tsv", ".txt"):
        return None  # an export says it itself
    name = re.sub(r"_(?:events|annot)$", "", stem(labels))
    sidecar = labels.parent / f"{name}_events.json"
    try:
        generator = json.loads(sidecar.read_text(encoding="utf-8")).get("GeneratedBy")
    except (OSError, ValueError, AttributeError):
        return None
    known = isinstance(generator, dict) and "memcell" in json.dumps(generator).lower()
    return generator if known else None


def predicted_in(folder: Path) -> dict[Path, Path]:
    """Return the events that memcell predicted into BIDS derivatives, by the recording; else nothing.

    Args:
        folder: The data set of the derivatives.
    """
    try:
        about = json.loads((folder / "dataset_description.json").read_text(encoding="utf-8"))
        made = about.get("GeneratedBy")
    except (OSError, ValueError, AttributeError):
        return {}
    if "memcell" not in json.dumps(made).lower():
        return {}
    found = {}
    for events in sorted(folder.glob("sub-*/**/*_events.tsv")):
        if recording := predicted_of(events):
            found[recording] = events
    return found


def predicted_of(labels: Path) -> Path | None:
    """Return the recording that a file of predictions is of; None where it is none, or does not say."""
    if labels.suffix.lower() == ".tsv":
        origin = prediction_of(labels)
    else:
        base = re.sub(r"_(?:annot|hypnogram|detected|filled)$", "", stem(labels))
        origin = prediction_of(labels.with_name(f"{base}_events.tsv"))
    file = (origin or {}).get("file")
    return Path(file) if isinstance(file, str) and file else None


def _says_predicted(labels: Path) -> bool:
    """Whether a file itself says that memcell predicted what it holds."""
    try:
        head = first_bytes(labels, 1 << 14)
    except DataError:
        return False
    if not begins_as_edf(head):
        first = head.partition(b"\n")[0]
        return b"\tprobability_max" in first or b"<!-- predicted by memcell -->" in head[:200]
    if b"predicted_by_memcell" in head[:256]:
        return True
    # an export of a prediction has its probability as one more channel
    return b" memcell" in head[88:168] and b" prob " in head[256:]
