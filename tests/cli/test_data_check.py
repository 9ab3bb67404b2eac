"""``memcell data check``: what it says of good, odd and broken files, and what it answers to machines."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from memcell.applications.checking import FileReport
from memcell.applications.datasets import find_checker
from memcell.cli import check as command
from memcell.cli.main import run
from memcell.errors import PluginError, UsageError
from memcell.plugins import Registry
from memcell.plugins.loader import Loaded
from memcell.plugins.specs import DatasetSpec
from memcell.testing.failure import CheckFailed
from memcell.testing.plugin import _checker_reports
from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.datasets.simulated import Simulated
from memcell_data.formats.edf.fields import field_at
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.recording import Interval

SLEEP = Interval(onset=2.0, duration=3.0, label="microsleep")


def edf(path, seconds=400, names=("O1", "O2"), annotations=(SLEEP,), **options):
    rng = np.random.default_rng(0)
    path.parent.mkdir(exist_ok=True)
    tracks = [Track(name=n, values=rng.normal(0, 20, seconds * 100), rate=100) for n in names]
    write_edf(path, tracks, annotations=annotations, patient="1 F X Doe_Jane", **options)
    return path


def field(path, name, text, channel=0, n=3):
    at, width = field_at(name, channel, n)
    content = bytearray(path.read_bytes())
    content[at : at + width] = text.ljust(width).encode()
    path.write_bytes(bytes(content))
    return path


@pytest.fixture
def check(capfd):
    def checked(*words):
        code = run(["data", "check", *map(str, words)])
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        assert "Doe" not in said.out + said.err
        return code, said.out, said.err

    return checked


def test_a_good_file(check, tmp_path):
    path = edf(tmp_path / "good.edf")
    code, said, _ = check(path)
    assert code == 0
    assert said.splitlines() == [
        f"{path}  EDF+C  0:06:40.0  usable",
        "    channels: O1, O2 (eeg, uV, 100 Hz)",
        "    labels: 1 x 'microsleep'",
        "1 file: 1 usable",
    ]


def test_a_folder_of_all_sorts(check, tmp_path):
    edf(tmp_path / "good.edf")
    edf(tmp_path / "gap.edf", onsets=[i + 40.0 * (i > 9) for i in range(400)])
    field(edf(tmp_path / "blank.edf"), "unit", "")
    broken = edf(tmp_path / "broken.edf")
    broken.write_bytes(broken.read_bytes()[:300])
    (tmp_path / "empty.edf").write_bytes(b"")
    (tmp_path / "pointer.edf").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "notes.txt").write_text("not looked at")
    code, said, _ = check(tmp_path)
    assert code == 1
    assert "6 files: 2 usable with remarks, 1 usable, 3 refused" in said
    assert "gap.edf  EDF+D  0:07:20.0  usable with remarks" in said
    assert "1 gap of 40 s in all, the first at 10 s: memory restarts after each" in said
    assert "blank.edf  EDF+C  0:06:40.0  usable with remarks" in said
    assert "channel 'O1' has no unit" in said
    assert "--data.unit uV" in said
    assert "refused: the header is cut" in said
    assert "refused: is empty (0 bytes)" in said
    assert "refused: is a git-lfs pointer" in said


def test_channels_that_matter(check, tmp_path):
    path = field(edf(tmp_path / "blank.edf"), "unit", "")
    assert check(path, "--channels", "O2")[0] == 0
    code, said, _ = check(path, "--channels", "O2, O1")
    assert code == 1
    assert "refused: channel 'O1' has no unit" in said
    code, said, _ = check(path, "--channels", "O3")
    assert code == 1
    assert "refused: has no channel 'O3'. Did you mean" in said
    assert check(path, "--channels", "eeg")[0] == 1
    assert check(path, "--channels", "eog")[0] == 1


def test_samples_are_looked_at_or_not(check, tmp_path):
    rng = np.random.default_rng(0)
    flat = np.zeros(40_000)
    clipped = np.clip(rng.normal(0, 20, 40_000), -15, 15)
    rows = {"O1": rng.normal(0, 20, 40_000), "O2": flat, "C3": clipped}
    write_edf(tmp_path / "a.edf", [Track(name=n, values=v, rate=100) for n, v in rows.items()])
    code, said, _ = check(tmp_path / "a.edf")
    assert code == 0
    assert "channel 'O2' is flat" in said
    assert "channel 'C3' is clipped" in said
    code, said, _ = check(tmp_path / "a.edf", "--headers-only")
    assert code == 0
    assert "flat" not in said
    assert "usable\n" in said


def test_labels_are_counted_and_judged(check, tmp_path):
    over = Interval(onset=4.0, duration=5.0, label="drowsy")
    edf(
        tmp_path / "overlap.edf",
        annotations=(SLEEP, over, Interval(onset=20, duration=1, label="drowsy")),
    )
    edf(tmp_path / "late.edf", annotations=(Interval(onset=500.0, duration=5.0, label="nap"),))
    edf(tmp_path / "beside.edf", annotations=())
    (tmp_path / "beside.csv").write_text("onset,duration,description\n1,2,nap\n5,2,nap\n")
    edf(tmp_path / "wrong.edf", annotations=())
    (tmp_path / "wrong.csv").write_text("time,label\n1,2\n")
    code, said, _ = check(tmp_path, "--headers-only")
    assert code == 0
    assert "labels: 2 x 'drowsy', 1 x 'microsleep'" in said
    assert "1 label overlaps another ('microsleep' and 'drowsy' at 4 s)" in said
    assert "the labels cannot be used, though the recording can be predicted: annotation 1" in said
    assert "ends beyond the recording (400 s)" in said
    assert "labels: 2 x 'nap'" in said
    assert "wrong.csv: line 1: expected the columns onset" in said


def test_short_slow_and_mixed_rate_recordings_are_reported(check, tmp_path):
    rng = np.random.default_rng(0)
    tracks = [
        Track(name="O1", values=rng.normal(0, 20, 1200), rate=60),
        Track(name="EMG", values=rng.normal(0, 20, 10_000), rate=500),
    ]
    write_edf(tmp_path / "a.edf", tracks)
    _, said, _ = check(tmp_path / "a.edf")
    assert "lasts 20 s: little to remember" in said
    assert "EEG at 60 Hz contains no frequency above 30 Hz" in said
    assert "channels have different rates (60, 500 Hz): choose channels of one rate" in said


def test_for_machines(check, tmp_path):
    edf(tmp_path / "good.edf")
    (tmp_path / "empty.edf").write_bytes(b"")
    table = tmp_path / "out" / "files.tsv"
    code, said, err = check(tmp_path, "--json", "--out", table)
    assert code == 1
    bad, good = [json.loads(line) for line in said.splitlines()]
    assert err.strip() == "2 files: 1 usable, 1 refused"
    assert bad["status"] == "refused"
    assert bad["refused"] == "is empty (0 bytes)"
    assert good["status"] == "usable"
    assert good["channels"][0] == {"name": "O1", "kind": "eeg", "unit": "uV", "rate": 100.0}
    assert good["annotations"] == {"microsleep": 1}
    assert good["seconds"] == 400
    rows = list(csv.DictReader(table.read_text().splitlines(), delimiter="\t"))
    assert [r["status"] for r in rows] == ["refused", "usable"]
    assert rows[0]["reason"] == "is empty (0 bytes)"
    assert rows[0]["channels"] == "n/a"
    assert rows[1]["channels"] == "O1, O2 (eeg, uV, 100 Hz)"
    assert tuple(rows[0]) == command.COLUMNS


def test_wrong_paths(check, tmp_path):
    (tmp_path / "empty").mkdir()
    for words in (["nowhere"], [tmp_path / "empty"], [tmp_path / "*.edf"], []):
        code, said, _ = check(*words)
        assert code == 2, words
        assert said == ""
    assert "looked for files ending in .edf" in check(tmp_path / "empty")[2]


def test_a_glob_takes_the_files_that_it_names(check, tmp_path):
    edf(tmp_path / "a_1.edf")
    edf(tmp_path / "b_1.edf")
    field(edf(tmp_path / "a_2.rec"), "unit", "")
    code, said, _ = check(tmp_path / "a_*", "--headers-only")
    assert code == 0
    assert "2 files:" in said
    assert "a_2.rec" in said


def test_a_file_named_twice_is_checked_once(check, tmp_path):
    edf(tmp_path / "a.edf")
    assert "1 file: 1 usable" in check(tmp_path / "a.edf", tmp_path)[1]


def test_all_kinds_that_data_sets_recognise(check, nights, real_data_or_none):
    nights.write()
    code, said, _ = check(nights.folder)
    assert code == 0
    assert "SC4001E0.npz  band powers" in said
    assert "Hypnogram" not in said
    if real_data_or_none is not None:
        code, said, _ = check(real_data_or_none / "eeg-eye-state" / "eeg-eye-state.csv")
        assert code == 0
        assert "table (eye-state)  0:01:57.0  usable with remarks" in said
        assert "4 rows further than 1000 uV from the median" in said


@pytest.fixture
def real_data_or_none(request):
    folder = Path(request.config.rootpath).parent / "shared" / "data"
    return folder if folder.is_dir() else None


class Broken:
    """A checker of somebody's that fails on one file."""

    def files(self, typed):
        return [Path("one"), Path("two")]

    def check(self, path, *, samples, channels=()):
        if path.name == "one":
            raise ValueError("oops\nDoe")
        return FileReport(path=path, format="theirs")


def test_a_checker_that_fails_does_not_end_the_others(check, monkeypatch):
    monkeypatch.setattr(command, "find_checker", lambda registry, typed: Broken())
    code, said, _ = check("x")
    assert code == 1
    assert "one  refused\n    refused: the checker itself failed with ValueError" in said
    assert "two  theirs  usable" in said


def registry(*specs):
    return Registry([Loaded(spec=s, distribution="memcell-ours", version="1") for s in specs])


def test_a_data_set_of_somebody_else_brings_its_own_checker(tmp_path):
    fallback = DatasetSpec(
        name="own", factory="x:Y", fallback=True, checker="memcell_data.checks.check:Check"
    )
    theirs = DatasetSpec(
        name="coins",
        factory="x:Y",
        recognise="memcell_data.datasets.recognise:is_eyes",
        checker="memcell.applications.checking:FileReport",
    )
    assert type(find_checker(registry(fallback, theirs), str(tmp_path))).__name__ == "Check"
    (tmp_path / "S001R01.edf").write_bytes(b"")
    with pytest.raises(PluginError, match=r"dataset 'coins' of memcell-ours 1: checker"):
        find_checker(registry(fallback, theirs), str(tmp_path))
    with pytest.raises(UsageError, match="cannot be checked"):
        find_checker(registry(), str(tmp_path))


def test_the_conformance_of_a_checker():
    ours = DatasetSpec(
        name="own", factory="x:Y", fallback=True, checker="memcell_data.checks.check:Check"
    )
    (entry,) = registry(ours).entries()
    _checker_reports(entry)
    theirs = DatasetSpec(name="own", factory="x:Y", checker=f"{__name__}:Broken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, __name__, SimpleNamespace(Broken=Broken))
        (entry,) = registry(theirs).entries()
        with pytest.raises(CheckFailed, match="refuses an empty file"):
            _checker_reports(entry)


def test_a_unit_and_labels_are_told_as_to_train(check, tmp_path):
    path = edf(tmp_path / "a.edf", names=("O1",), annotations=())
    field(path, "unit", "", n=2)
    code, said, _ = check(path)
    assert (code, "type --unit uV" in said) == (1, True)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.csv").write_text("onset,duration,description\n1,2,nap\n")
    code, said, _ = check(path, "--unit", "uV", "--labels", tmp_path / "labels")
    assert code == 0
    assert "labels: 1 x 'nap'" in said
    code, said, _ = check(path, "--unit", "V")
    assert (code, "beyond 10 mV" in said) == (1, True)
    code, said, _ = check(path, "--unit", "uV", "--labels", tmp_path / "nowhere")
    assert "there is no such label file (--labels)" in said


def test_flat_stretch_counts_as_gap(check, tmp_path):
    """For channels that are used together; where nobody chose, each channel's own line has its times."""
    rows = np.random.default_rng(0).normal(0, 20, (2, 40_000))
    rows[0, 10_000:20_000] = 0.0
    rows[1, 30_000:31_000] = 7.0
    tracks = [Track(name=n, values=r, rate=100) for n, r in zip(("O1", "O2"), rows, strict=True)]
    write_edf(tmp_path / "a.edf", tracks)
    for words, gaps in (
        (("--channels", "O1"), [[100, 100]]),
        (("--channels", "O1,O2"), [[100, 100], [300, 10]]),
        ((), []),
    ):
        _, said, _ = check("--json", tmp_path / "a.edf", *words)
        report = json.loads(said)
        assert np.allclose(report["gaps"], gaps)
        lines = " ".join(report["findings"])
        assert "'O1' is flat 25% of the time; cut out as gaps: 100.00-200.00 s" in lines


@pytest.mark.slow
def test_several_processes_say_what_one_says_in_the_same_order(tmp_path, capsys):
    folder = Simulated(SimulatedConfig(subjects=4, minutes=1)).get(tmp_path / "in")
    (folder / "broken.edf").write_bytes(b"0       nothing more")
    (folder / "sim03.edf").write_bytes((folder / "sim03.edf").read_bytes()[:40_000])
    said = []
    for more in ([], ["--jobs", "2"]):
        table = tmp_path / f"{len(said)}.tsv"
        assert run(["data", "check", str(folder), "--out", str(table), *more]) == 1
        said.append((capsys.readouterr().out, table.read_bytes()))
    assert said[0] == said[1]
    assert run(["data", "check", str(folder), "--jobs", "-1"]) == 2
