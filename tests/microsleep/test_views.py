"""Views of recordings in reports: which channels, what is marked, pages of their own, no paths."""

from __future__ import annotations

import json
import re
import shutil

import edfio
import numpy as np
import pytest
from tests.results import result

from memcell.cli.main import run as memcell
from memcell.reports.viewer.stored import StoredView, read_view, write_view
from memcell_data.formats.reader import open_recording
from memcell_eeg.export.views import keep_view, marks_in, packed, view_path
from memcell_eeg.reports import build, views
from memcell_eeg.reports.prediction import files
from memcell_eeg.reports.views import STAGES, gaps_left, marked
from memcell_microsleep.app import MICROSLEEP

RATE = 100


def recorded(path, names, dead=(), seconds=60, annotations=()):
    """Write and open a recording of noise."""
    noise = np.random.default_rng(0)
    signals = [
        edfio.EdfSignal(
            np.zeros(seconds * RATE) if n in dead else noise.normal(0, 20, seconds * RATE),
            RATE, label=n, physical_dimension="uV", physical_range=(-300, 300),
        )
        for n in names
    ]  # fmt: skip
    marks = [edfio.EdfAnnotation(a, d, w) for a, d, w in annotations]
    edfio.Edf(signals, annotations=marks).write(path)
    return open_recording(path)


def test_few_channels_get_company_and_many_are_bounded(tmp_path):
    made = recorded(tmp_path / "a.edf", ["EOG L", "O1", "C3", "C4", "F3", "F4"])
    found = packed(made, ["C3"])
    assert found.channels == ("C3", "O1", "C4", "F3")
    assert "4 of its 6 channels" in found.note
    many = recorded(tmp_path / "b.edf", [f"E{i}" for i in range(64)], seconds=20)
    found = packed(many, [c.name for c in many.channels])
    assert len(found.channels) == 8
    assert "8 of its 64 channels" in found.note


def test_a_dead_channel_is_left_out_by_name(tmp_path):
    made = recorded(tmp_path / "a.edf", ["O1", "O2", "C3"], dead=("O2",))
    found = packed(made, ["O1", "O2"])
    assert found.channels == ("O1", "C3")
    assert "Without a signal: O2" in found.note


def test_why_there_is_no_signal_names_no_place(tmp_path):
    made = recorded(tmp_path / "a.edf", ["O1"], dead=("O1",))
    keep_view(view_path(tmp_path, "a"), made, ["O1"], ())
    stored = read_view(view_path(tmp_path, "a"))
    assert stored.signals is None
    assert stored.why_not
    assert str(tmp_path) not in stored.why_not


def test_a_hypnogram_and_marks_are_those_of_the_file(tmp_path):
    marks = [
        (0, 30, "Sleep stage W"),
        (30, 30, "Sleep stage 2"),
        (10, 2, "Micro-Sleep"),
        (40, 1, "cough"),
    ]
    made = recorded(tmp_path / "a.edf", ["O1"], annotations=marks)
    stored = StoredView(name="a", marks=marks_in(made))
    bars, levels = marked(stored, MICROSLEEP, "marked microsleep")
    assert [(b.name, b.spans) for b in bars] == [
        ("marked microsleep", [(10.0, 12.0)]),
        ("other marks", [(40.0, 41.0)]),
    ]
    assert [(a, b, list(STAGES)[k]) for a, b, k in levels.spans] == [
        (0, 30, "wake"),
        (30, 60, "n2"),
    ]


def test_what_lies_between_gaps():
    assert gaps_left([(0.0, 2.0), (5.0, 10.0)], 10.0) == [(2.0, 5.0)]
    assert gaps_left([], 3.0) == [(0.0, 3.0)]


@pytest.fixture(scope="module")
def predicted(tmp_path_factory):
    """Three recordings, predicted by the model that comes along."""
    folder = tmp_path_factory.mktemp("views")
    given = folder / "given"
    given.mkdir()
    for name in ("a", "b", "c"):
        recorded(
            given / f"{name}.edf", ["Pz-Oz", "EOG"], annotations=[(0, 30, "W"), (30, 30, "N2")]
        )
    out = folder / "out"
    command = ["predict", "sleep", str(given), "--model", "wake_sleep", "--out", str(out)]
    assert memcell(command) == 0
    return given, out, command


def headers(page: str) -> list[dict]:
    """Return the data of the viewers of a page."""
    return [json.loads(t) for t in re.findall(r'class="viewer-data">(.*?)</script>', page)]


def test_a_prediction_is_one_file_to_scroll(predicted):
    given, out, _ = predicted
    page = (out / "report.html").read_text(encoding="utf-8")
    found = headers(page)
    assert [h["name"] for h in found] == ["a", "b", "c"]
    assert found[0]["signals"]["channels"] == ["Pz-Oz", "EOG"]
    assert found[0]["levels"]["spans"] == [[0, 30, 0], [30, 60, 3]]
    assert found[0]["lines"][0]["threshold"] == pytest.approx(
        json.loads(result(out, "a", "_events.json").read_text())["GeneratedBy"]["threshold"]
    )
    rows = result(out, "a", "_events.tsv").read_text().splitlines()[1:]
    assert [e[:2] for e in found[0]["events"]] == [
        [float(v) for v in r.split("\t")[:2]] for r in rows
    ]
    assert str(given) not in page.replace("summary.tsv", "")


def test_views_are_kept_and_can_be_left_out(predicted, tmp_path):
    _, out, command = predicted
    before = {p: p.stat().st_mtime_ns for p in (out / "views").iterdir()}
    (out / "views" / "b.npz").unlink()
    assert memcell(command) == 0
    after = {p: p.stat().st_mtime_ns for p in (out / "views").iterdir()}
    assert {p for p in before if before[p] != after[p]} == {out / "views" / "b.npz"}
    plain = tmp_path / "plain"
    assert memcell([*command[:-1], str(plain), "--views", "none"]) == 0
    assert not (plain / "views").exists()
    (header, *_) = headers((plain / "report.html").read_text(encoding="utf-8"))
    assert header["signals"] is None
    assert header["lines"]


def test_what_is_too_much_for_one_page_has_pages_of_its_own(predicted, tmp_path, monkeypatch):
    _, out, _ = predicted
    folder = shutil.copytree(out, tmp_path / "copy")
    monkeypatch.setattr(views, "MOST", 20_000)
    page = build(folder, MICROSLEEP).read_text(encoding="utf-8")
    assert headers(page) == []
    assert "<script" not in page
    assert re.findall(r'href="(\./views/[^"]*)"', page) == [f"./views/{n}.html" for n in "abc"]
    assert 'href="views/b.html"' in (folder / "study.html").read_text(encoding="utf-8")
    own = (folder / "views" / "b.html").read_text(encoding="utf-8")
    assert [h["name"] for h in headers(own)] == ["b"]
    assert 'href="./../report.html"' in own
    assert own.count('class="drawing wide"') == 1
    monkeypatch.undo()
    build(folder, MICROSLEEP)
    assert not list((folder / "views").glob("*.html"))
    assert "views/b.html" not in (folder / "study.html").read_text(encoding="utf-8")


def test_recordings_after_those_that_are_drawn_have_views_too(predicted, tmp_path, monkeypatch):
    _, out, _ = predicted
    folder = shutil.copytree(out, tmp_path / "copy")
    (folder / "views" / "b.npz").unlink()
    monkeypatch.setattr(files, "DRAWN", 1)
    page = build(folder, MICROSLEEP).read_text(encoding="utf-8")
    assert [h["name"] for h in headers(page)] == ["a", "c"]
    assert page.count('class="drawing wide"') == 1


def test_a_view_that_is_damaged_or_of_others_loses_nothing_else(predicted, tmp_path):
    _, out, _ = predicted
    folder = shutil.copytree(out, tmp_path / "copy")
    (folder / "views" / "a.npz").write_bytes(b"PK garbage")
    write_view(folder / "views" / "b.npz", StoredView(name="b", why_not="<b>no</b>"))
    page = build(folder, MICROSLEEP).read_text(encoding="utf-8")
    assert "its file in views/ cannot be read" in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert [h["signals"] is None for h in headers(page)] == [True, True, False]
