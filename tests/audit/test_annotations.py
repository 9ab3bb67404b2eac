"""Events on the signal as MNE shows it: a burst of known place stands inside the annotation."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.labels.reading import labels_in
from memcell_eeg.export.outputs import joined_by_mne, write_annotations
from memcell_eeg.scores.detector import DetectedEvent


@pytest.mark.parametrize("gaps", [{}, {20: 7.0, 40: 3.5}])
def test_an_annotation_lies_on_its_event_in_mne(tmp_path, gaps) -> None:
    rate, at, onsets = 100, 0.0, []
    for record in range(60):
        at += gaps.get(record, 0.0)
        onsets.append(at + record)
    x = np.random.default_rng(0).normal(size=60 * rate) * 10
    bursts = [5, 25, 50]  # records
    for b in bursts:
        x[b * rate : (b + 1) * rate] += 200
    path = tmp_path / "night.edf"
    write_edf(
        path,
        [Track(name="O1", values=x, rate=rate, physical=(-400.0, 400.0))],
        seconds=1.0,
        onsets=onsets,
    )
    events = [DetectedEvent(onset=onsets[b], duration=1.0, highest=0.9, mean=0.8) for b in bursts]
    write_annotations(tmp_path / "night_annot.txt", events, "microsleep", joined_by_mne(path))
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    raw.set_annotations(mne.read_annotations(tmp_path / "night_annot.txt"))
    assert len(raw.annotations) == len(bursts)
    back = labels_in(path, tmp_path / "night_annot.txt").intervals
    assert [i.onset for i in back] == pytest.approx([e.onset for e in events])
    for part in raw.crop_by_annotations(verbose="error"):
        assert part.get_data().mean() == pytest.approx(200e-6, abs=10e-6)
