"""What is shown before training, of generated EDF files: planted faults by name, and none of good files."""

from __future__ import annotations

import time

import numpy as np
import pytest

from memcell.errors import DataError
from memcell.progress import SILENT
from memcell_data.datasets.configs import UserRecordingsConfig
from memcell_data.datasets.user_recordings import UserRecordings
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_eeg.advice.findings import many
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

RATE, SECONDS = 100, 400
HEAD = "onset,duration,description\n"


def signal(spans, seconds=SECONDS, seed=0, rate=RATE):
    """``[2, n]`` uV of 1/f noise, with theta where somebody sleeps."""
    random, n = np.random.default_rng(seed), seconds * rate
    f = np.maximum(np.fft.rfftfreq(n, 1 / rate), 1.0)
    noise = np.fft.irfft(np.fft.rfft(random.normal(size=(3, n))) / np.sqrt(f), n)
    noise /= noise.std(axis=1, keepdims=True)
    t = np.arange(n) / rate
    out = 8 * (noise[:1] + noise[1:])
    for onset, duration in spans:
        inside = (t >= onset) & (t < onset + duration)
        out[:, inside] += 15 * np.sin(2 * np.pi * 6 * t[inside])
    return out


def spans_of(seed, seconds=SECONDS):
    random = np.random.default_rng(seed)
    firsts = np.sort(random.choice(seconds // 40 - 1, 4, replace=False)) * 40
    return [(float(a + random.integers(2, 25)), float(random.integers(6, 12))) for a in firsts]


def write(folder, name, values, spans, rate=RATE, shift=0.0, dense=False):
    """Write a recording and its labels; `dense` labels say wake too."""
    tracks = [Track(name=c, values=v, rate=rate) for c, v in zip(("O1", "C3"), values, strict=True)]
    write_edf(folder / f"{name}.edf", tracks)
    rows = [(a + shift, d, "microsleep") for a, d in spans]
    if dense:
        edges = [0.0, *(x for a, d in spans for x in (a, a + d)), values.shape[1] / rate]
        rows += [(a + shift, b - a, "wake") for a, b in zip(edges[::2], edges[1::2], strict=True)]
    lines = [f"{a:g},{d:g},{word}\n" for a, d, word in sorted(rows)]
    (folder / f"{name}.csv").write_text(HEAD + "".join(lines))


@pytest.fixture
def folder(tmp_path):
    """Six people of 400 s, in order."""
    for k in range(6):
        write(tmp_path, f"p{k}", signal(spans_of(k), seed=k), spans_of(k))
    return tmp_path


def checks(folder, split="loso", **options):
    """Return (severity, finding) of ``checks.tsv``, and what the screen shows."""
    own = UserRecordings(UserRecordingsConfig(path=str(folder), background="wake"))
    app = Microsleep(MicrosleepConfig(cache="off", split=split, **options), own)
    made = app.folds()[0] if split == "loso" else app.task()
    rows = [line.split("\t") for line in made.tables["checks.tsv"].splitlines()[1:]]
    return [(r[0], r[3]) for r in rows if r[0] != "nothing"], "\n".join(made.preview)


def test_recordings_in_order_are_not_cried_at(folder) -> None:
    found, shown = checks(folder)
    assert found == []
    assert "checks before training: nothing found" in shown
    found, _ = checks(folder, "subject")
    assert [s for s, _ in found if s in ("serious", "warning")] == []


def test_crops_that_end_at_the_event(folder) -> None:
    for k in range(6):
        seconds = 300 + 10 * k
        spans = [(seconds - 20.0, 20.0)]
        write(folder, f"p{k}", signal(spans, seconds, k), spans)
    found, shown = checks(folder)
    assert found[0][0] == "serious"
    assert (
        "6 of 6 recordings the label changes for the last time 20 s before the end" in found[0][1]
    )
    assert "serious: in 6 of 6 recordings" in shown


def test_a_timetable(folder) -> None:
    for k in range(6):
        spans = [(60.0, 30.0), (180.0, 30.0), (300.0 + k, 20.0)]
        write(folder, f"p{k}", signal(spans, seed=k), spans)
    found, _ = checks(folder)
    sentences = [sentence for severity, sentence in found if severity == "serious"]
    assert any("for the first time 60 s after the start" in s for s in sentences)
    assert any("time alone: AUC 0.9" in s or "time alone: AUC 1.0" in s for s in sentences)


def test_a_state_a_recording_under_causal_normalization(folder) -> None:
    for k in range(6):
        for state in (0, 1):
            spans = [(0.0, 120.0)] if state else []
            name = f"p{k}-{'sleep' if state else 'wake'}"
            write(folder, name, signal(spans, 120, 10 * k + state), spans, dense=not state)
        (folder / f"p{k}.edf").unlink()
        (folder / f"p{k}.csv").unlink()
    pattern = UserRecordingsConfig(path=str(folder), background="wake", subject_pattern=r"(p\d)-")
    for scale, expected in (("causal", ["serious"]), ("training", [])):
        config = MicrosleepConfig(cache="off", split="loso", normalization=scale)
        made = Microsleep(config, UserRecordings(pattern)).folds()[0]
        rows = [line.split("\t") for line in made.tables["checks.tsv"].splitlines()[1:]]
        assert [r[0] for r in rows if r[1] == "scale" and r[0] != "nothing"] == expected
        assert not [r for r in rows if r[0] in ("serious", "warning") and r[1] != "scale"]


def test_amplitudes_of_another_unit(folder) -> None:
    write(folder, "p2", 60 * signal(spans_of(2), seed=2), spans_of(2))
    found, shown = checks(folder)
    assert found[0][0] == "serious"
    assert "p2 has" in found[0][1]
    assert "a wrong unit or gain" in shown


def test_a_recording_that_cannot_be_used_is_said_before_training(folder) -> None:
    write(folder, "p2", 1e-4 * signal(spans_of(2), seed=2), spans_of(2))
    found, shown = checks(folder)
    assert found[0][0] == "warning"
    assert "1 of 6 recordings cannot be used" in found[0][1]
    assert "p2" in shown


def test_labels_that_are_shifted(folder) -> None:
    write(folder, "p2", signal(spans_of(2), seed=2), spans_of(2), shift=90.0, dense=True)
    found, _ = checks(folder)
    assert found[0][0] == "serious"
    assert (
        "the labels of p2 begin 90 s after its start and go on 90 s beyond its end" in found[0][1]
    )


def test_few_of_a_class_in_one_person(folder) -> None:
    write(folder, "p2", signal([(200.0, 3.0)], seed=2), [(200.0, 3.0)])
    found, _ = checks(folder)
    assert [s for s, _ in found] == ["note"]
    assert (
        "1 of 6 people tested on have fewer than 20 steps of a class (p2 3 positive)" in found[0][1]
    )
    found, _ = checks(folder, "subject", test_subjects=("p2",))
    assert (found[0][0], found[0][1][:24]) == ("serious", "the one who is tested on")


def test_those_who_validate(folder) -> None:
    for k in range(6):
        spans = spans_of(k) if k == 0 else [(200.0, 5.0)]
        write(folder, f"p{k}", signal(spans, seed=k), spans)
    found, _ = checks(folder, "subject", tune="none")
    assert any("validate" in sentence for _, sentence in found)


def test_serious_findings_are_shown_before_training_and_are_no_part_of_the_model(folder) -> None:
    write(folder, "p2", 60 * signal(spans_of(2), seed=2), spans_of(2))
    own = UserRecordings(UserRecordingsConfig(path=str(folder), background="wake"))
    task = Microsleep(MicrosleepConfig(cache="off", split="subject"), own).task()
    assert any("p2 has" in line for line in task.preview)
    # a model's file has the notes: nothing of who is tested may be in it
    assert not any("p2 has" in note for note in task.notes)


def test_what_a_fold_would_refuse_is_refused_before_the_first_is_trained(folder) -> None:
    for k in range(1, 6):
        write(folder, f"p{k}", signal([], seed=k), [], dense=True)
    with pytest.raises(DataError, match=r"only 'p0' has positive steps.*--split none"):
        checks(folder)
    for k in range(1, 6):
        write(folder, f"p{k}", signal(spans_of(k), seed=k), spans_of(k))
    write(folder, "p5", signal(spans_of(1), seed=1), spans_of(1))  # p1 once more
    with pytest.raises(DataError, match=r"'p1' .*'p5'.* hold the same signal"):
        checks(folder)


def test_summaries_are_kept_and_equal(folder, tmp_path) -> None:
    own = UserRecordings(UserRecordingsConfig(path=str(folder), background="wake"))
    tables = []
    for _ in range(2):
        config = MicrosleepConfig(cache=str(tmp_path / "cache"), split="loso")
        tables.append(Microsleep(config, own).folds()[0].tables["checks.tsv"])
    off = MicrosleepConfig(cache="off", split="loso")
    tables.append(Microsleep(off, own).folds()[0].tables["checks.tsv"])
    assert tables[0] == tables[1] == tables[2]


def test_the_cost_of_all_checks(tmp_path) -> None:
    """Eight recordings of half an hour: 2 s at most, the reading of the signals included."""
    for k in range(8):
        write(tmp_path, f"p{k}", signal(spans_of(k), 1800, k), spans_of(k))
    own = UserRecordings(UserRecordingsConfig(path=str(tmp_path), background="wake"))
    app = Microsleep(MicrosleepConfig(cache="off", split="loso"), own)
    advice = app._tasks(SILENT).advice
    began = time.process_time()
    assert advice.of_data
    assert time.process_time() - began < 2.0


def test_those_who_validate_in_each_fold(folder) -> None:
    write(folder, "p2", signal([(200.0, 3.0)], seed=2), [(200.0, 3.0)])
    found, shown = checks(folder, tune="none")
    (sentence,) = [s for severity, s in found if severity == "warning"]
    assert "of 6 folds those who validate have fewer than 20 steps" in sentence
    assert "p2 3 positive" in sentence
    assert "--tune quick" in shown
    assert not [s for severity, s in checks(folder)[0] if "validate" in s]


def test_a_fold_whose_validator_takes_the_class_away(folder) -> None:
    for k in range(2, 6):
        write(folder, f"p{k}", signal([], seed=k), [], dense=True)
    found, _ = checks(folder)
    assert any("only 2 of 6 people have positive steps" in s for _, s in found)
    with pytest.raises(DataError, match=r"the fold without p\d, with p\d validating.*--tune quick"):
        checks(folder, tune="none")


@pytest.mark.parametrize(("people", "split"), [(1, "loso"), (1, "subject")])
def test_too_few_people_say_what_to_type(folder, people, split) -> None:
    for k in range(people, 6):
        (folder / f"p{k}.edf").unlink()
    with pytest.raises(DataError, match=r"takes? 2 subjects|needs 2 subjects") as refused:
        checks(folder, split)
    for word in ("--split time", "--split none", "--data.subject-pattern"):
        assert word in str(refused.value)


@pytest.mark.parametrize("split", ["loso", "subject", "none"])
def test_labels_of_one_class_say_what_to_type(folder, split) -> None:
    own = UserRecordings(UserRecordingsConfig(path=str(folder), background=""))
    app = Microsleep(MicrosleepConfig(cache="off", split=split), own)
    with pytest.raises(DataError, match=r"are positive, none is negative.*--data\.background"):
        app.folds() if split == "loso" else app.task()


def test_many_folds_say_what_they_cost() -> None:
    assert many(29) == []
    (finding,) = many(200)
    assert finding.severity == "note"
    assert "200 people" in finding.sentence


def test_time_that_nobody_scored_counts_as_a_class(folder) -> None:
    """Where labels say wake themselves, what none covers was not scored; of marked events it is wake."""
    for k in range(6):
        rows = [(a, d, "microsleep") for a, d in spans_of(k)] + [(0.0, 2.0, "wake")]
        text = "".join(f"{a:g},{d:g},{word}\n" for a, d, word in sorted(rows))
        (folder / f"p{k}.csv").write_text(HEAD + text)
    found, _ = checks(folder)
    (sentence,) = [s for severity, s in found if severity == "warning"]
    assert "the labels of 6 recordings" in sentence
    assert "counts as 'wake' too" in sentence
    for k in range(6):  # events of two kinds, and the rest is wake
        rows = [(a, d, "microsleep") for a, d in spans_of(k)] + [(0.0, 2.0, "drowsy")]
        text = "".join(f"{a:g},{d:g},{word}\n" for a, d, word in sorted(rows))
        (folder / f"p{k}.csv").write_text(HEAD + text)
    assert checks(folder)[0] == []
