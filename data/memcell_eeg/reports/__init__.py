"""``report.html`` of a training run or of a prediction, built from its files alone.

`build` finds out which of the two a folder is. The pages stand alone: nothing is fetched, and what
scripts there are is in them.
"""

from __future__ import annotations

from pathlib import Path

from memcell.errors import DataError
from memcell_eeg.task import EegTask

REPORT = "report.html"


def build(folder: Path, task: EegTask) -> Path:
    """Write ``report.html`` into a run folder, a leave-one-subject-out folder or a prediction folder.

    Args:
        folder: The folder; finished or not.
        task: What is detected.

    Returns:
        The page.

    Raises:
        DataError: It is none of them.
        MemcellError: The page cannot be written.
    """
    # Here, because listings and help import the package and must not pay for numpy.
    from memcell.files.atomic import write_atomic
    from memcell_eeg.reports.views import writer

    if (folder / "config.toml").is_file() or (folder / "folds").is_dir():
        from memcell_eeg.reports.run.files import read_run
        from memcell_eeg.reports.run.page import run_page

        write_atomic(folder / REPORT, run_page(read_run(folder, task), writer(folder)))
    elif (folder / "summary.tsv").is_file():
        from memcell_eeg.reports.prediction.files import read_prediction
        from memcell_eeg.reports.prediction.page import prediction_page
        from memcell_eeg.reports.prediction.study import write_study

        # twice: the report leads to the index, and the index to the report and the pages of single recordings
        write_study(folder)
        page = prediction_page(read_prediction(folder), task, writer(folder))
        write_atomic(folder / REPORT, page)
        write_study(folder, page)
    else:
        raise DataError(
            f"'{folder}' is neither a training run (it has no config.toml) nor a prediction (it has no "
            "summary.tsv)"
        )
    return folder / REPORT
