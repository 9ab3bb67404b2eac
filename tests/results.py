"""Where the results of a recording lie in a folder of predictions, as its summary says."""

from __future__ import annotations

import csv
from pathlib import Path

from memcell_eeg.export.outputs import place_of, result_path


def result(out: Path, name: str, ending: str) -> Path:
    """Return the path of a result of the recording that the summary calls so."""
    with (out / "summary.tsv").open(encoding="utf-8") as file:
        rows = {row["recording"]: row for row in csv.DictReader(file, delimiter="\t")}
    return result_path(out, place_of(rows[name]), ending)
