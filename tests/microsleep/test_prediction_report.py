"""The page of a prediction: from its files alone, bounded in size, and honest about what it left out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from memcell.errors import RunFolderError
from memcell.reports.numbers import number
from memcell_eeg.reports import build
from memcell_eeg.reports.prediction import files
from memcell_eeg.reports.prediction import page as pages
from memcell_microsleep.app import MICROSLEEP

HEADS = ("recording", "status", "events", "event_seconds", "probability_max", "hours", "channels", "rate",
         "gaps", "file", "reason", "note", "warnings")  # fmt: skip


class Folder:
    """A prediction's folder, written as `predict` does."""

    def __init__(self, path) -> None:
        self.path = path
        self.rows: list[dict] = []

    def add(self, name, events=((2.0, 3.0),), times=None, p=None, **row):
        times = np.arange(300) * 0.2 if times is None else times
        p = np.full(len(times), 0.1) if p is None else p
        lines = [f"{a:.3f}\t{d:.3f}\tmicrosleep\t0.9\t0.8" for a, d in events]
        head = "onset\tduration\ttrial_type\tprobability_max\tprobability_mean"
        (self.path / f"{name}_events.tsv").write_text(
            "\n".join([head, *lines]) + "\n", encoding="utf-8"
        )
        steps = [f"{t:.3f}\t{v:.6f}\t{int(v >= 0.6)}" for t, v in zip(times, p, strict=True)]
        head = "onset\tprobability\tstate"
        (self.path / f"{name}_probability.tsv").write_text(
            "\n".join([head, *steps]) + "\n", encoding="utf-8"
        )
        origin = {"Name": "memcell microsleep", "model_id": "abc-carry", "threshold": 0.6}
        sidecar = {"GeneratedBy": origin, "Summary": {}}
        (self.path / f"{name}_events.json").write_text(json.dumps(sidecar), encoding="utf-8")
        seconds = sum(d for _, d in events)
        self.rows.append(
            {"recording": name, "status": "done", "events": len(events), "event_seconds": seconds,
             "probability_max": float(p.max(initial=0)), "hours": len(times) * 0.2 / 3600, **row}
        )  # fmt: skip

    def fail(self, name, reason):
        self.rows.append(
            {"recording": name, "status": "failed", "file": f"/d/{name}.edf", "reason": reason}
        )

    def about(self, **values):
        (self.path / "prediction.json").write_text(
            json.dumps({"app": "microsleep", **values}), encoding="utf-8"
        )

    def page(self):
        lines = [
            "\t".join(HEADS),
            *("\t".join(str(r.get(h, "")) for h in HEADS) for r in self.rows),
        ]
        (self.path / "summary.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return build(self.path, MICROSLEEP).read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_the_numbers_are_those_of_the_files(folder) -> None:
    hour = np.arange(18000) * 0.2
    folder.add("a", [(10.0, 2.0), (100.0, 4.0)], times=hour)
    folder.add(
        "b", [(50.0, 6.0)], times=hour, warnings="b.edf: channel 'O1' is flat 12% of the time"
    )
    page = folder.page()
    assert "<strong>3 events</strong> were detected in 2 of 2 recordings (2.00 h of signal)" in page
    assert "<strong>1.5 per hour</strong>, 12.0 s in total" in page
    assert "3 events, median 4.0 s" in page
    assert "channel &#x27;O1&#x27; is flat 12% of the time" in page
    assert "abc-carry" in page
    assert number(0.6, 4) in page


def test_failed_recordings_are_named_with_their_reasons(folder) -> None:
    folder.add("good")
    for k in range(30):
        folder.fail(f"bad{k:02d}", f"/d/bad{k:02d}.edf: is cut off")
    folder.fail("odd", "/d/odd.edf: has no channel 'O1'")
    page = folder.page()
    assert "31 recordings of 32 could not be predicted" in page
    # the same reason is one row
    assert page.count(": is cut off</td>") == 1 + 30
    assert "<td>30</td><td>…: is cut off</td>" in page
    assert "has no channel &#x27;O1&#x27;" in page


def test_gaps_are_drawn_and_counted(folder) -> None:
    times = np.concatenate([np.arange(100) * 0.2, 50 + np.arange(100) * 0.2])
    folder.add("gappy", times=times)
    folder.add("whole")
    page = folder.page()
    assert "1 gap (30.0 s)" in page
    assert (
        page.count("<title>gap: not recorded</title>") == 2
    )  # beside probabilities and beside events


def test_many_recordings_make_a_page_of_bounded_size(folder, monkeypatch) -> None:
    monkeypatch.setattr(files, "DRAWN", 3)
    monkeypatch.setattr(files, "MOST_EVENT_FILES", 40)
    monkeypatch.setattr(pages, "MOST_ROWS", 20)
    for k in range(60):
        folder.add(f"r{k:02d}")
    page = folder.page()
    assert page.count('class="drawing wide"') == 3
    assert (
        "The first 3 recordings in the order of the summary; 57 more are in the table below" in page
    )
    assert "All recordings (the first 20; 40 more in the file)" in page
    assert "Events of the first 40 recordings." in page
    assert "of the 3 recordings drawn above" in page
    assert "60 events" in page


def test_long_probabilities_are_left_out_and_said_to_be(folder, monkeypatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 10_000)
    folder.add("first")
    folder.add("second")
    page = folder.page()
    assert page.count("probabilities are not drawn") == 1
    assert page.index("first") < page.index("probabilities are not drawn")


def test_what_is_damaged_becomes_a_sentence(folder) -> None:
    for name in ("a", "b", "c", "d"):
        folder.add(name)
    (folder.path / "a_events.tsv").unlink()
    (folder.path / "b_probability.tsv").write_text(
        "onset\tprobability\tstate\n0.0\tx\n", encoding="utf-8"
    )
    (folder.path / "c_events.json").write_text("{", encoding="utf-8")
    (folder.path / "d_probability.tsv").write_bytes(b"\xff\xfe\x00")
    (folder.path / "prediction.json").write_text("[]", encoding="utf-8")
    page = folder.page()
    assert "The events file of 1 recording listed as done cannot be read: a." in page
    assert page.count("probability file cannot be read") == 2


WRONG = (None, True, -1, 10**400, float("nan"), "x", [], [None], {}, {"a": {"b": []}})
FACTS = ("dataset", "simulated", "protocol", "split", "channels", "feature_names", "pipeline", "subjects",
         "recordings", "rate", "delay_seconds")  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_facts_of_another_type_are_left_out(folder, wrong) -> None:
    folder.add("a")
    pipeline, recordings = {"step": wrong, "features": wrong}, [{"name": "a", "warnings": wrong}]
    for facts in (
        wrong,
        dict.fromkeys(FACTS, wrong),
        {"pipeline": pipeline, "subjects": {"train": wrong}, "recordings": recordings},
    ):
        folder.about(facts=facts, decision=wrong, scores=wrong, notes=wrong)
        assert 'id="model"' in folder.page()


def test_a_summary_without_recordings_is_refused_by_name(folder) -> None:
    folder.add("a")
    folder.page()
    summary = folder.path / "summary.tsv"
    summary.write_text(summary.read_text().replace("recording", "recorfing"))
    with pytest.raises(RunFolderError, match=r"summary\.tsv' has no column 'recording'"):
        build(folder.path, MICROSLEEP)


def test_nothing_done_and_nothing_at_all(folder, tmp_path) -> None:
    assert "No recording has a result." in folder.page()
    folder.fail("x", "no")
    assert "No recording has a result." in folder.page()


def test_names_are_words_and_lead_nowhere(folder, tmp_path) -> None:
    bad = '<script>alert("1")<'
    folder.add(bad, warnings=bad)
    folder.rows.append({"recording": "../../outside", "status": "done", "events": 1, "hours": 1})
    folder.about(
        notes=[bad], facts={"dataset": bad, "subjects": {"train": [bad]}, "channels": [bad]}
    )
    page = folder.page()
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;") > 5
    assert "The events file of 1 recording listed as done cannot be read: ../../outside" in page


def test_the_model_is_named_with_what_it_was_trained_on(folder) -> None:
    folder.add("r1")
    folder.add("r2")
    folder.about(
        run="runs/x", inference="carry", network="lstm, trained with carry",
        scores={"balanced_accuracy": 0.8125, "kappa": None},
        decision={"threshold": 0.6, "threshold_chosen": 0.0, "weight_odds": 8.0},
        notes=["split by subject: 2 train"],
        facts={"dataset": "mwt", "split": "subject", "simulated": False, "rate": 100.0,
               "subjects": {"train": ["p1", "p2"], "valid": [], "test": ["p3"]}, "channels": ["O1", "O2"],
               "recordings": [{"name": "r1", "subject": "p1"}, {"name": "r2", "subject": "p3"}]},
    )  # fmt: skip
    page = folder.page()
    for words in ("lstm, trained with carry", "runs/x", "mwt", "O1, O2", "0.812",
                  "Split by subject: 2 train.", "2 training, 0 validation, 1 test",
                  "trained on 2 subjects",
                  "was not chosen on validation", "not an even chance"):  # fmt: skip
        assert words in page, words
    assert "recordings with the same names as 1 recording of these (r1)" in page
    assert "simulated" not in page


def test_a_model_of_simulated_recordings_is_said_first(folder) -> None:
    folder.add("r1")
    folder.about(facts={"simulated": True})
    page = folder.page()
    assert page.index("simulated recordings") < page.index('id="results"')


def test_a_model_without_scores_says_so(folder) -> None:
    folder.add("r1")
    folder.about()
    assert "performance is unknown" in folder.page()
