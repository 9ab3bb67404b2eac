"""The passes over samples in C give the bits of the numpy, scipy and MNE code that they stand for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from memcell.errors import DataError, Unsupported
from memcell_compiler.build.compiler import find_compiler
from memcell_data.formats.edf import reading
from memcell_data.native import library
from memcell_data.quality import counts, still
from memcell_data.quality.amplitudes import Quality, checked
from memcell_data.recording import Block
from memcell_eeg.features import fourier, normalize, spectra
from memcell_eeg.features.bandpower import BANDS, BandPowers
from memcell_eeg.features.windows import MOST_ROWS, SignalWindow, WindowedFeatures
from memcell_eeg.signal import filters, outliers, resample

USERS = (reading, counts, still, normalize, spectra, filters, outliers, resample)


def has_compiler() -> bool:
    """Whether there is one; code that it does not compile is no reason to skip a test."""
    try:
        return bool(find_compiler())
    except Unsupported:
        return False


pytestmark = pytest.mark.skipif(not has_compiler(), reason="there is no C compiler here")


@pytest.fixture
def twice(monkeypatch):
    """Return a caller of work in C, and then without: what both gave."""

    def call(work):
        found = []
        for functions in (library.functions, lambda: None):
            for module in USERS:
                monkeypatch.setattr(module, "functions", functions)
            found.append(work())
        return found

    return call


@pytest.mark.parametrize(
    "rates", [(200, 100), (256, 100), (128, 100), (500, 128), (100, 160), (1000, 100)]
)
@pytest.mark.parametrize("channels", [1, 4, 6])
def test_cleaning(twice, rates, channels) -> None:
    native, rate = rates
    rng = np.random.default_rng(channels)
    x = rng.normal(0, 20, (channels, 3000)).cumsum(axis=1)
    x[0, [700, 701, 1900]] += 5000
    parts = np.split(x, np.sort(rng.integers(0, 3001, 5)), axis=1)

    def clean():
        steps = (
            outliers.OutlierFilter(500, native),
            resample.CausalResampler(native, rate),
            filters.CausalFilter(filters.band_pass(0.5, 35, rate)),
        )
        out = []
        for part in parts:
            for step in steps:
                part = step.push(part)
            out.append(part)
        return np.concatenate(out, axis=1)

    ours, scipys = twice(clean)
    assert np.array_equal(ours, scipys)


def disturbed(seed: int) -> np.ndarray:
    """Return some channels with parts that are no signal."""
    rng = np.random.default_rng(seed)
    n, channels = rng.integers(2000, 8000), rng.integers(1, 5)
    walk = rng.normal(0, 20, (channels, n)).cumsum(axis=1) % 300
    x = np.round(walk * rng.choice([1, 10, 100])) / rng.choice([1, 3, 10])
    for _ in range(rng.integers(1, 6)):
        c, a = rng.integers(0, channels), rng.integers(0, n)
        part = x[c, a : a + rng.integers(1, 800)]
        kind = rng.integers(0, 6)
        if kind < 3:
            part[:] = (part[0], np.nan, np.nanmax(x[c]))[kind]
        else:
            many = len(part)
            part[:] = (np.linspace(0, 5, many), rng.normal(0, 2e4, many), rng.integers(0, 2, many))[
                kind - 3
            ]
    return x


@pytest.mark.parametrize("seed", range(40))
def test_quality(twice, seed) -> None:
    x = disturbed(seed)
    rng = np.random.default_rng(seed)
    rate, cuts = float(rng.choice([100, 128, 201, 256])), rng.integers(1, x.shape[1], 3)

    def look():
        kinds = ["eeg", "eog", "emg", "misc"][: len(x)]
        quality = Quality([f"c{i}" for i in range(len(x))], kinds, rate, Path("x.edf"))
        at, blocks = 0, []
        for part in np.split(x, np.unique(cuts), axis=1):
            blocks.append(Block(values=part, onset=at / rate, begins=at == 0))
            at += part.shape[1]
        said, out = [], []
        try:
            found = checked(blocks, quality, rate, said.append)
            out.extend((b.onset, b.begins, b.values.tobytes()) for b in found)
        except DataError as error:
            said.append(str(error))
        return out, said

    ours, numpys = twice(look)
    assert ours == numpys


@pytest.mark.parametrize("width", [2, 3])
def test_decoding_is_that_of_mne(make_edf, tmp_path, twice, width) -> None:
    import mne

    path = make_edf(records=7).path
    if width == 3:
        path = in_24_bits(path, tmp_path / "night.bdf")
    reader = mne.io.read_raw_edf if width == 2 else mne.io.read_raw_bdf
    theirs = reader(path, encoding="latin1", verbose="error").get_data(
        picks=["O2", "O1"], start=130, stop=555
    )
    ours, numpys = twice(lambda: reading.EdfFile(path)._opened(["O2", "O1"]).samples(130, 555))
    assert np.array_equal(ours, numpys)
    assert np.array_equal(ours, theirs * 1e6)


def in_24_bits(path: Path, out: Path) -> Path:
    """Write a BDF of the records of an EDF: each number of 16 bits times 37, in 24."""
    content = path.read_bytes()
    head = int(content[184:192])
    numbers = np.frombuffer(content[head:], dtype="<i2").astype("<i4") * 37
    header = b"\xffBIOSEMI" + content[8:192] + b"24BIT".ljust(44) + content[236:head]
    out.write_bytes(header + numbers.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
    return out


@pytest.mark.parametrize(("rate", "window"), [(100, 1), (100, 4), (256, 1), (50, 30)])
def test_band_powers(twice, rate, window) -> None:
    signal = SignalWindow(channels=("a", "b", "c"), rate=rate, window=window, high=35)
    made = BandPowers(signal), spectra.BandDensities(rate, signal.width, BANDS)
    rng = np.random.default_rng(rate)
    for width in (signal.width, 7, 20):
        x = rng.normal(0, 30, (4 * MOST_ROWS, 3, width)).astype(np.float32)
        for features in made:
            ours, numpys = twice(lambda f=features, x=x: f(x))
            assert np.array_equal(ours, numpys)


@pytest.mark.parametrize("length", [2, 9, 40, 200, 250, 256, 900, 1215])
@pytest.mark.parametrize("hop", [1, 20, 1300])
def test_transforms_of_overlapping_windows(length, hop) -> None:
    from scipy import fft

    by, rng = fourier.transform(library.functions(), length), np.random.default_rng(length)
    width = max(1, length - 3)
    x = rng.normal(0, 30, (2, 36 * hop + width)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x, width, axis=1)[:, ::hop].swapaxes(0, 1)
    taper = rng.normal(0, 1, width).astype(np.float32)
    lines = fft.rfft(windows * taper, length, axis=2)
    starts = np.arange(0, 2 * lines.shape[2], 2)
    theirs = np.square(lines.real) + np.square(lines.imag)
    assert np.array_equal(by.powers(windows, taper, starts, 2 * len(starts)), theirs)
    assert np.array_equal(by.powers(windows[5:6], taper, starts, 2 * len(starts)), theirs[5:6])


def test_threads_share_a_transform() -> None:
    by, rng = fourier.transform(library.functions(), 900), np.random.default_rng(0)
    taper, starts = np.ones(900, dtype=np.float32), np.arange(0, 900, 9)
    each = [rng.normal(size=(200, 2, 900)).astype(np.float32) for _ in range(4)]
    alone = [by.powers(x, taper, starts, 900) for x in each]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            beside = list(pool.map(lambda x: by.powers(x, taper, starts, 900), each))
            assert all(np.array_equal(a, b) for a, b in zip(alone, beside, strict=True))


def test_a_length_of_other_factors_is_left_to_scipy() -> None:
    assert fourier.transform(library.functions(), 2 * 7) is None


def test_blocks_together_have_the_bits_of_each() -> None:
    """However the samples come: the steps of a file by blocks of 128, those of a stream one by one."""
    signal = SignalWindow(channels=("a", "b"), rate=100, window=1, high=35)
    x = np.random.default_rng(0).normal(0, 30, (2, 5000))

    def made(parts):
        windows = WindowedFeatures([BandPowers(signal)], 2, 100, 0.2, 1)
        return np.concatenate([windows.push(part) for part in parts])

    whole = made([x])
    assert np.array_equal(whole, made(np.split(x, range(20, 5000, 20), axis=1)))
    assert np.array_equal(whole, made(np.split(x, [1234, 3000], axis=1)))


@pytest.mark.parametrize("memory", [2, 30, 1500])
@pytest.mark.parametrize("features", [1, 7])
def test_the_running_scale(twice, memory, features) -> None:
    rng = np.random.default_rng(memory)
    x = rng.normal(0, 1, (2000, features)).cumsum(axis=0) / 10 + rng.standard_cauchy(
        (2000, features)
    )

    def scaled():
        normalizer = normalize.CausalNormalizer(memory)
        out = [normalizer.push(part) for part in np.split(x, [3, 700, 701])]
        normalizer.gap(37)
        return np.concatenate([*out, normalizer.push(x)])

    ours, numpys = twice(scaled)
    assert np.array_equal(ours, numpys)
