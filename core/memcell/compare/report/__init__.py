"""Statistics, tables, figures and a page of a comparison, made from its folder alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def build_report(folder: Path, say: Callable[[str], None]) -> None:
    """Make the tables, the figures and ``report.html`` of a comparison.

    Reads what lies in the folder and nothing else, finished or not; the same folder gives the same bytes.
    Writes ``runs.tsv``, ``subjects.tsv``, ``summary.tsv``, ``comparisons.tsv``, ``curves.tsv``,
    ``results.json``, ``figures/*.svg`` and ``report.html``.

    Args:
        folder: Of the comparison; see `memcell.compare.records`.
        say: Receives lines for the person.

    Raises:
        DataError: It is no folder of a comparison.
        MemcellError: It cannot be written.
    """
    # Here, because listings and help import the package and must not pay for numpy.
    from memcell.compare.report.figures import draw
    from memcell.compare.report.findings import find, messages, write_numbers
    from memcell.compare.report.page import page
    from memcell.files.atomic import write_atomic
    from memcell.files.reading import check_inside
    from memcell.reports.page import standalone

    check_inside(folder / "figures", folder)
    found = find(folder)
    write_numbers(found)
    drawn = draw(found)
    files = {
        f"{d.name}{f'_{i + 1}' * (len(d.panels) > 1)}": standalone(svg)
        for d in drawn
        for i, svg in enumerate(d.panels)
    }
    for name, svg in files.items():
        write_atomic(folder / "figures" / f"{name}.svg", svg)
    # of an earlier report, also those that version 0.1 wrote
    for old in [*(folder / "figures").glob("*.svg"), *(folder / "figures").glob("*.png")]:
        if old.suffix != ".svg" or old.stem not in files:
            old.unlink()
    write_atomic(folder / "report.html", page(found, drawn))
    for line in messages(found):
        say(line)
    say(f"report: {folder / 'report.html'}")
