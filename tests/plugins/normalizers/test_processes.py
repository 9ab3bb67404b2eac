"""Lanes spread over two processes are normalized, and accumulate, as the lanes of one process."""

import subprocess
import sys

import pytest
import torch
from torch import distributed

from memcell_plugins.normalizers.batch import BatchNorm
from memcell_plugins.normalizers.batch_shared import SharedBatchNorm
from memcell_plugins.normalizers.configs import BatchConfig, BatchSharedConfig

STEPS, LANES, WIDTH = 5, 8, 3
KINDS = {
    "batch": lambda: BatchNorm(WIDTH, BatchConfig(t_max=4, min_lanes=2)),
    "batch_shared": lambda: SharedBatchNorm(WIDTH, BatchSharedConfig(min_lanes=2)),
}


def run(kind, mixed, own):
    """A window of lanes of several ages, with padding; all that it gives for some of the lanes."""
    g = torch.Generator().manual_seed(0)
    z = torch.randn(STEPS, LANES, WIDTH, generator=g, dtype=torch.float64)
    ages = torch.arange(STEPS).unsqueeze(1) + (torch.arange(LANES) % 3 if mixed else 0)
    ages = ages.expand(STEPS, LANES)
    valid = torch.ones(STEPS, LANES, dtype=torch.bool)
    valid[3:, 5] = not mixed
    norm = KINDS[kind]().double()
    mine = z[:, own].clone().requires_grad_()
    window = norm.window(ages[:, own].contiguous(), valid[:, own].contiguous(), True)
    outputs, statistics = [], []
    for t in range(STEPS):
        out, found = norm.normalize(mine[t], window.mode, tuple(i[t] for i in window.inputs))
        outputs.append(out)
        statistics.append(found)
    stacked = torch.stack(outputs)
    weight = torch.linspace(0, 1, LANES, dtype=torch.float64)[own].unsqueeze(-1)
    (stacked.sin() * weight).sum().backward()
    columns = tuple(torch.stack([f.detach() for f in c]) for c in zip(*statistics, strict=True))
    norm.accumulate(columns, window.mode, window.inputs)
    gradient = norm.gamma.grad
    return stacked.detach(), mine.grad, gradient, dict(norm.statistics.state_dict())


def process(rank, kind, mixed, folder):
    """What each of the two processes does; this file is also the program that they run."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    half = LANES // 2
    found = run(kind, mixed, slice(rank * half, (rank + 1) * half))
    torch.save(found, f"{folder}/found.{rank}")
    distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("kind", "mixed"),
    [
        ("batch", True),
        pytest.param("batch", False, marks=pytest.mark.slow),
        pytest.param("batch_shared", True, marks=pytest.mark.slow),
    ],
)
def test_two_processes_are_one_batch(tmp_path, kind, mixed):
    words = [kind, str(int(mixed)), str(tmp_path)]
    both = [subprocess.Popen([sys.executable, __file__, str(rank), *words]) for rank in range(2)]
    assert [p.wait(timeout=60) for p in both] == [0, 0]
    outputs, gradient, gamma, statistics = run(kind, mixed, slice(None))
    first, second = (torch.load(tmp_path / f"found.{rank}") for rank in range(2))
    assert torch.equal(outputs, torch.cat([first[0], second[0]], 1))
    torch.testing.assert_close(torch.cat([first[1], second[1]], 1), gradient)
    torch.testing.assert_close(first[2] + second[2], gamma)
    for theirs in (first[3], second[3]):
        assert all(torch.equal(statistics[name], theirs[name]) for name in statistics)


if __name__ == "__main__":
    process(int(sys.argv[1]), sys.argv[2], bool(int(sys.argv[3])), sys.argv[4])
