"""Files of a folder that somebody else made: every one that no run writes is refused by name."""

from __future__ import annotations

import copy
import json
import os
import resource
import struct
import time
import zipfile

import numpy as np
import pytest
import torch

from memcell.applications.app import ModelPredictions, Row
from memcell.errors import RunFolderError
from memcell.files import reading
from memcell.runs.predictions import read_predictions, write_predictions
from memcell.runs.run_folder import RunFolder
from memcell.sequences.time_series import TimeSeries
from memcell.training.checkpoint import load_checkpoint, read_head, save_checkpoint


@pytest.fixture
def outside(tmp_path):
    path = tmp_path / "outside"
    path.write_text("as it was")
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    return path


def test_a_link_out_of_the_folder_is_neither_read_nor_written_through(folder, outside):
    (folder / "metrics.jsonl").symlink_to(outside)
    run = RunFolder(folder)
    for call in (lambda: run.append({"loss": 1}), lambda: run.cut_metrics(0), run.metrics_size):
        with pytest.raises(RunFolderError, match=r"metrics\.jsonl' is a link out of"):
            call()
    with pytest.raises(RunFolderError, match="is a link out of"):
        reading.read_text(folder / "metrics.jsonl")
    assert outside.read_text() == "as it was"


def test_a_link_within_the_folder_is_read(folder):
    (folder / "a.json").write_text("[1]")
    (folder / "b.json").symlink_to("a.json")
    assert reading.read_json(folder / "b.json") == [1]


def test_another_name_of_another_file_is_not_written_through(folder, outside):
    os.link(outside, folder / "metrics.jsonl")
    RunFolder(folder).append({"loss": 1})
    assert outside.read_text() == "as it was"
    assert (folder / "metrics.jsonl").read_text() == 'as it was{"loss": 1}\n'


def test_lines_go_where_the_name_leads_now(folder):
    """The file stays open between lines, which are there at once: for a reader, and after a kill."""
    run, metrics, backup = RunFolder(folder), folder / "metrics.jsonl", folder / "backup"
    run.append({"loss": 1})
    assert metrics.read_text() == '{"loss": 1}\n'
    os.link(metrics, backup)
    run.append({"loss": 2})
    assert backup.read_text() == '{"loss": 1}\n'
    assert metrics.read_text() == '{"loss": 1}\n{"loss": 2}\n'
    metrics.unlink()
    copy.deepcopy(run).append({"loss": 3})
    run.append({"loss": 4})
    assert metrics.read_text() == '{"loss": 3}\n{"loss": 4}\n'


def test_a_file_is_never_made_longer(folder):
    run = RunFolder(folder)
    run.append({"loss": 1})
    size = run.metrics_size()
    run.cut_metrics(10**12)
    assert run.metrics_size() == size
    run.cut_metrics(3)
    assert run.metrics_size() == 3


@pytest.mark.parametrize("there", [(), ("control-reset",), ("against-reset", "control-reset")])
def test_a_control_run_has_its_new_name(folder, there):
    for name in there:
        (folder / name).mkdir()
    assert RunFolder(folder).control("reset").name == "control-reset"


def test_a_control_run_of_version_0_1_keeps_its_name(folder):
    (folder / "against-reset").mkdir()
    assert RunFolder(folder).control("reset").name == "against-reset"
    assert RunFolder(folder).control("carry").name == "control-carry"


@pytest.mark.parametrize("name", ["folds", "folds/S1", "control-reset"])
def test_a_folder_below_that_is_a_link_out_is_refused(folder, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(RunFolderError, match="is a link out of"):
        RunFolder(folder).below(name)
    assert reading.subfolders(folder, name) == []


def test_what_is_no_plain_file_is_refused_at_once(folder):
    os.mkfifo(folder / "pipe")
    (folder / "sub").mkdir()
    (folder / "round").symlink_to("round")
    for name, what in (("pipe", "is a pipe"), ("sub", "is a folder"), ("round", "cannot be|link")):
        with pytest.raises(RunFolderError, match=what):
            reading.read_bytes(folder / name)
    with pytest.raises(RunFolderError, match="is missing"):
        reading.read_bytes(folder / "nothing")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[" * 100_000, "nested too deeply|not valid JSON"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("1" * 5000, "digits|not valid"),
        ("9" * 40, "40 digits"),
        ('{"a": }', "not valid JSON"),
        ("\ud800", "not UTF-8"),
        ("[1]", "no JSON object"),
    ],
)
def test_json_that_no_run_writes(folder, text, what):
    path = folder / "x.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RunFolderError, match=what) as told:
        reading.read_object(path)
    assert "x.json" in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["a"] * 100_000) + " = 1",
        " . ".join(["a"] * 2000) + " = 1",
        "x = {" + ".".join(["'a'"] * 2000) + " = 1}",
        "x = " + "[" * 50_000,
        "x = " + "{a = " * 5000,
        "x = " + "9" * 5000,
        "#" * 1_100_000,
        "x = " + "a" * 900_000,
    ],
    ids=["dotted", "spaced", "inline", "lists", "tables", "digits", "large", "word"],
)
def test_toml_that_no_run_writes_is_refused_within_a_second(folder, text):
    path = folder / "config.toml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(RunFolderError, match=r"config\.toml"):
        reading.read_toml(path)
    assert time.process_time() - began < 2


def test_toml_of_a_person_is_read(folder):
    path = folder / "config.toml"
    path.write_text("a.b.c = [0.1, 0.2, 0.3]\nd = 'x.y.z'\n" + "e = [" + "0.5, " * 500 + "]\n")
    assert reading.read_toml(path)["a"]["b"]["c"] == [0.1, 0.2, 0.3]


def test_a_file_larger_than_its_kind_is_not_read(folder):
    path = folder / "x.json"
    with path.open("wb") as file:
        file.truncate(10**13)
    with pytest.raises(RunFolderError, match="a file of its kind has at most"):
        reading.read_json(path)
    with pytest.raises(RunFolderError, match="a file of its kind has at most"):
        load_checkpoint(path)


def npz(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(f"{name}.npy", content)


def npy(shape, descr="<f8", data=b""):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (118 - len(head)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def test_packed_arrays_take_no_more_memory_than_such_a_file_can_need(folder):
    path = folder / "predictions.npz"
    zeros = bytes(400_000_000)
    npz(path, times=npy((50_000_000,), data=zeros))
    del zeros
    assert path.stat().st_size < 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RunFolderError, match="would take 400 MB of memory"):
        reading.read_arrays(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize(
    "content",
    [
        npy((10**12,)),
        npy((-1, -8), data=bytes(64)),
        npy((2,), "|O", bytes(16)),
        npy((3,), data=bytes(16)),
        b"\x93NUMPY\x09\x00",
        b"",
        b"no array",
    ],
    ids=["8 TB", "negative", "objects", "short", "version", "empty", "text"],
)
def test_an_array_is_what_its_head_says(folder, content):
    path = folder / "x.npz"
    npz(path, a=content)
    with pytest.raises(RunFolderError, match=r"x\.npz"):
        reading.read_arrays(path)


def test_arrays_of_a_run_are_read(folder):
    path = folder / "x.npz"
    wanted = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([True]), "c": np.empty((0, 2))}
    np.savez_compressed(path, **wanted)
    found = reading.read_arrays(path)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype


def test_a_checkpoint_of_another_size_than_it_says(folder):
    path = folder / "c.safetensors"
    save_checkpoint(path, {"a": torch.ones(2, 3)}, {"x": 1})
    assert read_head(path).tensors == {"a": (torch.float32, (2, 3))}
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    head = json.loads(whole[8 : 8 + length])
    head["a"]["shape"] = [2 * 10**12]
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + length :])
    with pytest.raises(RunFolderError, match=r"c\.safetensors' is damaged"):
        load_checkpoint(path)
    path.write_bytes(struct.pack("<Q", 2**63) + whole[8:])
    with pytest.raises(RunFolderError, match="does not begin as"):
        load_checkpoint(path)


def test_whatever_goes_wrong_with_values_of_a_file_names_it(folder):
    for error in (
        TypeError("x"),
        KeyError("x"),
        OverflowError("x"),
        RecursionError(),
        ValueError(),
    ):
        with pytest.raises(RunFolderError, match=r"a\.json"), reading.refusing(folder / "a.json"):
            raise error
    assert RunFolderError.exit_code == 2


def some_rows(name="a"):
    sequence = TimeSeries(
        name="night",
        subject="a",
        features=np.empty((2, 0), dtype=np.float32),
        targets=np.array([0, 1]),
    )
    part = ModelPredictions(
        sequences=(sequence,), probabilities=(np.full((2, 2), 0.5),), decision={"threshold": 0.5}
    )
    return [Row(name=name, kind="network", scores={}, predictions=(part,))]


def test_predictions_of_version_0_1_are_read_until_there_are_new_ones(folder):
    write_predictions(folder, some_rows("old"))
    (folder / "predictions.npz").rename(folder / "judged.npz")
    assert [row.name for row in read_predictions(folder)] == ["old"]
    write_predictions(folder, some_rows("new"))
    assert [row.name for row in read_predictions(folder)] == ["new"]
    assert not (folder / "judged.npz").exists()


WRONG_ARRAYS = [
    ("times", np.array([0.0, np.nan])), ("targets", np.array(["0", "1"])),
    ("targets", np.array([0.0, 1e300])), ("targets", np.array([0, 2])),
    ("starts", np.array([1.0, 0.0])), ("p0", np.array([[0.5, np.nan], [0.5, 0.5]])),
    ("p0", np.array([0.5, 0.5])), ("p0", np.full((2, 2), 1e300)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "array"), WRONG_ARRAYS)
def test_predictions_that_no_run_writes_are_refused(folder, name, array):
    write_predictions(folder, some_rows())
    assert len(read_predictions(folder)) == 1
    with np.load(folder / "predictions.npz") as held:
        arrays = {**held, name: array}
    np.savez(folder / "predictions.npz", **arrays)
    with pytest.raises(RunFolderError, match=r"predictions\.npz' does not hold what a run writes"):
        read_predictions(folder)
