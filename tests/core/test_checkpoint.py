"""Checkpoints: what is written is read; what was altered is refused with one type of error."""

from __future__ import annotations

import json
import random

import pytest
import torch

from memcell.errors import CheckpointError, MemcellError
from memcell.training.checkpoint import (
    FORMAT,
    join_tensors,
    load_checkpoint,
    save_checkpoint,
    split_tensors,
)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "c.safetensors"
    tensors = {
        "a": torch.arange(12.0).view(3, 4),
        "b": torch.tensor(3, dtype=torch.int64),
        "empty": torch.zeros(0, 2),
        "g": torch.Generator().get_state()[:64].clone(),
    }
    save_checkpoint(path, tensors, {"epoch": 3, "inf": float("inf")})
    return path, tensors


def test_written_tensors_are_read_back(saved):
    path, tensors = saved
    got, meta = load_checkpoint(path)
    assert meta == {"format": FORMAT, "epoch": 3, "inf": float("inf")}
    assert all(torch.equal(got[k], v) and got[k].dtype == v.dtype for k, v in tensors.items())


def test_altered_files_are_refused(saved):
    path, _ = saved
    whole = path.read_bytes()
    rng = random.Random(0)
    for _ in range(1000):
        data = bytearray(whole)
        how = rng.randrange(4)
        if how == 0:
            i = rng.randrange(len(data))
            data[i] ^= 1 << rng.randrange(8)
        elif how == 1:
            del data[rng.randrange(len(data)) :]
        elif how == 2:
            data.insert(rng.randrange(len(data)), rng.randrange(256))
        else:
            i, j = sorted(rng.sample(range(len(data)), 2))
            data[i:j] = rng.randbytes(j - i)
        if bytes(data) == whole:
            continue
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=r"c\.safetensors"):
            load_checkpoint(path)


def test_a_newer_format_is_named(tmp_path):
    path = tmp_path / "new.safetensors"
    save_checkpoint(path, {}, {"format": FORMAT + 1})
    with pytest.raises(CheckpointError, match="update memcell"):
        load_checkpoint(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors"):
        load_checkpoint(tmp_path / "nothing.safetensors")


def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(saved, monkeypatch):
    path, _ = saved
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(MemcellError, match="No space left"):
        save_checkpoint(path, {"a": torch.ones(3)}, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_nested_states_come_back_through_json():
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))])
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
    optimizer.step()
    tensors = {}
    tree = json.loads(json.dumps(split_tensors(optimizer.state_dict(), "o", tensors)))
    back = join_tensors(tree, tensors)
    assert back["state"].keys() == optimizer.state_dict()["state"].keys()
    assert torch.equal(back["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])
