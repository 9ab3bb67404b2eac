"""The trained model in Python: what the command finds, in a Raw too, and live."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import mne
import numpy as np
import pytest
from tests.results import result

import memcell
from memcell.applications.models import get_model
from memcell.cli.main import run
from memcell.errors import CheckpointError, DataError, UsageError
from memcell.plugins import default_registry
from memcell_eeg.detector import found as found_module
from memcell_eeg.detector.detector import EegDetector

RESULTS = ("_probability.tsv", "_events.tsv", "_annot.txt")

pytestmark = pytest.mark.filterwarnings("ignore:.*not the same derivation:UserWarning")


@pytest.fixture(scope="module")
def night(tmp_path_factory, night_of):
    return night_of(tmp_path_factory.mktemp("night") / "night.edf")


@pytest.fixture(scope="module")
def detector():
    return memcell.load("wake_sleep")


@pytest.fixture(scope="module")
def predicted(night, tmp_path_factory):
    out = tmp_path_factory.mktemp("command") / "out"
    assert run(["predict", "sleep", str(night), "--model", "wake_sleep", "--out", str(out)]) == 0
    return out


def read(night):
    return mne.io.read_raw_edf(night, verbose="error")


def in_memory(night, **changed):
    raw = read(night)
    info = mne.create_info(raw.ch_names, raw.info["sfreq"], "eeg")
    return mne.io.RawArray(raw.get_data(), info, verbose="error", **changed)


def bytes_of(found, folder):
    found.save(folder)
    return {ending: result(folder, "night", ending).read_bytes() for ending in RESULTS}


def files_of(folder):
    paths = (p for p in folder.rglob("*") if p.is_file() and p.parent.name != "views")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}


def test_saved_results_are_those_of_the_command(detector, night, predicted, tmp_path):
    folder = detector.predict(night).save(tmp_path / "saved")
    # the command keeps the signal for its report, a program has it
    wanted = files_of(predicted)
    assert files_of(folder).keys() == wanted.keys()
    assert {k for k, v in files_of(folder).items() if v != wanted[k]} == {"report.html"}
    flat = detector.predict(night).save(tmp_path / "flat", layout="flat")
    assert (
        run(["predict", "sleep", str(night), "--layout", "flat", "--out", str(tmp_path / "typed")])
        == 0
    )
    assert files_of(flat).keys() == files_of(tmp_path / "typed").keys()


def test_raw_of_the_file_gives_the_same(detector, night, predicted, tmp_path):
    wanted = {e: result(predicted, "night", e).read_bytes() for e in RESULTS}
    assert bytes_of(detector.predict(read(night)), tmp_path / "read") == wanted
    found = detector.predict(in_memory(night), name="night")
    assert bytes_of(found, tmp_path / "array") == wanted


def test_person_is_told_of_another_derivation(detector, night):
    with pytest.warns(UserWarning, match=r"night: .*'EEG C3-A1' stands for 'Pz-Oz'"):
        found = detector.predict(night)
    assert "'EEG C3-A1' stands for 'Pz-Oz'" in found.notes[0]


def test_channels_of_another_name_are_taken_by_renaming(detector, night, predicted, tmp_path):
    raw = read(night).rename_channels({"EEG C3-A1": "Ch 1"})
    with pytest.raises(DataError, match="--rename 'NAME=Pz-Oz'"):
        detector.predict(raw)
    with pytest.warns(UserWarning, match="taken by --rename: 'Ch 1' as 'C3'"):
        found = detector.predict(raw, rename={"ch  1": "C3"})
    events = result(predicted, "night", "_events.tsv").read_bytes()
    assert bytes_of(found, tmp_path / "renamed")["_events.tsv"] == events
    values = raw.get_data() * 1e6
    detector.reset_state()
    wanted = list(detector.stream([values], rate=100, channels=["C3"]))
    given = {"rate": 100, "channels": ["Ch 1"]}
    assert list(detector.stream([values], **given, rename={"Ch *": "C3"})) == wanted
    with pytest.raises(DataError, match="--rename"):
        list(detector.stream([values], **given))


def test_raw_is_not_changed(detector, night):
    raw = in_memory(night)
    before = raw.get_data()
    detector.predict(raw)
    np.testing.assert_array_equal(raw.get_data(), before)


def test_tables_are_those_of_the_files(detector, night, predicted):
    found = detector.predict(night)
    lines = result(predicted, "night", "_probability.tsv").read_text().splitlines()
    assert list(found.probability["onset"]) == [float(line.split("\t")[0]) for line in lines[1:]]
    p = np.array([float(line.split("\t")[1]) for line in lines[1:]])
    np.testing.assert_array_equal(found.probability["probability"], p)
    np.testing.assert_array_equal(found.probability["state"], p >= found.threshold)
    (event,) = found.events.to_dict("records")
    assert event["trial_type"] == detector.detects == "sleep"
    assert event["onset"] == pytest.approx(240, abs=20)
    assert found.summary["events"] == 1
    assert repr(found) == "<1 event in 0.13 h of 'night'>"


def test_tables_without_pandas(detector, night, monkeypatch):
    found = detector.predict(night)
    with_pandas = found.events, found.probability
    monkeypatch.setattr(found_module.importlib.util, "find_spec", lambda name: None)
    for table, wanted in zip((found.events, found.probability), with_pandas, strict=True):
        assert isinstance(table, np.ndarray)
        assert table.dtype.names == tuple(wanted.columns)
        for name in table.dtype.names:
            assert table[name].tolist() == wanted[name].tolist()


@pytest.mark.parametrize("cropped", [0.0, 120.0])
def test_annotations_fit_the_raw(detector, night, cropped):
    raw = read(night).crop(cropped)
    found = detector.predict(raw)
    shown = raw.copy().set_annotations(found.annotations)
    both = raw.copy().set_annotations(raw.annotations + found.annotations)
    for each in (shown, both):
        (at,) = np.flatnonzero(each.annotations.description == "sleep")
        onset = each.annotations.onset[at] - each.first_time
        assert onset == pytest.approx(found.events["onset"][0], abs=1e-3)
    made = in_memory(night)
    made.set_annotations(made.annotations + detector.predict(made).annotations)
    assert made.annotations.description.tolist() == ["sleep"]


def test_figure_shows_probability_and_events(detector, night, tmp_path):
    found = detector.predict(night)
    figure = found.plot()
    (ax,) = figure.axes
    drawn = ax.lines[0].get_ydata()
    assert drawn.max() == found.probability["probability"].max()
    assert len(ax.patches) == len(found.events)
    figure.savefig(tmp_path / "found.png")
    assert found.plot(ax) is figure


def test_folder_of_a_run_is_the_same_model(detector, night):
    again = memcell.load(get_model(default_registry(), "wake_sleep").folder)
    assert isinstance(again, EegDetector)
    found, wanted = again.predict(night), detector.predict(night)
    np.testing.assert_array_equal(found.probability, wanted.probability)


def test_several_recordings_are_saved_into_one_folder(detector, night, night_of, tmp_path):
    other = night_of(tmp_path / "other.edf", seed=9)
    folder = tmp_path / "saved"
    for path in (night, other):
        found = detector.predict(path)
        found.save(folder)
    rows = (folder / "summary.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows[1:]] == ["night", "other"]
    assert run(["predict", "sleep", str(night), str(other), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/summary.tsv").read_bytes() == (folder / "summary.tsv").read_bytes()
    with pytest.raises(
        UsageError, match=r"holds sub-other_.*_annot\.txt already: save to another folder"
    ):
        found.save(folder)


@pytest.mark.parametrize("size", [37, 100, 4096])
def test_stream_gives_what_the_whole_gives(detector, night, size):
    values = read(night).get_data() * 1e6
    detector.reset_state()
    blocks = [values[:, i : i + size] for i in range(0, values.shape[1], size)]
    steps = list(detector.stream(blocks, rate=100, channels=["EEG C3-A1"]))
    wanted = memcell.load("wake_sleep", causal=True).predict(night).probability["probability"]
    p = [step.probability for step in steps]
    assert len(p) == len(wanted)
    np.testing.assert_allclose(p, wanted, atol=5.1e-7)
    alarm = [a for _, a in steps]
    assert not any(alarm[:47])
    assert all(alarm[56:])


def test_stream_remembers_until_it_is_reset(detector, night):
    values = read(night).get_data() * 1e6
    call = {"rate": 100, "channels": ["C3-A1"]}
    detector.reset_state()
    whole = list(detector.stream([values], **call))
    detector.reset_state()
    parts = [
        s for cut in np.split(values, [9000, 20001], axis=1) for s in detector.stream([cut], **call)
    ]
    assert parts == whole
    assert list(detector.stream([values[:, :6000]], **call)) != whole[:12]
    detector.reset_state()
    assert list(detector.stream([values[:, :6000]], **call)) == whole[:12]


def test_stream_takes_raws_and_the_models_own_channels(detector, night):
    raw = read(night)
    values = raw.get_data() * 1e6
    detector.reset_state()
    wanted = list(detector.stream([values], rate=100))
    assert list(detector.stream([raw.copy().crop(0, 200), raw.copy().crop(200.01)])) == wanted
    detector.reset_state()
    assert list(detector.stream([values / 1e3], rate=100, unit="mV")) == wanted
    detector.reset_state()
    missing = values.copy()
    missing[:, 10_000:11_000] = np.nan
    gap = list(detector.stream([missing], rate=100))
    assert gap[:19] == wanted[:19]
    assert len(gap) == len(wanted) - 2


def test_detector_and_results_go_to_another_process(detector, night, tmp_path):
    sent = pickle.loads(pickle.dumps(memcell.load("wake_sleep", causal=True)))
    assert isinstance(sent, EegDetector)
    found = pickle.loads(pickle.dumps(sent.predict(night)))
    assert (found.save(tmp_path / "saved") / "report.html").is_file()
    np.testing.assert_array_equal(found.probability, detector.predict(night).probability)
    assert repr(copy.deepcopy(detector)) == repr(detector)


def test_import_of_detector_is_lazy():
    code = "import sys, memcell; memcell.load; assert 'mne' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: memcell.load("wake_slep"), r"'wake_slep' is not a run folder.*wake_sleep"),
        (lambda: memcell.load("no/such/run"), r"'no/such/run' is not a run"),
        (
            lambda: memcell.load("wake_sleep", eval_policy="cary"),
            r"eval_policy='cary'; expected auto, ",
        ),
        (
            lambda: memcell.load("wake_sleep", eval_policy="reset", causal=True),
            r"causal=True carries memory on: leave out eval_policy='reset'",
        ),
        (lambda: memcell.load("wake_sleep", options={"unt": "mV"}), r"unt.*unit"),
    ],
)
def test_what_cannot_be_loaded_is_said(call, words):
    with pytest.raises((CheckpointError, UsageError), match=words) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_run_of_a_newer_version_is_refused(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for path in get_model(default_registry(), "wake_sleep").folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    environment = (folder / "environment.json").read_text()
    (folder / "environment.json").write_text(environment.replace('"format": 1', '"format": 9'))
    with pytest.raises(CheckpointError, match="9") as raised:
        memcell.load(folder)
    assert "\n" not in str(raised.value)


def test_app_without_a_detector_is_named(tmp_path):
    (tmp_path / "config.toml").write_text('app = "memory"\n')
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(UsageError, match=r"app 'memory' of .*, which has no detector for Python"):
        memcell.load(tmp_path)


def epochs(night):
    return mne.make_fixed_length_epochs(read(night), 30.0, verbose="error")


def other_channels(night):
    return read(night).rename_channels({"EEG C3-A1": "Resp"}).set_channel_types({"Resp": "resp"})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda night: np.zeros((1, 1000)), r"predict got a ndarray; expected .*mne\.io\.RawArray"),
        (epochs, r"predict got a Epochs; expected a path or an mne\.io\.Raw"),
        (lambda night: night.parent / "nothing.edf", r"nothing\.edf' does not exist"),
        (other_channels, r"night.*no channel.*Resp"),
        (lambda night: read(night).resample(20, verbose="error"), r"20 Hz"),
        (lambda night: in_memory(night).apply_function(lambda x: x * 1e6), r"uV|unit|microvolt"),
        (lambda night: in_memory(night).apply_function(lambda x: x * np.nan), r"raw"),
    ],
)
def test_what_cannot_be_predicted_is_said(detector, night, given, words):
    with pytest.raises((DataError, UsageError), match=words) as raised:
        detector.predict(given(night))
    assert "\n" not in str(raised.value)


def test_folder_of_several_is_left_to_the_command(detector, night, night_of, tmp_path):
    for name in "ab":
        night_of(tmp_path / f"{name}.edf")
    with pytest.raises(
        UsageError, match=r"is 2 recordings; .* memcell predict sleep .* wake_sleep"
    ):
        detector.predict(tmp_path)


X = np.zeros((1, 100))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda d: d.stream([X]), r"rate was not given: detector\.stream\(blocks, rate="),
        (lambda d: d.stream([X], rate=100, channels=["EMG"]), r"EMG"),
        (lambda d: d.stream([X], rate=20), r"20 Hz"),
        (lambda d: d.stream([X[0]], rate=100), r"shape \[100\]; expected \[1, samples\]"),
        (lambda d: d.stream([X], rate=100, unit="uF"), r"uF"),
        (lambda d: d.stream([X], rate=100, alarm_steps=5), r"alarm_steps=5 of alarm_of=4"),
    ],
)
def test_what_cannot_be_streamed_is_said(detector, call, words):
    detector.reset_state()
    with pytest.raises((DataError, UsageError), match=words) as raised:
        list(call(detector))
    assert "\n" not in str(raised.value)
