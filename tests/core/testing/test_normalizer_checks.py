"""Every check of a normalizer rejects at least one wrong one, and accepts the right ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memcell import NormalizerSpec
from memcell.recurrent.normalizer import Normalizer, NormWindow
from memcell.testing import NORMALIZER_CHECKS, CheckFailed
from memcell.testing import normalizers as checks

ALONE = NormalizerSpec(name="n", factory="m:a")
TOGETHER = NormalizerSpec(name="n", factory="m:a", reduces_batch=True, min_lanes=4)


class RightLane(Normalizer):
    """Over the units of a lane."""

    eps = 1e-5

    def __init__(self, width):
        super().__init__(width)
        self.gain = nn.Parameter(torch.ones(width))

    def normalize(self, z, mode, inputs):
        centred = z - z.mean(-1, keepdim=True)
        variance = (centred * centred).mean(-1, keepdim=True)
        return self.gain * centred * torch.rsqrt(variance + self.eps), ()


class RightBatch(Normalizer):
    """Over the valid lanes in training, running statistics at inference."""

    def __init__(self, width):
        super().__init__(width)
        self.gain = nn.Parameter(torch.ones(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def window(self, ages, valid, update_statistics):
        return NormWindow("train" if update_statistics else "infer", (valid,))

    def normalize(self, z, mode, inputs):
        if mode == "infer":
            return self.scaled(z, self.mean, self.variance), ()
        valid = self.counted(inputs[0]).unsqueeze(-1).to(z.dtype)
        n = valid.sum().clamp(min=1)
        mean = (valid * z).sum(0) / n
        variance = (valid * (z - mean) ** 2).sum(0) / n
        return self.scaled(z, mean, variance), (mean, variance, n)

    def counted(self, valid):
        return valid

    def scaled(self, z, mean, variance):
        return self.gain * (z - mean) * torch.rsqrt(variance + 1e-5)

    def accumulate(self, statistics, mode, inputs):
        for mean, variance, n in zip(*statistics, strict=True):
            if n >= 2:
                self.mean += 0.1 * (mean - self.mean)
                self.variance += 0.1 * (variance - self.variance)


class DropsDimension(RightLane):
    def normalize(self, z, mode, inputs):
        return z.mean(-1, keepdim=True), ()


class Promotes(RightLane):
    def normalize(self, z, mode, inputs):
        return super().normalize(z.double(), mode, inputs)


class FoldsAtOnce(RightBatch):
    def normalize(self, z, mode, inputs):
        out, statistics = super().normalize(z, mode, inputs)
        if statistics:
            self.mean = 0.9 * self.mean + 0.1 * statistics[0].detach()
        return out, statistics


class AddsNoise(RightLane):
    def normalize(self, z, mode, inputs):
        return super().normalize(z + 0.01 * torch.randn_like(z), mode, inputs)


class WritesToZ(RightLane):
    def normalize(self, z, mode, inputs):
        return super().normalize(z.sub_(0.1), mode, inputs)


class Looks(RightLane):
    def normalize(self, z, mode, inputs):
        if float(z.detach().abs().max()) == 0:
            return z, ()
        return super().normalize(z, mode, inputs)


class CutsGradient(RightBatch):
    def scaled(self, z, mean, variance):
        return super().scaled(z, mean.detach(), variance.detach())


class WithoutEps(RightLane):
    eps = 0.0


class BatchAtInference(RightBatch):
    def window(self, ages, valid, update_statistics):
        return NormWindow("train", (valid,))


class CountsPadding(RightBatch):
    def counted(self, valid):
        return torch.ones_like(valid)


class CountsWindows(RightLane):
    def __init__(self, width):
        super().__init__(width)
        self.register_buffer("windows", torch.zeros(()))

    def window(self, ages, valid, update_statistics):
        self.windows += 1
        return super().window(ages, valid, update_statistics)


class GathersSometimes(RightBatch):
    def window(self, ages, valid, update_statistics):
        return NormWindow("train" if update_statistics else "infer", (valid, ages))

    def normalize(self, z, mode, inputs):
        out, statistics = super().normalize(z, mode, inputs)
        return out, statistics if int(inputs[1].max()) % 2 else statistics[:1]

    def accumulate(self, statistics, mode, inputs):
        pass


class ForgetsStatistics(RightBatch):
    def __init__(self, width):
        super().__init__(width)
        del self.mean
        self.mean = torch.zeros(width, dtype=torch.float64)


class UnregisteredGain(RightLane):
    def __init__(self, width):
        super().__init__(width)
        self.shift = nn.Linear(1, 1)
        self.first = True

    def load_state_dict(self, state, **options):
        raise RuntimeError("Missing key(s)")


class StaysInRecalibration(RightBatch):
    def begin_recalibration(self):
        self.register_buffer("fresh_mean", torch.zeros(self.width))


class RecalibratesToNothing(RightBatch):
    def end_recalibration(self):
        self.variance = self.variance * float("nan")


class GainInTrainingOnly(RightBatch):
    def scaled(self, z, mean, variance):
        gain = self.gain if mean is not self.mean else 1.0
        return gain * (z - mean) * torch.rsqrt(variance + 1e-5)


class OneAgeOnly(RightLane):
    def window(self, ages, valid, update_statistics):
        if bool((ages != ages[:, :1]).any()):
            raise ValueError("lanes of several ages")
        return super().window(ages, valid, update_statistics)


class ByAge(RightLane):
    """Is given the age, of which it declares too few: the older ones differ."""

    inference_ages = 3

    def window(self, ages, valid, update_statistics):
        return NormWindow("plain", (ages.clamp(max=5),))


class AgesBelowOne(RightLane):
    inference_ages = 0


class SixAges(ByAge):
    inference_ages = 6


MUTANTS = {
    checks.keeps_shape_and_dtype: [(DropsDimension, ALONE), (Promotes, ALONE)],
    checks.normalize_is_pure: [(FoldsAtOnce, TOGETHER), (AddsNoise, ALONE), (WritesToZ, ALONE)],
    checks.normalize_reads_no_values: [(Looks, ALONE)],
    checks.gradients_are_right: [(CutsGradient, TOGETHER)],
    checks.constant_input_is_finite: [(WithoutEps, ALONE)],
    checks.inference_ignores_batch_mates: [(BatchAtInference, TOGETHER)],
    checks.training_ignores_batch_mates: [(RightBatch, ALONE)],
    checks.padding_changes_nothing: [(CountsPadding, TOGETHER)],
    checks.inference_changes_nothing: [(CountsWindows, ALONE)],
    checks.inference_ages_are_told_apart: [(ByAge, ALONE), (AgesBelowOne, ALONE)],
    checks.returns_the_same_statistics: [(GathersSometimes, TOGETHER)],
    checks.state_dict_round_trips: [(ForgetsStatistics, TOGETHER), (UnregisteredGain, ALONE)],
    checks.recalibration_ends_as_it_began: [
        (StaysInRecalibration, TOGETHER),
        (RecalibratesToNothing, TOGETHER),
    ],
    checks.works_inside_a_cell: [(GainInTrainingOnly, TOGETHER), (OneAgeOnly, ALONE)],
}
CASES = [(check, *mutant) for check, mutants in MUTANTS.items() for mutant in mutants]
RIGHT = [(RightLane, ALONE), (RightBatch, TOGETHER), (SixAges, ALONE)]


def name_of(value):
    return getattr(value, "__name__", "")


def test_every_check_has_a_mutant():
    assert set(MUTANTS) == set(NORMALIZER_CHECKS)


@pytest.mark.parametrize(("check", "mutant", "spec"), CASES, ids=name_of)
def test_mutant_is_rejected(check, mutant, spec):
    with pytest.raises(CheckFailed, match=r"^expected .*; .*\. .*\.$"):
        check(mutant, spec)


@pytest.mark.parametrize("check", NORMALIZER_CHECKS, ids=name_of)
@pytest.mark.parametrize(("normalizer", "spec"), RIGHT, ids=name_of)
def test_right_normalizer_is_accepted(check, normalizer, spec):
    check(normalizer, spec)


def test_something_else_than_a_normalizer():
    with pytest.raises(CheckFailed, match="returned a LayerNorm"):
        checks.keeps_shape_and_dtype(nn.LayerNorm, ALONE)
