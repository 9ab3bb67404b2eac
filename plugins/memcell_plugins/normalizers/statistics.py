"""Running mean and variance of every age.

A table of ``t_max`` ages. Statistics of groups of lanes come in with their counts and are merged exactly
(Chan, Golub & LeVeque 1979): with the share r of what is new,

    d    = mean_new - mean
    mean = mean + r d
    var  = (1 - r) var + r var_new + r (1 - r) d^2

The last term is the variance between the groups: without it an age that is only ever seen one lane at a
time would have the variance 0.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from memcell_plugins.normalizers.running import fold_line


class RunningStatistics(nn.Module):
    """Mean, biased variance and count of each age.

    Args:
        t_max: Number of ages.
        width: W.
        trusted: Counts below this are too few to normalize with.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, t_max: int, width: int, trusted: int) -> None:
        super().__init__()
        self.trusted = trusted
        # the extra row at the end stays mean 0 and variance 1: what is used where nothing is known
        self.register_buffer("mean", torch.zeros(t_max + 1, width))
        self.register_buffer("variance", torch.ones(t_max + 1, width))
        self.register_buffer("count", torch.zeros(t_max + 1, dtype=torch.int64))

    def rows(self, age: Tensor) -> Tensor:
        """Return the row to use for each age ``[…]``.

        Its own where at least ``trusted`` lane-steps were seen at it, else the one of the nearest
        younger age that has them, else the last row (mean 0, variance 1).
        """
        own = torch.arange(len(self.count), device=age.device)
        nothing = len(self.count) - 1
        known = torch.where(self.count >= self.trusted, own, -1).cummax(0).values
        return torch.where(known < 0, nothing, known)[age]

    @torch.no_grad()
    def accumulate(
        self, age: Tensor, count: Tensor, mean: Tensor, variance: Tensor, momentum: float | None
    ) -> None:
        """Merge groups of lanes by age, and move towards the result.

        The share of what is new is ``momentum * min(1, n / trusted)`` for n lane-steps at an age, and
        never less than the plain average's ``n / (seen + n)``: an average starts without bias, and
        few lanes move it little.

        Args:
            age: ``[N]`` age of each group.
            count: ``[N]`` lanes in it; 0 for none.
            mean: ``[N, W]`` their mean.
            variance: ``[N, W]`` their biased variance.
            momentum: Rate of the moving average; None for the plain average.
        """
        share = count.to(mean.dtype).unsqueeze(-1)
        new = torch.zeros_like(self.count).index_add(0, age, count)
        n = new.to(mean.dtype).unsqueeze(-1)
        total = torch.zeros_like(self.mean).index_add(0, age, share * mean)
        new_mean = total / n.clamp(min=1)
        spread = variance + (mean - new_mean[age]) ** 2
        total = torch.zeros_like(self.mean).index_add(0, age, share * spread)
        new_variance = total / n.clamp(min=1)

        rate = n / (self.count.unsqueeze(-1) + n).clamp(min=1)
        if momentum is not None:
            rate = torch.maximum(rate, momentum * (n / self.trusted).clamp(max=1))
        step = new_mean - self.mean
        self.variance += rate * (new_variance - self.variance) + rate * (1 - rate) * step**2
        self.mean += rate * step
        self.count += new

    @torch.no_grad()
    def accumulate_line(
        self, first: int, lanes: int, mean: Tensor, variance: Tensor, momentum: float | None
    ) -> None:
        """As `accumulate`, for steps whose lanes are all of one age, which grows by one a step.

        The ages up to the last but one come once each and are a slice of the table; the rest share the
        last age. The same numbers without gathering and scattering, which cost more than the sums.

        Args:
            first: Age at the first step, clamped.
            lanes: Lanes at each step.
            mean: ``[T, W]`` each step's mean.
            variance: ``[T, W]`` each step's biased variance.
            momentum: As for `accumulate`.
        """
        running = (self.mean, self.variance, self.count)
        if fold_line(running, first, lanes, self.trusted, mean, variance, momentum):
            return
        alone = max(0, min(len(mean), len(self.count) - 2 - first))
        steps = len(mean) - alone
        if steps > 1:
            late = mean[alone:]
            together = late.mean(0, keepdim=True)
            spread = (late - together).square_().add_(variance[alone:])
            mean = torch.cat((mean[:alone], together))
            variance = torch.cat((variance[:alone], spread.mean(0, keepdim=True)))
        # few operations, in place: beside small tables a call of torch is what costs
        rows = slice(first, first + len(mean))
        old_mean, old_variance, seen = self.mean[rows], self.variance[rows], self.count[rows]
        seen += lanes
        if steps > 1:
            seen[-1] += (steps - 1) * lanes
        rate = self._rate(seen, lanes, max(steps, 1), momentum)
        step = mean - old_mean
        old_mean.lerp_(mean, rate)
        # (1 - r) var + r var_new + r (1 - r) d^2
        step.square_().mul_(1 - rate).add_(variance)
        old_variance.lerp_(step, rate)

    def _rate(self, seen: Tensor, lanes: int, last: int, momentum: float | None) -> Any:
        """Return how far each row moves ``[rows, 1]``, or one number where that is the momentum for all.

        Args:
            seen: ``[rows]`` lane-steps seen at each age, the new ones among them.
            lanes: New ones of each row but the last.
            last: How many times as many the last one has.
            momentum: As for `accumulate`.
        """
        if momentum is not None and lanes >= self.trusted:
            *counts, final = seen.tolist()
            least = min(counts, default=final)
            if lanes <= momentum * least and last * lanes <= momentum * final:
                return momentum
        n = seen.new_full((len(seen), 1), lanes, dtype=self.mean.dtype)
        n[-1] *= last
        rate = n / seen.unsqueeze(-1)
        if momentum is not None:
            rate = torch.maximum(rate, n.div_(self.trusted).clamp_(max=1).mul_(momentum))
        return rate
