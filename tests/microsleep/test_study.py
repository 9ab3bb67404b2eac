"""The index of a study: rows, totals and links from the files of a prediction's folder."""

from __future__ import annotations

import csv
import json

from memcell_eeg.reports.prediction.study import write_study

COLUMNS = (
    "recording",
    "status",
    "events",
    "event_seconds",
    "probability_max",
    "hours",
    "gaps",
    "file",
    "reason",
)


def folder_of(path, rows):
    """A folder of predictions in steps of 1 s; hours are of the steps, and one recording has a gap."""
    lines = ["\t".join(COLUMNS), *("\t".join(map(str, row)) for row in rows)]
    (path / "summary.tsv").write_text("\n".join(lines) + "\n")
    about = {"app": "microsleep", "facts": {"pipeline": {"step": 1.0}, "simulated": False}}
    (path / "prediction.json").write_text(json.dumps(about))
    for row in rows:
        if row[1] == "done":
            (path / f"{row[0]}_events.tsv").write_text("onset\tduration\n")
            (path / f"{row[0]}_probability.tsv").write_text(
                "onset\tprobability\tstate\n0.000\t0.5\t0\n7199.000\t0.5\t0\n"
            )
    return path


ROWS = [
    ("P1_night1", "done", 6, 72, 0.9, 2.0, 0, "/d/P1_night1.edf", ""),
    ("P1_night2", "done", 3, 36, 0.8, 1.0, 2, "/d/P1_night2.edf", ""),
    ("P2_night1", "failed", "", "", "", "", "", "/d/P2_night1.edf", "no <channel> O1"),
]


def test_a_row_for_each_recording_with_subject_quality_and_events(tmp_path):
    write_study(folder_of(tmp_path, ROWS))
    with (tmp_path / "study.tsv").open(encoding="utf-8") as file:
        first, second, third = csv.DictReader(file, delimiter="\t")
    assert (first["subject"], first["recorded_hours"], first["signal_share"]) == ("P1", "2", "1")
    assert (first["events_per_hour"], first["positive_share"]) == ("3", "0.01")
    assert (second["recorded_hours"], second["signal_share"], second["gaps"]) == ("2", "0.5", "2")
    assert (third["subject"], third["status"], third["events"]) == ("P2", "failed", "n/a")
    assert third["remarks"] == "no <channel> O1"


def test_the_page_has_totals_and_leads_to_each_recording(tmp_path):
    folder_of(tmp_path, ROWS)
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "P1_night1.html").write_text("")
    assert write_study(tmp_path) == tmp_path / "study.html"
    page = (tmp_path / "study.html").read_text(encoding="utf-8")
    assert (
        "2 recordings of 1 subject, 3.00 h of signal: 9 events, 3.0 an hour, 1.0 % of the time."
        in page
    )
    assert "1 recording could not be predicted" in page
    assert 'href="views/P1_night1.html">P1_night1</a>' in page
    assert 'href="P1_night2_events.tsv">P1_night2</a>' in page
    assert "no &lt;channel&gt; O1" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_recording_that_the_report_scrolls_is_led_to(tmp_path):
    folder_of(tmp_path, ROWS)
    heading = '<h3 id="viewer-2-name">P1_night2: scroll and zoom</h3>'
    write_study(tmp_path, f"<p>{heading}</p>")
    page = (tmp_path / "study.html").read_text(encoding="utf-8")
    assert 'href="report.html#viewer-2">P1_night2</a>' in page
    assert 'href="P1_night1_events.tsv">P1_night1</a>' in page


def test_one_recording_is_no_study(tmp_path):
    assert write_study(folder_of(tmp_path, ROWS[:1])) is None
    assert not (tmp_path / "study.html").exists()
