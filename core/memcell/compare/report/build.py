"""Everything that a comparison's records tell, written into its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def build_report(folder: Path, say: Callable[[str], None]) -> None:
    """Make the tables, the pictures and ``report.html`` of a comparison.

    Reads what lies in the folder and nothing else, finished or not; the same folder gives the same bytes.
    Writes ``runs.tsv``, ``subjects.tsv``, ``summary.tsv``, ``comparisons.tsv``, ``curves.tsv``,
    ``results.json``, ``figures/*.png`` and ``report.html``.

    Args:
        folder: Of the comparison; see `memcell.compare.records`.
        say: Receives lines for the person.

    Raises:
        DataError: It is no folder of a comparison.
        MemcellError: It cannot be written.
    """
    # Here, because listings and help import the package and must not pay for numpy.
    from memcell.compare.report.figures.drawn import draw
    from memcell.compare.report.findings import find, told, write_numbers
    from memcell.compare.report.page import page
    from memcell.files.atomic import write_atomic
    from memcell.files.reading import check_inside

    check_inside(folder / "figures", folder)
    found = find(folder)
    write_numbers(found)
    drawn = draw(found)
    for d in drawn:
        write_atomic(folder / "figures" / f"{d.name}.png", d.png)
    for old in (folder / "figures").glob("*.png"):
        if old.stem not in {d.name for d in drawn}:
            old.unlink()
    write_atomic(folder / "report.html", page(found, drawn))
    for line in told(found):
        say(line)
    say(f"report: {folder / 'report.html'}")
