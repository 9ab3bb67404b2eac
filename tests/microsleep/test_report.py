"""The page of a training run: its numbers are those of the files, and what is missing becomes a sentence."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tomllib
import xml.etree.ElementTree as ET
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
import tomli_w

from memcell.cli.main import run as memcell
from memcell.errors import DataError, UsageError
from memcell.plugins import default_registry
from memcell.reports.numbers import count, number
from memcell.runs.reporting import make_report, try_report
from memcell.sequences.time_series import TimeSeries
from memcell_data.datasets.configs import SimulatedConfig
from memcell_data.datasets.simulated import Simulated
from memcell_eeg.reports import build
from memcell_eeg.reports.phrasing import name_of
from memcell_eeg.reports.places import ERRORS, EVENTS, choose
from memcell_eeg.reports.run.files import _learning
from memcell_microsleep.app import MICROSLEEP

TINY = ("--tune", "none", "--data.subjects", "4", "--data.minutes", "2", "--epochs", "3",
        "--min-updates", "1", "--hidden-size", "8", "--probe", "staleness",
        "--probe-budget", "1")  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small run on simulated recordings, with its paired control run."""
    folder = tmp_path_factory.mktemp("run") / "run"
    assert memcell(["train", "microsleep", "--out", str(folder), *TINY]) == 0
    return folder


@pytest.fixture
def copied(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "copy")


class Words(HTMLParser):
    """The visible words of a page, its tables, and what it loads from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.images: list[dict] = []
        self.tables: list[list[list[str]]] = []
        self.cell: list[str] | None = None
        self.in_script = False
        self.feed(page)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.loaded += [v for k, v in attributes if k in ("src", "data") and v]
        self.links += [v for k, v in attributes if k == "href"]
        if tag in ("link", "iframe", "object"):
            self.loaded.append(tag)
        self.in_script = tag == "script"
        if found.get("role") == "img" or tag == "img":
            self.images.append(found)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.cell = []

    def handle_endtag(self, tag):
        self.in_script = False
        if tag in ("td", "th") and self.cell is not None:
            self.tables[-1][-1].append(" ".join("".join(self.cell).split()))
            self.cell = None

    def handle_data(self, data):
        if self.in_script:  # its own, and data
            return
        self.said.append(data)
        if self.cell is not None:
            self.cell.append(data)


def page_of(folder) -> str:
    return build(folder, MICROSLEEP).read_text(encoding="utf-8")


def table(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_training_leaves_a_page_that_stands_alone(trained) -> None:
    page = (trained / "report.html").read_text(encoding="utf-8")
    words = Words(page)
    assert words.loaded == []
    assert "url(" not in page
    assert "@import" not in page
    assert len(page) < 3_000_000
    assert len(words.images) > 10
    for image in words.images:
        assert len(image.get("aria-label") or image.get("alt")) > 15
    for drawing in re.findall(r"<svg.*?</svg>", page, re.S):
        ET.fromstring(drawing)
    assert "nan" not in words.text.split()


def test_each_test_recording_scrolls_with_its_signal_truth_and_errors(trained) -> None:
    page = (trained / "report.html").read_text(encoding="utf-8")
    (found,) = [json.loads(t) for t in re.findall(r'class="viewer-data">(.*?)</script>', page)]
    assert {b["name"]: b["behind"] for b in found["bars"]} == {
        "true": False, "carried": True, "reset": False,
    }  # fmt: skip
    assert [line["name"] for line in found["lines"]] == ["memory carried", "memory reset"]
    assert found["signals"]["channels"]
    true = next(b["spans"] for b in found["bars"] if b["name"] == "true")
    listed = [found["kinds"][e[2]] for e in found["events"]]
    assert len(true) >= listed.count("missed")
    detected = next(b["spans"] for b in found["bars"] if b["name"] == "carried")
    assert len(detected) == len(listed) - listed.count("missed")
    assert [e[0] for e in found["events"]] == sorted(e[0] for e in found["events"])


def test_contents_and_files_are_linked_and_there(trained) -> None:
    page = page_of(trained)
    links = Words(page).links
    ids = set(re.findall(r' id="([^"]*)"', page))
    sections = [link[1:] for link in links if link.startswith("#")]
    assert sections == re.findall(r'<h2 id="([^"]*)"', page)
    assert set(sections) <= ids
    files = [link for link in links if not link.startswith("#")]
    assert {"./scores.tsv", "./subjects.tsv", "./metrics.jsonl", "./config.toml"} <= set(files)
    assert all((trained / link).is_file() for link in files)


def test_the_scores_are_those_of_the_files(trained) -> None:
    words = Words(page_of(trained))
    rows = table(trained / "scores.tsv")
    shown = next(t for t in words.tables if t[0][:2] == ["model", "kind"])
    assert len(shown) == len(rows) + 1
    heads = {h: i for i, h in enumerate(shown[0])}
    for row, cells in zip(rows, shown[1:], strict=True):
        for score in ("balanced_accuracy", "kappa", "auc_pr", "event_f1"):
            known = float("nan") if row[score] == "n/a" else float(row[score])
            assert cells[heads[name_of(score)]] == number(known)
    own = rows[0]
    assert f"Balanced accuracy {number(float(own['balanced_accuracy']))}" in words.text


def test_what_the_test_over_people_leaves_open_is_not_called_better(copied) -> None:
    path = copied / "differences.tsv"
    head, *rows = list(csv.reader(path.open(), delimiter="\t"))
    at = {name: i for i, name in enumerate(head)}

    def page(mean: str, p: str) -> str:
        for row in rows:
            row[at["mean"]], row[at["p"]], row[at["subjects"]] = mean, p, "8"
        with path.open("w", newline="") as file:
            csv.writer(file, delimiter="\t", lineterminator="\n").writerows([head, *rows])
        make_report(copied, default_registry(), print)
        return Words((copied / "report.html").read_text(encoding="utf-8")).text

    open_ = page("0.02", "0.06")
    assert "baselines are not told apart" in open_
    assert "did not significantly change the score" in open_
    decided = page("0.02", "0.03")
    assert "The network scores above the best of " in decided
    assert "not told apart" not in decided
    assert "not significantly" not in decided
    assert "The network scores below the best of " in page("-0.02", "0.03")


def test_the_confusion_matrix_and_events_are_those_of_the_files(trained) -> None:
    words = Words(page_of(trained))
    rows = [r for r in table(trained / "confusion.tsv") if r["subject"] == "all"]
    own = rows[0]
    matrix = next(t for t in words.tables if t[0][0] == "truth")
    counted = [cell.split(" (")[0] for line in matrix[1:] for cell in line[1:3]]
    names = ("true_negative", "false_positive", "false_negative", "true_positive")
    assert counted == [count(float(own[n])) for n in names]
    events = next(t for t in words.tables if t[0][:2] == ["model", "true events"])
    assert [line[1] for line in events[1:]] == [count(float(r["true_events"])) for r in rows]
    assert f"{own['hit_events']} of {own['true_events']} true events were detected" in words.text


def test_it_says_what_it_is_of_and_warns_first(trained) -> None:
    words = Words(page_of(trained)).text
    at = [words.index(s) for s in ("simulated", "Balanced accuracy", "One seed (0)", "Scores on")]
    assert at == sorted(at)
    assert "too few to generalize" in words or "one test subject" in words
    assert f"memcell train microsleep --config {trained / 'config.toml'}" in words
    assert "--hidden-size 8" in words
    assert "hidden_size = 8" in words
    scores = json.loads((trained / "scores.json").read_text(encoding="utf-8"))
    for note in scores["notes"]:
        assert note[1:].rstrip(".") in words


def test_every_recording_is_listed_with_its_quality(trained) -> None:
    shown = next(t for t in Words(page_of(trained)).tables if t[0][:2] == ["recording", "subject"])
    assert [line[0] for line in shown[1:]] == ["sim01", "sim02", "sim03", "sim04"]
    assert {line[2] for line in shown[1:]} == {"train", "validation", "test"}
    assert {line[5] for line in shown[1:]} == {"128"}


def test_learning_curves_end_where_training_ended(trained) -> None:
    words = Words(page_of(trained))
    for folder, name in ((trained, "carry"), (trained / "control-reset", "reset")):
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        epochs = [e for e in map(json.loads, lines) if "valid_loss" in e]
        best = min(epochs, key=lambda e: e["valid_loss"])
        said = (
            f"Trained with {name}. Lowest validation loss {number(best['valid_loss'])} at update "
        )
        assert f"{said}{best['update']}" in words.text


def test_staleness_is_drawn_where_it_was_measured(trained, copied) -> None:
    measured = "Distance of carried memory from the memory that the current parameters compute"
    assert measured in Words(page_of(trained)).text
    (copied / "probes.jsonl").unlink(missing_ok=True)
    assert "With --probe staleness" in Words(page_of(copied)).text


def test_headings_can_each_be_linked_to(trained) -> None:
    ids = re.findall(r' id="([^"]*)"', page_of(trained))
    assert len(ids) == len(set(ids)) > 8


def test_folds_have_a_page_of_all_together(trained, tmp_path) -> None:
    folder = shutil.copytree(trained, tmp_path / "loso")
    for name in ("sim01", "sim02"):
        shutil.copytree(trained, folder / "folds" / name)
    for name in ("model.safetensors", "excerpts.npz", "metrics.jsonl", "probes.jsonl"):
        (folder / name).unlink(missing_ok=True)
    (folder / "folds.json").write_text(
        '{"folds": ["sim01", "sim02"], "repeats": 3}', encoding="utf-8"
    )
    words = Words(page_of(folder)).text
    assert "each subject left out in turn" in words
    assert "2 folds, a line each" in words
    assert "Each of the 2 subjects was left out in turn" in words
    assert "The scores are those of 3 seeds, from 0 on" in words
    assert "is an example" not in words
    # curves, excerpts and facts come from the folds
    assert "The signals are missing" not in words
    assert "trained with reset" in words.lower()
    assert "128" in words


def test_predicting_ends_with_a_page_that_says_which_run_it_was(trained, tmp_path, capsys) -> None:
    edf = Simulated(SimulatedConfig(subjects=1, minutes=2)).get(tmp_path / "edf")
    out = tmp_path / "out"
    assert (
        memcell(["predict", "microsleep", str(edf), "--model", str(trained), "--out", str(out)])
        == 0
    )
    assert f"report: {out / 'report.html'}" in capsys.readouterr().out
    about = json.loads((out / "prediction.json").read_text(encoding="utf-8"))
    scores = json.loads((trained / "scores.json").read_text(encoding="utf-8"))
    assert (about["app"], about["run"], about["inference"]) == ("microsleep", str(trained), "carry")
    assert about["scores"] == scores["rows"][0]["scores"]
    (summary,) = table(out / "summary.tsv")
    (out / "report.html").unlink()
    assert memcell(["report", str(out)]) == 0
    words = Words((out / "report.html").read_text(encoding="utf-8"))
    assert f"{summary['events']} events were detected" in words.text
    assert "trained on simulated recordings" in words.text
    assert {
        "./summary.tsv",
        "./prediction.json",
        "./sub-sim01/eeg/sub-sim01_task-unknown_desc-microsleep_events.tsv",
        "./sub-sim01/eeg/sub-sim01_task-unknown_desc-microsleep_probability.tsv",
    } <= set(words.links)
    assert "lstm, trained with carry" in words.text
    assert not words.loaded


def test_the_same_folder_gives_the_same_bytes(trained) -> None:
    assert page_of(trained) == page_of(trained)


def test_hostile_names_stay_words(copied) -> None:
    bad = "<img src=x onerror=alert(1)>&\"'"
    for path in [*copied.glob("*.tsv"), copied / "scores.json"]:
        text = path.read_text(encoding="utf-8")
        known = "previous true label (not deployable)"
        name = json.dumps(bad)[1:-1] if path.suffix == ".json" else bad
        path.write_text(text.replace(known, name).replace("sim01", name), encoding="utf-8")
    page = page_of(copied)
    assert "<img" not in page
    assert bad in unescape(page)
    assert bad in Words(page).text


#: What may be lost, and what the page says instead.
LOST = {
    "scores.json": "has no scores yet",
    "predictions.npz": "kept no predictions of its test recordings",
    "excerpts.npz": "The signals are missing",
    "model.safetensors": "has no description of its recordings",
    "metrics.jsonl": "Trained with reset",
    "environment.json": "did not record the versions",
    "config.toml": None,
    "confusion.tsv": None,
    "subjects.tsv": None,
    "pr.tsv": None,
    "calibration.tsv": None,
    "transitions.tsv": None,
    "delays.tsv": None,
    "differences.tsv": None,
}


@pytest.mark.parametrize("how", ["missing", "cut off", "altered", "garbage", "empty"])
def test_what_is_missing_or_damaged_becomes_a_sentence(trained, tmp_path, how) -> None:
    for name, said in LOST.items():
        folder = shutil.copytree(trained, tmp_path / name)
        path = folder / name
        data = path.read_bytes()
        if how == "missing":
            if name == "config.toml":
                continue
            path.unlink()
        elif how == "cut off":
            path.write_bytes(data[: len(data) // 2])
        elif how == "altered":
            middle = slice(len(data) // 2, len(data) // 2 + 200)
            path.write_bytes(
                data[: middle.start] + bytes(255 - b for b in data[middle]) + data[middle.stop :]
            )
        else:
            path.write_bytes(b"\x00\xff{[\t\n\xfe" * 9 if how == "garbage" else b"")
        words = Words(page_of(folder)).text
        assert "Caveats" in words
        if said is not None and how in ("missing", "garbage", "empty"):
            assert said in words, name


@pytest.mark.parametrize("section", ["policy", "cell", "data", "training", "network", "microsleep"])
def test_a_section_that_is_no_table_is_left_out(copied, section) -> None:
    config = tomllib.loads((copied / "config.toml").read_text(encoding="utf-8"))
    (copied / "config.toml").write_text(tomli_w.dumps({**config, section: 3}), encoding="utf-8")
    assert "Network, training and data" in Words(page_of(copied)).text


def test_a_run_that_was_only_begun_has_a_page(trained, tmp_path) -> None:
    for name in ("config.toml", "environment.json"):
        shutil.copy(trained / name, tmp_path / name)
    (tmp_path / "metrics.jsonl").write_text('{"update": 1, "loss": 0.7}\n', encoding="utf-8")
    words = Words(page_of(tmp_path)).text
    assert "This run is not finished" in words
    assert "no epoch was finished" in words


def test_another_folder_is_refused_with_what_it_lacks(tmp_path, capsys) -> None:
    with pytest.raises(DataError, match="neither a training run"):
        build(tmp_path, MICROSLEEP)
    assert memcell(["report", str(tmp_path)]) == 1
    assert "config.toml" in capsys.readouterr().err


def test_memcell_report_makes_it_again(copied, capsys) -> None:
    (copied / "report.html").unlink()
    assert memcell(["report", str(copied)]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (copied / "report.html").is_file()


def test_a_page_that_cannot_be_made_is_one_line(copied) -> None:
    (copied / "report.html").unlink()
    (copied / "report.html").mkdir()
    said: list[str] = []
    try_report(copied, "microsleep", default_registry(), said.append)
    assert len(said) == 1
    assert "no report was made" in said[0]
    assert "everything else is there" in said[0]


def test_an_app_without_a_page_is_left_alone(tmp_path) -> None:
    said: list[str] = []
    try_report(tmp_path, "memory", default_registry(), said.append)
    assert said == []
    (tmp_path / "config.toml").write_text('app = "memory"\n', encoding="utf-8")
    with pytest.raises(UsageError, match="'memory' makes no report"):
        make_report(tmp_path, default_registry(), said.append)


def sequence(targets, step=1.0, name="a"):
    y = np.asarray(targets, dtype=np.int64)
    return TimeSeries(
        name=name, subject=name, features=np.empty((len(y), 0), dtype=np.float32), targets=y,
        step_seconds=step,
    )  # fmt: skip


def test_places_are_where_events_begin_and_where_errors_are() -> None:
    y = np.zeros(1000, dtype=np.int64)
    y[300:303] = y[320:322] = y[340:344] = 1
    p = np.zeros((1000, 2), dtype=np.float32)
    p[:, 1] = y
    p[700:760, 1] = 1.0
    events, *others = choose([sequence(y)], [p], 0.5)
    assert (events.why, events.found) == (EVENTS, 3)
    assert events.start <= 300
    assert events.end > 340
    (errors,) = [place for place in others if place.why == ERRORS][:1]
    assert errors.start <= 705
    assert errors.end >= 755


def test_places_of_a_perfect_network_are_those_of_events_only() -> None:
    y = np.zeros(500, dtype=np.int64)
    y[100:110] = 1
    p = np.stack([1 - y, y], axis=1).astype(np.float32)
    assert {place.why for place in choose([sequence(y)], [p], 0.5)} == {EVENTS}
    assert choose([sequence(np.zeros(500))], [np.zeros((500, 2), dtype=np.float32)], 0.5) == []


def test_updates_are_those_of_the_whole_training_also_where_it_ends_within_an_epoch(tmp_path):
    lines = [{"update": k, "loss": 0.5} for k in range(1, 7)]
    lines.insert(4, {"update": 4, "epoch": 0, "train_loss": 0.5})
    (tmp_path / "config.toml").write_text('[policy]\nname = "carry"\n')
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (learned,) = _learning(tmp_path, "")
    assert learned.training == [(4, 0.5)]
    assert learned.updates == 6
