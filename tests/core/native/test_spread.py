"""Variances over the lanes from one pass: as good as from two, however far the mean is from 0."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from memcell.backends.eager import unroll_eager
from memcell.recurrent.normalizer import Normalizer, NormWindow
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.ir.ir import Op, ancestors
from memcell_compiler.runtime.unroll import unroll_native


class Shifted(Normalizer):
    """A batch normalizer of values that lie far from 0, and tells their variance."""

    def __init__(self, width, shift):
        super().__init__(width)
        self.scale = nn.Parameter(torch.ones(width))
        self.shift = shift

    def window(self, ages, valid, update_statistics):
        return NormWindow("batch", ())

    def normalize(self, z, mode, inputs):
        z = z + self.shift
        mean = z.mean(0)
        variance = ((z - mean) * (z - mean)).mean(0)
        return self.scale * (z - mean) * torch.rsqrt(variance + 1e-5), (mean, variance)

    def accumulate(self, statistics, mode, inputs):
        self.told = statistics


def told(agree, unroll, dtype, shift, threads=1, lanes=7):
    cell = agree.cell("lstm", hidden=5).to(dtype)
    norms = SiteNorms(cell.norm_sites, lambda width: Shifted(width, shift)).to(dtype)
    torch.set_num_threads(threads)
    found = agree.run(unroll, cell, norms, agree.Window(steps=6, lanes=lanes))
    torch.set_num_threads(1)
    for site in norms.sites:
        mean, variance = norms.site(site).told
        found.update({f"{site} mean": mean, f"{site} variance": variance})
    return found


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_far_from_zero(agree, shift, threads):
    wanted = told(agree, unroll_eager, torch.float64, shift)
    got = told(agree, unroll_native, torch.float64, shift, threads)
    limit = 1e-10 * max(1.0, shift)
    for name, tensor in wanted.items():
        if tensor is not None:
            torch.testing.assert_close(got[name], tensor, rtol=limit, atol=limit)


@pytest.mark.parametrize("threads", [1, 3])
def test_no_further_off_than_the_eager_loop_in_float32(agree, threads):
    exact = told(agree, unroll_eager, torch.float64, 300.0)
    eager = told(agree, unroll_eager, torch.float32, 300.0)
    got = told(agree, unroll_native, torch.float32, 300.0, threads)
    for name in (n for n in exact if n.endswith("variance")):
        far = (eager[name].double() - exact[name]).abs().max()
        assert (got[name].double() - exact[name]).abs().max() < 3 * far + 1e-6


def test_lanes_that_are_all_the_same(agree):
    """The variance is 0 and not a little less, whose root is not a number."""
    cell = agree.cell("lstm", hidden=5).float()
    norms = SiteNorms(cell.norm_sites, lambda width: Shifted(width, 1e6)).float()
    window = agree.Window(steps=3, lanes=6)
    zero = cell.initial_state(6)
    x = torch.full((3, 6, cell.input_size), 0.7)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        out, _ = unroll_native(WindowCall(cell, norms, x, zero, zero, window.masks(), (3,), True))
        assert out.isfinite().all()
        for site in norms.sites:
            variance = norms.site(site).told[1]
            assert (variance >= 0).all()
            assert (variance < 1e-2).all()


def test_each_site_is_one_pass(agree, monkeypatch):
    """What is 0 by itself is not added up, and no sum waits for another of its own site."""
    from memcell_compiler.runtime import programs as making

    programs = []
    own = making.construct
    monkeypatch.setattr(making, "construct", lambda *a: programs.append(own(*a)) or programs[-1])
    told(agree, unroll_native, torch.float64, 0.5, lanes=9)
    forward = programs[0].forward
    roots = [t.value for tiles, _ in forward.stores for t in tiles]
    roots += [t.value for s in forward.states for t in s.after]
    sums = [v for v in ancestors(roots, set(forward.given)) if v.op in (Op.BATCHSUM, Op.VARIANCE)]
    variances = [v for v in sums if v.op is Op.VARIANCE]
    assert variances
    assert len(sums) == 2 * len(variances)
