"""Statistics of several processes merge when they are folded."""

import torch
from torch import distributed, multiprocessing

from memcell_plugins.normalizers.statistics import RunningStatistics

AGES = torch.tensor([0, 1, 1, 2])
COUNTS = torch.tensor([4, 2, 3, 5])


def _fold(rank, file, data, out):
    distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    mine = slice(2 * rank, 2 * rank + 2)
    statistics = RunningStatistics(3, 2, trusted=2).double()
    statistics.fold(AGES[mine], COUNTS[mine], data[0][mine], data[1][mine], momentum=None)
    torch.save(statistics.state_dict(), f"{out}.{rank}")
    distributed.destroy_process_group()


def test_two_processes_fold_to_what_one_folds_to(tmp_path):
    data = torch.randn(4, 2).double(), torch.rand(4, 2).double()
    out = str(tmp_path / "statistics")
    multiprocessing.spawn(_fold, (str(tmp_path / "meet"), data, out), nprocs=2)
    alone = RunningStatistics(3, 2, trusted=2).double()
    alone.fold(AGES, COUNTS, *data, momentum=None)
    for rank in range(2):
        for name, values in torch.load(f"{out}.{rank}").items():
            torch.testing.assert_close(values, alone.state_dict()[name])
