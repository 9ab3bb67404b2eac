"""Recurrent batch normalization: batch statistics, separate for every age of the memory.

T. Cooijmans, N. Ballas, C. Laurent, C. Gulcehre and A. Courville, "Recurrent batch normalization",
arXiv:1603.09025 (2016)::

    norm(z) = gamma * (z - mean_a) / sqrt(var_a + eps) + beta      over the lanes of age a

The paper counts steps from the start of a sequence, which is always the start of its memory. With carried
memory the index is the lane's *age*, steps since its memory was last reset, clamped at ``t_max - 1``.
Lanes of several ages can meet in a batch: each is normalized with those of its own age, and an age with
fewer than ``min_lanes`` of them takes its running statistics instead. Padding never counts.

gamma starts at .1. The paper has no beta at the two sums and one at the cell's way out; a normalizer is
not told its site, so ``beta`` is for all sites or none. Variances are biased. At inference, running
statistics are used at every age, so a lane does not depend on its neighbours; recalibrate them with a
pass over training data first.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from memcell.old_methods import old_arguments
from memcell.recurrent.normalizer import Normalizer, NormWindow
from memcell_plugins.normalizers.configs import BatchConfig
from memcell_plugins.normalizers.processes import all_lanes, alone, own_lanes
from memcell_plugins.normalizers.statistics import RunningStatistics

#: Begins the name of a mode whose batch is that of all processes.
_ALL = "all "


class BatchNorm(Normalizer):
    """Batch normalization by age.

    Modes of a window: ``running`` (inference), ``uniform`` (training, all lanes valid and of one age at
    each step: plain batch statistics), ``mixed`` (training, otherwise). With several processes the lanes of
    all of them are one batch: ``all uniform``, ``all mixed``.

    Args:
        width: W.
        config: Options.
    """

    def __init__(self, width: int, config: BatchConfig) -> None:
        super().__init__(width)
        self.config = config
        self.gamma = nn.Parameter(torch.full((width,), config.gamma))
        self.beta = nn.Parameter(torch.zeros(width)) if config.beta else None
        self.statistics = RunningStatistics(config.t_max, width, config.min_lanes)
        self.recalibrated: RunningStatistics | None = None

    @old_arguments(gather="update_statistics")
    def window(self, ages: Tensor, valid: Tensor, update_statistics: bool) -> NormWindow:
        """Choose the mode, and find who is normalized with whom.

        Inputs of a step, by mode:
            running: row of the running statistics ``[B]``.
            uniform: the age ``[]``, the number of lanes ``[]``.
            mixed: see `_groups`.
        """
        age = ages.clamp(max=self.config.t_max - 1)
        if not update_statistics:
            return NormWindow("running", (self.statistics.rows(age),))
        if not alone():
            age, valid = all_lanes(age.t()).t(), all_lanes(valid.t()).t()
            window = self._batch(age, valid)
            return NormWindow(f"{_ALL}{window.mode}", window.inputs)
        return self._batch(age, valid)

    def _batch(self, age: Tensor, valid: Tensor) -> NormWindow:
        lanes, first = age.shape[1], age[:, 0]
        if (
            lanes >= self.config.min_lanes
            and torch.equal(age, first.unsqueeze(1).expand_as(age))
            and bool(valid.all())
        ):
            return NormWindow("uniform", (first, torch.full_like(first, lanes)))
        return NormWindow("mixed", self._groups(age, valid))

    def _groups(self, age: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        """Group the lanes of each step by age.

        A group is known by its first lane. A padding lane is a group of its own, of size 0: it meets
        nobody and counts nowhere.

        Returns:
            All ``[T, B]``: age, row of the running statistics, group (its first lane), size of the
            group, and whether its batch statistics are used.
        """
        steps, lanes = age.shape
        lane = torch.arange(lanes, device=age.device).expand(steps, lanes)
        first = torch.full((steps, self.config.t_max), lanes, device=age.device)
        first = first.scatter_reduce(1, age, torch.where(valid, lane, lanes), "amin")
        size = torch.zeros_like(first).scatter_add(1, age, valid.to(first.dtype))
        group = torch.where(valid, first.gather(1, age), lane)
        size = torch.where(valid, size.gather(1, age), 0)
        enough = size >= self.config.min_lanes
        return age, self.statistics.rows(age), group, size, enough

    def normalize(
        self, z: Tensor, mode: str, inputs: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Normalize one step; in training the batch's mean and variance are its statistics."""
        if mode.startswith(_ALL):
            out, statistics = self.normalize(all_lanes(z), mode.removeprefix(_ALL), inputs)
            return own_lanes(out), statistics
        if mode == "running":
            (row,) = inputs
            running = self.statistics
            return self._scaled(z, running.mean[row], running.variance[row]), ()
        if mode == "uniform":
            mean = z.mean(0)
            variance = ((z - mean) * (z - mean)).mean(0)
            return self._scaled(z, mean, variance), (mean, variance)
        _, row, group, size, enough = inputs
        mean = _mean_of_group(z, group, size)
        variance = _mean_of_group((z - mean) * (z - mean), group, size)
        use = enough.unsqueeze(-1)
        used_mean = torch.where(use, mean, self.statistics.mean[row])
        used_variance = torch.where(use, variance, self.statistics.variance[row])
        return self._scaled(z, used_mean, used_variance), (mean, variance)

    def _scaled(self, z: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        scaled = self.gamma * (z - mean) * torch.rsqrt(variance + self.config.eps)
        return scaled if self.beta is None else scaled + self.beta

    @old_arguments(gathered="statistics")
    def accumulate(
        self, statistics: tuple[Tensor, ...], mode: str, inputs: tuple[Tensor, ...]
    ) -> None:
        """Update the statistics of each age by a window's, each group once."""
        if mode == "running":
            return
        mode = mode.removeprefix(_ALL)  # every process has the statistics of all lanes
        # what autocast has made bfloat16 is added up in the type of the statistics
        mean, variance = (s.to(self.statistics.mean.dtype) for s in statistics)
        momentum = self.config.momentum if self.recalibrated is None else None
        running = self.recalibrated or self.statistics
        if mode == "uniform":
            age, count = inputs
            ages: list[int] = age.tolist()
            if _is_line(ages, self.config.t_max - 1):
                running.accumulate_line(ages[0], int(count[0]), mean, variance, momentum)
                return
        else:
            age, _, group, size, _ = inputs
            lane = torch.arange(group.shape[1], device=group.device)
            count = torch.where(group == lane, size, 0)
        running.accumulate(
            age.reshape(-1),
            count.reshape(-1),
            mean.reshape(-1, self.width),
            variance.reshape(-1, self.width),
            momentum,
        )

    def begin_recalibration(self) -> None:
        """Begin new running statistics as plain averages; the old ones serve until the end."""
        self.recalibrated = copy.deepcopy(self.statistics)
        self.recalibrated.mean.zero_()
        self.recalibrated.variance.fill_(1)
        self.recalibrated.count.zero_()

    def end_recalibration(self) -> None:
        """Take the new running statistics, and go back to moving averages."""
        if self.recalibrated is not None:
            self.statistics.load_state_dict(self.recalibrated.state_dict())
            self.recalibrated = None

    @property
    def inference_ages(self) -> int:
        """``t_max``: older memory shares the statistics of age t_max - 1."""
        return self.config.t_max

    @property
    def needs_recalibration(self) -> bool:
        """Yes: moving averages lag behind the weights."""
        return True


def _is_line(ages: list[int], last: int) -> bool:
    """Whether ages go up by one a step, as far as the last one, which then stays."""
    growing = min(len(ages), max(1, last - ages[0] + 1))
    late = len(ages) - growing
    return ages == [*range(ages[0], ages[0] + growing), *(last,) * late]


def _mean_of_group(z: Tensor, group: Tensor, size: Tensor) -> Tensor:
    """Return ``[B, W]`` the mean over each lane's group."""
    total = torch.zeros_like(z).index_add(0, group, z)
    return total[group] / size.clamp(min=1).unsqueeze(-1)
