"""Kept features: the same bits, whole or not there, made anew where anything changed, and nobody's name."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from campaigns import other_user
from memcell.errors import MemcellError
from memcell_data.formats.edf.writer import Track, write_edf
from memcell_data.formats.reader import open_recording
from memcell_data.labels.reading import FileLabels, Rule
from memcell_data.recording import Interval
from memcell_eeg import store
from memcell_eeg.cache import FeatureCache, features
from memcell_eeg.cache.key import key_of
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal.channels import choose
from memcell_eeg.targets.labels import LabelRules
from memcell_microsleep.app import Microsleep
from memcell_microsleep.config import MicrosleepConfig

NAME = "Mustermann-Erika-19700523"
RULE = Rule(positive=("microsleep",), negative=("wake",), background="wake")
RULES = LabelRules()


def write(path: Path, seed: int = 0, seconds: int = 40) -> Path:
    values = np.random.default_rng(seed).normal(size=(2, 100 * seconds)) * 20
    tracks = [
        Track(name=n, values=v, rate=100, physical=(-500.0, 500.0))
        for n, v in zip(("O1", "O2"), values, strict=True)
    ]
    # A gap, so that a warning or a break has to come back too.
    onsets = [float(k + 7 * (k >= 20)) for k in range(seconds)]
    write_edf(
        path, tracks, onsets=onsets, annotations=[Interval(onset=5, duration=3, label="microsleep")]
    )
    return path


def opened(path: Path):
    labels = FileLabels(recording=path, rule=RULE, complete=True)
    return open_recording(path, subject=NAME, labels=labels)


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / f"{NAME}.edf")


@pytest.fixture
def pipeline(file):
    config = MicrosleepConfig()
    return Pipeline.of(config, choose(config.channels, [opened(file)]), 100.0)


def entries(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def same(one, other) -> bool:
    assert (one.name, one.subject, one.breaks) == (other.name, other.subject, other.breaks)
    assert (one.start_time, one.step_seconds) == (other.start_time, other.step_seconds)
    for name in ("features", "targets", "times"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype
        if a.tobytes() != b.tobytes():
            return False
    return True


def test_what_comes_from_the_cache_equals_what_is_made(file, pipeline, tmp_path) -> None:
    plain = pipeline.sequence(opened(file), RULES)
    assert plain.breaks
    for taken, made in ((0, 1), (1, 0)):
        cache = FeatureCache(tmp_path / "c")
        found = cache.sequence(pipeline, opened(file), RULES)
        assert same(found, plain)
        assert (cache.taken, cache.made) == (taken, made)
        base = found.features
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)
    assert "1 recording from the cache, 0 computed" in cache.summary()
    assert "MB in all; --cache off" in cache.summary()


def test_who_writes_into_features_does_not_write_into_the_cache(file, pipeline, tmp_path) -> None:
    cache = FeatureCache(tmp_path / "c")
    cache.sequence(pipeline, opened(file), RULES).features[:] = 7.0
    assert same(
        cache.sequence(pipeline, opened(file), RULES), pipeline.sequence(opened(file), RULES)
    )
    assert cache.taken == 1


def test_targets_never_come_from_the_cache(file, pipeline, tmp_path) -> None:
    cache = FeatureCache(tmp_path / "c")
    cache.sequence(pipeline, opened(file), RULES)
    other = LabelRules(min_duration=4.0)
    assert same(
        cache.sequence(pipeline, opened(file), other), pipeline.sequence(opened(file), other)
    )
    assert cache.taken == 1


def test_a_changed_option_or_file_is_another_entry(file, pipeline, tmp_path) -> None:
    folder = tmp_path / "c"
    facts = pipeline.facts()
    keys = {key_of(opened(file), facts)}
    for change in ({"window": 2.0}, {"low": 1.0}, {"phase": "zero"}, {"normalization": "none"}):
        keys.add(key_of(opened(file), replace(pipeline, **change).facts()))
    assert len(keys) == 5
    FeatureCache(folder).sequence(pipeline, opened(file), RULES)
    # Another recording of the same size and date in the same place.
    before = file.stat()
    write(file, seed=1)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    cache = FeatureCache(folder)
    assert same(
        cache.sequence(pipeline, opened(file), RULES), pipeline.sequence(opened(file), RULES)
    )
    assert cache.made == 1


def test_files_of_one_archive_are_told_apart(tmp_path, pipeline) -> None:
    paths = [write(tmp_path / f"{k}.edf", seed=k) for k in range(2)]
    for path in paths:
        os.utime(path, ns=(10**18, 10**18))
    one, two = (opened(p) for p in paths)
    assert one.fingerprint == two.fingerprint  # sizes and times are the same
    assert key_of(one, pipeline.facts()) != key_of(two, pipeline.facts())


@pytest.mark.parametrize("ending", ["npy", "json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "empty"])
def test_a_damaged_entry_is_made_anew(file, pipeline, tmp_path, ending, damage) -> None:
    folder = tmp_path / "c"
    plain = pipeline.sequence(opened(file), RULES)
    FeatureCache(folder).sequence(pipeline, opened(file), RULES)
    whole = entries(folder)
    (victim,) = folder.glob(f"*.{ending}")
    content = bytearray(victim.read_bytes())
    victim.unlink()
    if damage == "flipped":
        content[-40] ^= 1
    if damage != "gone":
        keep = {"cut": len(content) // 2, "flipped": len(content), "empty": 0}[damage]
        victim.write_bytes(bytes(content[:keep]))
    cache = FeatureCache(folder)
    assert same(cache.sequence(pipeline, opened(file), RULES), plain)
    assert (cache.taken, cache.made) == (0, 1)
    assert entries(folder) == whole


def _fill(folder: Path, path: Path, pipeline: Pipeline, gate, answers) -> None:
    cache = FeatureCache(folder)
    gate.wait(60)
    made = [cache.sequence(pipeline, opened(path), RULES).features.tobytes() for _ in range(5)]
    answers.put((len(set(made)), made[0], cache.taken + cache.made))


def test_two_processes_may_write_the_same_entry_at_once(file, pipeline, tmp_path) -> None:
    folder = tmp_path / "c"
    context = multiprocessing.get_context("fork")
    gate, answers = context.Barrier(2), context.Queue()
    args = (folder, file, pipeline, gate, answers)
    both = [context.Process(target=_fill, args=args) for _ in range(2)]
    for process in both:
        process.start()
    found = [answers.get(timeout=60) for _ in both]
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    expected = pipeline.sequence(opened(file), RULES).features.tobytes()
    assert [(n, asked) for n, _, asked in found] == [(1, 5), (1, 5)]
    assert all(content == expected for _, content, _ in found)
    assert len(entries(folder)) == 2  # and nothing half-written beside them


def test_nobody_s_name_is_in_it(file, pipeline, tmp_path) -> None:
    def with_a_warning(recording):
        def read(names):
            signal = recording.read(names)
            told = f"{file}: {file.name}: {recording.name} of {recording.subject} is odd"
            return replace(signal, warnings=(told,))

        return replace(recording, read=read)

    folder = tmp_path / "c"
    said = []
    for _ in range(2):
        lines: list[str] = []
        FeatureCache(folder).sequence(pipeline, with_a_warning(opened(file)), RULES, lines.append)
        said.append(lines)
    assert said[0] == said[1]
    assert f"{NAME} of {NAME} is odd" in said[0][0]
    content = b"".join(name.encode() + c for name, c in entries(folder).items())
    assert len(content) > 1000
    for part in (*NAME.split("-"), str(tmp_path)):
        assert part.encode() not in content


def test_warnings_come_back_with_the_names(file) -> None:
    recording = opened(file)
    line = f"{file}: {file.name}: {NAME} has 2 odd steps"
    stored = features._nameless(line, recording)
    assert NAME not in stored
    assert features._named(stored, recording) == line


def test_a_disk_that_takes_nothing_ends_no_run(file, pipeline, tmp_path) -> None:
    taken = tmp_path / "file"
    taken.write_text("no folder")
    cache = FeatureCache(taken / "below")
    assert same(
        cache.sequence(pipeline, opened(file), RULES), pipeline.sequence(opened(file), RULES)
    )
    assert "features are not cached" in cache.summary()
    with pytest.raises(MemcellError, match="file"):
        FeatureCache.of(str(taken))  # typed by a person: an error, not a remark
    with pytest.raises(MemcellError, match="empty name"):
        FeatureCache.of("")
    assert FeatureCache.of("OFF").folder is None


def test_a_recording_that_cannot_be_told_from_another_is_not_kept(
    recording_of, pipeline, tmp_path
) -> None:
    values = np.random.default_rng(0).normal(size=(2, 3000))
    cache = FeatureCache(tmp_path / "c")
    cache.sequence(pipeline, recording_of(values), RULES)
    assert not (tmp_path / "c").exists()
    assert cache.summary() == ""


def test_only_so_many_files_are_held_open(tmp_path, pipeline, monkeypatch) -> None:
    paths = [write(tmp_path / f"{k}.edf", seed=k, seconds=12) for k in range(3)]
    monkeypatch.setattr(features, "MOST_MAPPED", 1)
    cache = FeatureCache(tmp_path / "c")
    for path in paths:
        found = cache.sequence(pipeline, opened(path), RULES)
        assert same(found, pipeline.sequence(opened(path), RULES))
    assert found.features.flags.owndata or found.features.base.flags.owndata


def test_sweep_removes_only_old_entries(file, pipeline, tmp_path) -> None:
    folder = tmp_path / "c"
    FeatureCache(folder).sequence(pipeline, opened(file), RULES)
    (folder / "thesis.docx").write_text("a person's own")
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    assert store.read(folder, next(folder.glob("*.json")).stem) is not None  # used just now
    store.sweep(folder)
    assert len(entries(folder)) == 3
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    store.sweep(folder)
    assert list(entries(folder)) == ["thesis.docx"]


def test_a_task_with_and_without_the_cache(tmp_path, dataset_of) -> None:
    paths = [write(tmp_path / f"{k}.edf", seed=k) for k in range(3)]
    recordings = [replace(opened(p), subject=p.stem) for p in paths]

    def task(cache: str):
        config = MicrosleepConfig(cache=cache)
        return Microsleep(config, dataset_of(recordings)).task()

    plain, first, second = task("off"), task(str(tmp_path / "c")), task(str(tmp_path / "c"))
    assert plain.remarks == ()
    assert "3 computed" in first.remarks[0]
    assert "3 recordings from the cache" in second.remarks[0]
    for kept in (first, second):
        assert kept.notes == plain.notes
        assert kept.facts == plain.facts, "a model's id is a digest of these too"
        for part in ("train", "valid", "test"):
            pairs = zip(getattr(plain, part), getattr(kept, part), strict=True)
            assert all(same(a, b) for a, b in pairs)


@pytest.mark.parametrize("option", [{"cache": "off"}, {"baselines": "all"}])
def test_options_that_change_no_model_change_no_facts(tmp_path, dataset_of, option) -> None:
    paths = [write(tmp_path / f"{k}.edf", seed=k) for k in range(3)]
    recordings = [replace(opened(p), subject=p.stem) for p in paths]
    plain, other = (
        Microsleep(MicrosleepConfig(**how), dataset_of(recordings)).task()
        for how in ({"cache": str(tmp_path / "c")}, {"cache": str(tmp_path / "c"), **option})
    )
    assert other.facts == plain.facts


@pytest.mark.skipif(not other_user.can_act(), reason="only root may give files to another user")
@pytest.mark.parametrize("theirs", ["the folder above", "the folder", "an entry"])
def test_what_another_user_could_have_written_is_not_read(tmp_path, file, pipeline, theirs):
    folder = tmp_path / "above" / "kept"
    kept = FeatureCache.of(str(folder))
    kept.sequence(pipeline, opened(file))
    assert FeatureCache.of(str(folder)).folder == folder
    (entry,) = folder.glob("*.npy")
    place = {"the folder above": folder.parent, "the folder": folder, "an entry": entry}[theirs]
    os.chown(place, other_user.nobody(), -1)
    again = FeatureCache.of(str(folder))
    again.sequence(pipeline, opened(file))
    assert (again.taken, again.made) == (0, 1)
    if theirs != "an entry":
        assert "belongs to user nobody" in again.summary()
