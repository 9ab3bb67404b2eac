"""Statistics of several processes merge when they are folded."""

import subprocess
import sys

import torch
from torch import distributed

from memcell_plugins.normalizers.statistics import RunningStatistics

AGES = torch.tensor([0, 1, 1, 2])
COUNTS = torch.tensor([4, 2, 3, 5])


def groups():
    generator = torch.Generator().manual_seed(0)
    mean, variance = torch.rand(2, 4, 2, generator=generator, dtype=torch.float64)
    return mean, variance


def process(rank, folder):
    """What each of the two processes does; this file is also the program that they run."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    mean, variance = groups()
    mine = slice(2 * rank, 2 * rank + 2)
    statistics = RunningStatistics(3, 2, trusted=2).double()
    statistics.fold(AGES[mine], COUNTS[mine], mean[mine], variance[mine], momentum=None)
    torch.save(statistics.state_dict(), f"{folder}/statistics.{rank}")
    distributed.destroy_process_group()


def test_two_processes_fold_to_what_one_folds_to(tmp_path):
    both = [
        subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)]) for rank in range(2)
    ]
    assert [p.wait(timeout=60) for p in both] == [0, 0]
    alone = RunningStatistics(3, 2, trusted=2).double()
    alone.fold(AGES, COUNTS, *groups(), momentum=None)
    for rank in range(2):
        for name, values in torch.load(tmp_path / f"statistics.{rank}").items():
            torch.testing.assert_close(values, alone.state_dict()[name])


if __name__ == "__main__":
    process(int(sys.argv[1]), sys.argv[2])
