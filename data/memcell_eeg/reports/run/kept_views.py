"""The signals of test recordings, kept with a run so that its report scrolls through them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from memcell.applications.app import Task
from memcell.files.names import file_names
from memcell_data.recording import Recording
from memcell_eeg.export.views import how_many, keep_view, labels_of, view_path
from memcell_eeg.features.precomputed import pipeline_of
from memcell_eeg.signal.channels import locate


def keep_views(folder: Path, task: Task, recordings: Sequence[Recording], which: str) -> None:
    """Write the views of a run's test recordings; a failure does not affect the run.

    Args:
        folder: The run's.
        task: Its test split and facts.
        recordings: To read from.
        which: A word of `memcell_eeg.export.views.WORDS`.
    """
    try:
        # a split by time has put the part behind the recording's name
        named = {r.name: r for r in recordings}
        names = [s.name for s in task.test]
        kept = [(n, named.get(n) or named.get(n.removesuffix("@test"))) for n in names]
        files = file_names(names)
        channels = pipeline_of(task.facts["pipeline"]).channels
        for k in range(how_many(which, len(kept))):
            name, recording = kept[k]
            if recording is None:
                continue
            used = () if recording.features is not None else locate(channels, recording)
            names_used = [c.name for c in used]
            keep_view(
                view_path(folder, files[k]), recording, names_used, labels_of(recording), name
            )
    except Exception as error:
        # a picture's trouble must not take a finished training with it
        warnings.warn(f"no views were kept for the report: {error}", RuntimeWarning, stacklevel=2)
