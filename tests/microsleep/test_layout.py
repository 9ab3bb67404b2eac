"""Results as BIDS derivatives: names, places, what resumes, and what the standard's own validator says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import mne_bids
import pytest

from memcell.applications.labels import LabelOptions
from memcell.errors import DataError
from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.datasets.finding import label_file_beside
from memcell_data.datasets.simulated import Simulated
from memcell_data.labelling.sources import find_labels
from memcell_data.labels.predicted import prediction_of
from memcell_eeg.export.outputs import events_path
from memcell_eeg.prediction.bids_names import bids_names
from memcell_eeg.prediction.config import PredictConfig
from memcell_eeg.prediction.sources import find_sources
from memcell_eeg.reports.prediction.files import read_prediction
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

NAMES = (
    "sub-01/ses-1/eeg/sub-01_ses-1_task-rest_run-1_eeg.edf",
    "sub-01/ses-1/eeg/sub-01_ses-1_task-rest_run-2_eeg.edf",
    "sub-02/eeg/sub-02_task-rest_eeg.edf",
)


@pytest.fixture(scope="module")
def edf(tmp_path_factory):
    """A simulated EDF file of 1 min, and the facts of a model for it."""
    dataset = Simulated(SimulatedConfig(subjects=2, minutes=1))
    path = dataset.get(tmp_path_factory.mktemp("edf")) / "sim01.edf"
    config = MicrosleepConfig(split="time", channels=("O1", "O2"))
    return path, {**Microsleep(config, dataset).task().facts, "model_id": "m1"}


@pytest.fixture
def by_default(predicted):
    """Predict in the layout that a command has where none is typed."""
    return partial(predicted, layout="auto")


@pytest.fixture
def plain(edf, tmp_path):
    """A folder of recordings as a laboratory has it: people, nights, an umlaut, two of one name."""
    for name in (
        "P03_n1.edf",
        "P03_n2.edf",
        "Jürg Weiß/night1.edf",
        "Anna/night1.edf",
        "0047 psg.edf",
    ):
        (tmp_path / "plain" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(edf[0], tmp_path / "plain" / name)
    return tmp_path / "plain"


@pytest.fixture
def raw(edf, tmp_path):
    """A BIDS data set of three recordings."""
    root = tmp_path / "raw"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(edf[0], root / name)
    description = {"Name": "x", "BIDSVersion": "1.10.0", "DatasetType": "raw"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    return root


def paths(*names):
    return [Path("/data", name) for name in names]


def test_entities_of_a_data_set_are_kept():
    assert bids_names(paths(*NAMES)) == [
        "sub-01_ses-1_task-rest_run-1",
        "sub-01_ses-1_task-rest_run-2",
        "sub-02_task-rest",
    ]
    long = bids_names(paths(f"{'a' * 240}.edf", f"{'a' * 239}b.edf"))
    assert len(set(long)) == 2
    assert max(map(len, long)) < 120
    assert bids_names(paths("sub-01/eeg/sub-01_task-rest_acq-a_desc-clean_eeg.edf")) == [
        "sub-01_task-rest_acq-aclean"
    ]


def test_others_get_the_subject_of_a_split_and_no_two_one_name():
    found = bids_names(
        paths("Patient 1/night1.edf", "Patient 2/night1.edf", "Jürg Weiß.edf", "Jurg Weiss.edf", "s01.edf",
              "S01.edf", "被験者.edf", "P03_n1.edf", "P03_n2.edf", "P03_n2.bdf")
    )  # fmt: skip
    assert found[:2] == [
        "sub-Patient1_ses-night1_task-unknown",
        "sub-Patient2_ses-night1_task-unknown",
    ]
    assert found[7:] == [
        "sub-P03_ses-n1_task-unknown",
        "sub-P03_ses-n2_task-unknown_acq-edf",
        "sub-P03_ses-n2_task-unknown_acq-bdf",
    ]
    assert len({name.casefold() for name in found}) == len(found)
    subjects = [name.split("_")[0].casefold() for name in found]
    assert len(set(subjects[:8])) == 8
    assert subjects[7] == subjects[8] == subjects[9]
    assert all(
        re.fullmatch(r"sub-[0-9A-Za-z]+(_ses-[0-9A-Za-z]+)?_task-[a-z]+(_acq-[0-9A-Za-z]+)?", n)
        for n in found
    )
    known = {Path("/data/S01.edf"): "sub-x_task-y"}
    assert bids_names(paths("S01.edf", "P03_n1.edf"), known) == [
        "sub-x_task-y",
        "sub-P03_ses-n1_task-unknown",
    ]


def test_a_label_of_two_data_sets_is_of_two_people():
    one = "sub-01/eeg/sub-01_task-rest_eeg.edf"
    assert bids_names(paths(f"a/{one}", f"b/{one}", "b/sub-02/eeg/sub-02_task-rest_eeg.edf")) == [
        "sub-a01_task-rest",
        "sub-b01_task-rest",
        "sub-b02_task-rest",
    ]


def test_a_bids_data_set_gives_derivatives_that_resume_and_are_read(edf, raw, by_default, net):
    out = raw / "derivatives" / "memcell"
    records = by_default([raw], edf[1], out)
    assert [r["status"] for r in records] == ["done"] * 3
    prefix = "sub-01/ses-1/eeg/sub-01_ses-1_task-rest_run-2_desc-microsleep"
    assert {f"{prefix}_{e}" for e in ("events.tsv", "events.json", "probability.tsv", "probability.json",
                                      "annot.txt")} <= {
        p.relative_to(out).as_posix() for p in out.rglob("*")
    }  # fmt: skip
    described = json.loads((out / "dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["GeneratedBy"][0]["Name"] == "memcell"
    assert described["SourceDatasets"] == [{"URL": raw.as_uri()}]
    again = net()
    assert [r["status"] for r in by_default([raw], edf[1], out, again)] == ["done before"] * 3
    assert again.calls == 0
    found = read_prediction(out)
    assert not found.unread
    assert len(found.strips[0].times) > 200
    assert found.origin["model_id"] == "m1"
    # mne-bids finds them by their entities
    (path,) = mne_bids.find_matching_paths(
        out, subjects="01", runs="2", descriptions="microsleep", suffixes="events",
        extensions=".tsv", check=False,
    )  # fmt: skip
    assert path.fpath == events_path(out, "sub-01_ses-1_task-rest_run-2")
    with pytest.raises(DataError, match="results of another model"):
        by_default([raw], {**edf[1], "model_id": "m2"}, out)


def test_layouts_are_not_mixed_and_no_foreign_data_set_is_written_into(edf, raw, by_default):
    with pytest.raises(DataError, match=r"did not write; type .*derivatives/memcell-microsleep"):
        by_default([raw], edf[1], raw)
    flat, bids = raw.parent / "flat", raw.parent / "bids"
    by_default([raw], edf[1], flat, options=PredictConfig(layout="flat"))
    assert (flat / "sub-02_task-rest_eeg_events.tsv").is_file()
    assert {r["status"] for r in by_default([raw], edf[1], flat)} == {"done before"}
    with pytest.raises(DataError, match="beside each other"):
        by_default([raw], edf[1], flat, options=PredictConfig(layout="bids"))
    by_default([edf[0]], edf[1], bids, options=PredictConfig(layout="bids"))
    assert (bids / "sub-sim01/eeg/sub-sim01_task-unknown_desc-microsleep_events.tsv").is_file()
    with pytest.raises(DataError, match="holds BIDS derivatives"):
        by_default([edf[0]], edf[1], bids, options=PredictConfig(layout="flat"))
    # a folder of recordings does not become a data set of results
    beside = raw.parent / "beside"
    shutil.copytree(edf[0].parent, beside)
    by_default([beside / "sim01.edf"], edf[1], beside)
    assert (beside / "sim01_events.tsv").is_file()
    assert not (beside / "dataset_description.json").exists()
    with pytest.raises(DataError, match="holds the recordings"):
        by_default([raw / NAMES[0]], edf[1], raw / "sub-01", options=PredictConfig(layout="bids"))


def test_a_folder_of_recordings_gives_derivatives_that_say_which_file_they_are_of(
    edf, plain, by_default, net
):
    out = plain.parent / "found"
    records = by_default([plain], edf[1], out)
    assert {r["recording"]: r["results"] for r in records} == {
        "0047 psg": "sub-0047psg_task-unknown",
        "Anna_night1": "sub-Anna_ses-night1_task-unknown",
        "Jürg Weiß_night1": "sub-JurgWeiss_ses-night1_task-unknown",
        "P03_n1": "sub-P03_ses-n1_task-unknown",
        "P03_n2": "sub-P03_ses-n2_task-unknown",
    }
    events = out / "sub-P03/ses-n2/eeg/sub-P03_ses-n2_task-unknown_desc-microsleep_events.tsv"
    assert prediction_of(events)["file"] == str(plain / "P03_n2.edf")
    again = net()
    assert [r["status"] for r in by_default([plain], edf[1], out, again)] == ["done before"] * 5
    assert again.calls == 0
    found = read_prediction(out)
    assert [row["recording"] for row in found.rows] == [r["recording"] for r in records]
    assert not found.unread
    # whatever reads a folder of results finds the recording of each
    sources, _ = find_labels(str(out), LabelOptions())
    assert {s.recording for s in sources} == {r.path for r in find_sources([str(plain)])}
    assert label_file_beside(plain / "P03_n2.edf", out) == events
    same = [s.name for s in sources if s.recording.stem == "night1"]
    assert len(set(same)) == 2
    # one more of a name that is taken, by another call
    shutil.copy(edf[0], plain.parent / "P03_n1.edf")
    (more,) = by_default([plain.parent / "P03_n1.edf"], edf[1], out)
    assert (more["status"], len(read_prediction(out).rows)) == ("done", 6)


@pytest.mark.slow
@pytest.mark.parametrize("given", ["raw", "plain"])
def test_the_validator_of_the_standard_has_no_objection(edf, given, request, by_default):
    pytest.importorskip("bids_validator_deno", reason="bids-validator-deno is not installed")
    folder = request.getfixturevalue(given)
    out = folder.parent / "out"
    by_default([folder], edf[1], out, export=["edf"])
    for name in ("summary.tsv", "report.html", "prediction.json"):
        assert (out / name).exists() or (out / name).write_text("x")
    said = subprocess.run(
        [sys.executable, "-c", "import bids_validator_deno as v; v.cli()", "--format", "json", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    issues = json.loads(said.stdout)["issues"]["issues"]
    assert [i for i in issues if i["severity"] == "error"] == []
    assert said.returncode == 0
    if given == "plain":
        return
    (out / "sub-02" / "eeg" / "sub-02_oops.tsv").write_text("x\n")  # it does look
    said = subprocess.run(
        [sys.executable, "-c", "import bids_validator_deno as v; v.cli()", "--format", "json", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert '"error"' in said.stdout
