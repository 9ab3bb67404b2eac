"""What a gap and a start do to features: the scale stays, nothing else does, and nobody reads a start."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from memcell_data.recording import Segment
from memcell_eeg.features.chunks import signal_chunks
from memcell_eeg.features.normalize import CausalNormalizer
from memcell_eeg.features.stream import FeatureStream

#: Of the default feature order: the ratio of theta to alpha.
RATIO = 5


def segments(n, cuts, rate=100.0, lost=1):
    """Return the segments of n samples of which ``lost`` are missing at each cut, and their samples."""
    edges, parts, kept, at = [0, *cuts, n], [], [], 0
    for first, stop in pairwise(edges):
        first = first + lost if first else 0
        parts.append(Segment(start=at, stop=at + stop - first, onset=first / rate))
        kept.append(np.arange(first, stop))
        at += stop - first
    return parts, np.concatenate(kept)


@pytest.mark.parametrize("phase", ["causal", "zero"])
def test_a_lost_sample_leaves_a_microsleep_as_visible_as_it_was(
    pipeline_of, recording_of, eeg_of, phase
) -> None:
    """10 min awake, 10 s of microsleep right after a gap of one sample, a minute awake."""
    random = np.random.default_rng(2)
    pipeline = pipeline_of(phase=phase)
    parts = [(60_000, 0.5, 1.5), (1_000, 1.5, 0.3), (6_000, 0.5, 1.5)]
    x = np.concatenate([eeg_of(random, *part) for part in parts])
    whole = pipeline.sequence(recording_of(x))
    cut, kept = segments(len(x), [60_000])
    gapped = pipeline.sequence(recording_of(x[kept], segments=cut))
    assert gapped.breaks == (3000,)  # memory begins anew there
    after = slice(3010, 3045)
    assert whole.features[after, RATIO].mean() > 2.5
    assert gapped.features[after, RATIO].mean() == pytest.approx(
        whole.features[after, RATIO].mean(), abs=0.15
    )
    awake = slice(3060, 3300)
    assert abs(gapped.features[awake, RATIO].mean() - whole.features[awake, RATIO].mean()) < 0.15


def test_a_lost_sample_a_minute_keeps_the_features(pipeline_of, recording_of, eeg_of) -> None:
    random = np.random.default_rng(0)
    pipeline = pipeline_of()
    x = np.concatenate(
        [
            eeg_of(random, 500, *((1.5, 0.3) if random.random() < 0.15 else (0.5, 1.5)))
            for _ in range(120)
        ]
    )
    whole = pipeline.sequence(recording_of(x))
    cut, kept = segments(len(x), range(6_000, len(x), 6_000))
    gapped = pipeline.sequence(recording_of(x[kept], segments=cut))
    at = np.round(gapped.times / 0.2).astype(int)
    seen = np.ones(len(at), dtype=bool)
    for b in gapped.breaks:
        seen[b : b + pipeline.blind_steps(100.0) + 1] = False
    same = np.corrcoef(gapped.features[seen, RATIO], whole.features[at[seen], RATIO])[0, 1]
    assert same > 0.99


def literal(values, gaps, tau):
    """Return the module's equations step by step, one feature, with ``gaps``: step -> missing steps."""
    m, s, t, n, out, block, longest = None, 1.0, 0, 1, [], [], max(1, int(tau / 60))

    def renew():
        nonlocal m, s, t, n, block
        d = [min(max(x - m, -3 * s), 3 * s) for x in block]
        t += len(d)
        m += sum(d) / min(t, tau)
        s += (math.sqrt(math.pi / 2) * sum(map(abs, d)) - len(d) * s) / min(t - 1 + 25, tau)
        s, block, n = max(s, 1e-3), [], min(max(1, t // 10), longest)

    for i, x in enumerate(values):
        if i in gaps:
            if block:
                renew()
            t = int(min(t, tau) * math.exp(-gaps[i] / tau))
            n = min(max(1, t // 10), longest)
            if t == 0:
                m, s = None, 1.0
        m = x if m is None else m
        out.append(min(max((x - m) / s, -5), 5))
        block.append(x)
        if len(block) == n:
            renew()
    return np.array(out)


@pytest.mark.parametrize("tau", [150.0, 1500.0])
def test_the_scale_follows_its_equations_over_gaps(tau) -> None:
    random = np.random.default_rng(1)
    x = np.cumsum(random.normal(size=900)) * 0.1 + random.normal(size=900)
    gaps = {13: 2, 250: 0, 251: 40, 400: 700, 600: 20_000, 777: 3}
    normalizer, found = CausalNormalizer(tau), []
    for i, value in enumerate(x):
        if i in gaps:
            normalizer.gap(gaps[i])
        found.append(normalizer.push(np.array([[value]]))[0, 0])
    assert np.allclose(found, literal(x, gaps, tau), atol=1e-9)
    assert found[600] == 0  # nothing is left after so long: it begins anew


@pytest.mark.parametrize("rate", [100, 128, 500])
def test_a_start_reads_neither_high_nor_low(pipeline_of, rate) -> None:
    """Stationary noise of density 200 / f: the mean z of each band at each step of the first 12 s."""
    pipeline, random, z, after = pipeline_of(), np.random.default_rng(0), [], []
    f = np.fft.rfftfreq(rate * 16, 1 / rate)
    size = np.sqrt(200 / np.maximum(f, 0.2) * rate * rate * 16 / 4)
    size[0] = 0
    for _ in range(60):
        x = np.fft.irfft((random.normal(size=len(f)) + 1j * random.normal(size=len(f))) * size)[
            None
        ]
        flow = FeatureStream(pipeline, rate)
        z.append(flow.push(x[:, : rate * 12])[:50, :5])
        flow.after_gap(0.1)
        after.append(flow.push(x[:, rate * 12 :])[:15, :5])
    blind = pipeline.blind_steps(rate)
    assert blind == {100: 4, 128: 5, 500: 5}[rate]
    for found in (np.array(z), np.array(after)):
        assert (found[:, :blind] == 0).all()
        # the second after it, over bands, draws and five steps: no bias beyond chance
        assert abs(found[:, blind : blind + 6].mean()) < 0.15
        assert np.abs(found[:, blind : blind + 6].mean((0, 1))).max() < 0.3


@pytest.mark.parametrize("step", [0.2, 0.25, 1.3])
def test_pieces_of_a_recording_with_gaps_change_no_bit(
    pipeline_of, recording_of, eeg_of, step
) -> None:
    """Gaps of half a step among them, where rounding decides nothing."""
    random = np.random.default_rng(4)
    x = eeg_of(random, 6_000, 0.5, 1.5)
    pipeline = pipeline_of(step=step, window=max(1.0, step))
    for lost in (1, 10, round(50 * step), round(100 * step), 250):
        cut, kept = segments(len(x), [1_000, 1_050, 3_333], lost=min(lost, 49))
        recording = recording_of(x[kept], segments=cut)
        found = [p.features for p in signal_chunks(pipeline, recording)]
        flow, expected = FeatureStream(pipeline, 100.0), []
        for k, part in enumerate(cut):
            if k:
                before = cut[k - 1]
                end = before.onset + (before.stop - before.start) / 100
                # a clock that is off by rounding
                flow.after_gap(part.onset - end + random.normal() * 1e-9)
            expected += [
                flow.push(x[kept][None, n : min(n + 77, part.stop)])
                for n in range(part.start, part.stop, 77)
            ]
        assert np.array_equal(np.concatenate(found), np.concatenate(expected))
