"""The conformance checks of a feature extractor; each takes ``build(signal)`` and raises `CheckFailed`.

``memcell plugins --check`` runs them on every installed one; a package's own tests may too::

    @pytest.mark.parametrize("check", CHECKS)
    def test_slopes(check):
        check(builder(SLOPES, lag=3))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from memcell.testing.failure import must_work, require
from memcell_eeg.features.windows import FeatureExtractor, SignalWindow, WindowedFeatures

Build = Callable[[SignalWindow], FeatureExtractor]

STEP = 0.2
SIGNALS = (
    SignalWindow(channels=("O1", "O2", "F3"), rate=100.0, window=1.0, high=35.0),
    SignalWindow(channels=("Cz", "Pz"), rate=128.0, window=2.0, high=45.0),
)


def noise(signal: SignalWindow, seconds: float = 12.0, seed: int = 0) -> NDArray[np.float64]:
    """Return ``[C, n]`` uV."""
    size = (len(signal.channels), round(seconds * signal.rate))
    return np.random.default_rng(seed).normal(scale=20.0, size=size)


def features(
    build: Build, signal: SignalWindow, values: NDArray[np.float64], cut: int = 0
) -> NDArray[np.float64]:
    """Return ``[n_steps, F]`` of a signal that comes in parts of ``cut`` samples (0: whole)."""
    with must_work(
        "the extractor to take any part of a signal", "See the rows of `FeatureExtractor.__call__`."
    ):
        windows = WindowedFeatures(
            [build(signal)], len(signal.channels), signal.rate, STEP, signal.window
        )
        size = cut or values.shape[1]
        parts = [windows.push(values[:, at : at + size]) for at in range(0, values.shape[1], size)]
    return np.concatenate(parts)


def names_fit_the_columns(build: Build) -> None:
    """Every feature has a name of its own, also of the first steps, whose window is not full."""
    for signal, extractor in _built(build):
        names = tuple(extractor.names)
        require(
            bool(names)
            and len(set(names)) == len(names)
            and all(isinstance(n, str) for n in names),
            expected="names to hold a different text for each feature",
            did=f"it gave {names[:5]}",
            change="Make names of the channels' names and of what is computed.",
        )
        for width in (signal.width, signal.width // 3):
            samples = noise(signal)[None, :, :width].astype(np.float32)
            with must_work(
                f"the extractor to take windows of {width} samples", "Take what there is."
            ):
                found = np.shape(extractor(samples))
            require(
                found == (1, len(names)),
                expected=f"[1, {len(names)}] of one window of {width} samples",
                did=f"it returned {list(found)}",
                change="Return one row a window and one column a name.",
            )


def values_are_finite(build: Build) -> None:
    """A channel that stands still, and a very large signal, give finite numbers."""
    for signal, _ in _built(build):
        for kind, values in (
            ("noise", noise(signal)),
            ("a signal that stands still", np.zeros_like(noise(signal))),
            ("a signal of 20 mV", 1000 * noise(signal)),
        ):
            found = features(build, signal, values)
            require(
                bool(np.isfinite(found).all()),
                expected=f"finite features of {kind}",
                did=f"{int(np.sum(~np.isfinite(found)))} of {found.size} are not",
                change="Add a floor before a logarithm or a division.",
            )


def the_future_changes_nothing(build: Build) -> None:
    """What comes after a step's end changes no bit of its features."""
    for signal, _ in _built(build):
        values = noise(signal)
        middle = values.shape[1] // 2
        other = values.copy()
        other[:, middle:] = noise(signal, seed=1)[:, middle:]
        steps = int(middle / (signal.rate * STEP))
        one, two = (features(build, signal, x)[:steps] for x in (values, other))
        require(
            bool(np.array_equal(one, two)),
            expected="features that depend on the past alone",
            did=f"{int(np.sum((one != two).any(axis=1)))} of {steps} steps changed with the future",
            change="Use each row's own window, and keep nothing from one call to the next.",
        )


def parts_change_nothing(build: Build) -> None:
    """Features have the same bits however the signal is cut."""
    for signal, _ in _built(build):
        values = noise(signal)
        at_once = features(build, signal, values)
        for cut in (7, 50, 333):
            found = features(build, signal, values, cut)
            require(
                bool(np.array_equal(at_once, found)),
                expected="the same features of a signal in parts as of the whole",
                did=f"in parts of {cut} samples {int(np.sum(at_once != found))} of {at_once.size} differ",
                change="Use each row's own window, and keep nothing from one call to the next.",
            )


def delay_lies_within_the_window(build: Build) -> None:
    """It says how late it is, and that is no more than its window."""
    for signal, extractor in _built(build):
        delay = extractor.delay
        require(
            isinstance(delay, float | int) and 0 <= delay <= signal.window,
            expected=f"delay from 0 to the window of {signal.window:g} s",
            did=f"it is {delay!r}",
            change="Half the window for what weighs all of it alike; signal.window / 2.",
        )


def normalized_is_said(build: Build) -> None:
    """It says whether the run's normalization applies to its features."""
    for _, extractor in _built(build):
        require(
            isinstance(extractor.normalized, bool),
            expected="normalized to be True or False",
            did=f"it is {extractor.normalized!r}",
            change="True, unless the scale itself is what is to be learnt from.",
        )


def _built(build: Build) -> Iterator[tuple[SignalWindow, FeatureExtractor]]:
    for signal in SIGNALS:
        with must_work(f"it to be built for {signal}", "See `FeatureExtractor`."):
            extractor = build(signal)
        yield signal, extractor


#: All of them.
CHECKS: tuple[Callable[[Build], None], ...] = (
    names_fit_the_columns,
    normalized_is_said,
    delay_lies_within_the_window,
    values_are_finite,
    the_future_changes_nothing,
    parts_change_nothing,
)
