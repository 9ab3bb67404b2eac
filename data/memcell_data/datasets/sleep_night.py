"""The powers of one night: read, checked, aligned with the hypnogram, and made features.

Features of a step, for each of the two channels: the natural logarithm of the power in delta, theta, alpha,
beta and gamma (uV^2/Hz), of the variance (V^2), and of Hjorth's mobility (the spread of the signal's
difference over its own; Hjorth 1970). Or the four of `RELATIVE` alone, in steps of an epoch or shorter.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.datasets.configs import SleepPowersConfig
from memcell_data.datasets.sleep_hypnogram import EPOCH, NAMES, Hypnogram
from memcell_data.recording import Features

CHANNELS = ("Fpz-Cz", "Pz-Oz")
BANDS = ("delta", "theta", "alpha", "beta", "gamma")
#: The relative powers, as the features of a signal are called that a model takes for them.
RELATIVE = tuple(f"relative {band}" for band in BANDS[:4])
_SHAPES: dict[str, tuple[int, ...]] = {
    "stage": (),
    "power": (2, 5),
    "log_variance": (2,),
    "mobility": (2,),
}
_WHOLE_DAY = 24 * 60

Arrays = dict[str, NDArray[np.float64]]


def read_night(path: Path, hypnogram: Hypnogram, config: SleepPowersConfig) -> Features:
    """Return the features of a night.

    Args:
        path: The ``.npz``.
        hypnogram: Its expert's stages.
        config: How much wake is kept around the sleep, and in which form.

    Raises:
        DataError: The file lacks an array, an array has another shape or holds what is no power, or
            the stages do not agree with the hypnogram; names the file and the epoch.
    """
    arrays = _arrays(path)
    stages = arrays["stage"].astype(np.int64)
    n = len(stages)
    _agree(path, stages, hypnogram)
    times = hypnogram.times[:n]
    kept = _kept(times, stages, config.wake_margin)
    times = times[kept]
    if config.relative:
        names = RELATIVE
        parts = list(_finer(times, arrays["power"][kept, CHANNELS.index("Pz-Oz"), :4], config.step))
        times = np.concatenate([t for t, _ in parts])
        logs = np.log(np.concatenate([p for _, p in parts]))
        values = logs - logs.mean(axis=1, keepdims=True)
        of_gain: tuple[float, ...] = (0.0,) * len(names)
    elif config.powers == "relative":
        names = tuple(
            f"{c} {what}"
            for c in CHANNELS
            for what in (*(f"relative {b}" for b in BANDS), "mobility")
        )
        logs = np.log(arrays["power"])
        relative = logs - logs.mean(axis=2, keepdims=True)
        both = [relative, np.log(arrays["mobility"])[:, :, None]]
        values = np.concatenate(both, axis=2).reshape(n, -1)[kept]
        of_gain = (0.0,) * len(names)
    else:
        names = tuple(f"{c} {what}" for c in CHANNELS for what in (*BANDS, "variance", "mobility"))
        columns = [np.log(arrays["power"]), arrays["log_variance"][:, :, None]]
        columns.append(np.log(arrays["mobility"])[:, :, None])
        values = np.concatenate(columns, axis=2).reshape(n, -1)[kept]
        of_gain = (*(2.0 for _ in BANDS), 2.0, 0.0) * len(CHANNELS)
    warnings = []
    if n < len(hypnogram.stages):
        warnings.append(
            f"{path.name}: ends after {n} of the {len(hypnogram.stages)} epochs that were scored; the "
            "rest has no powers"
        )
    return Features(
        names=names,
        values=values,
        times=times,
        breaks=tuple(_breaks(times, config.step)),
        step_seconds=config.step,
        warnings=tuple(warnings),
        of_gain=of_gain,
    )


def _breaks(times: NDArray[np.float64], step: float) -> list[int]:
    found: list[int] = (np.flatnonzero(np.diff(times) > step + 1e-3) + 1).tolist()
    return found


def _finer(
    times: NDArray[np.float64], powers: NDArray[np.float64], step: float
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield times and powers of the steps of each stretch without a gap.

    The 30 s before a step's end lie in two epochs, and their power is that of the two, each for as much of it
    as they lie in it: as if an epoch's power were the same throughout. Before the first epoch has ended it
    stands for what was before it.
    """
    for first, stop in pairwise([0, *_breaks(times, EPOCH), len(times)]):
        begins = times[first:stop]
        steps = begins[0] + step * np.arange(round((stop - first) * EPOCH / step))
        since = steps + step - EPOCH  # where the 30 s begin
        yield steps, np.stack([np.interp(since, begins, p) for p in powers[first:stop].T], axis=1)


def _agree(path: Path, stages: NDArray[np.int64], hypnogram: Hypnogram) -> None:
    """Refuse stages that are not those of the hypnogram's first scored epochs."""
    n, scored = len(stages), hypnogram.stages
    if n > len(scored):
        raise DataError(
            f"{path}: holds {n} epochs and {hypnogram.path.name} scores only {len(scored)}; is it the "
            "hypnogram of another night?"
        )
    wrong = np.flatnonzero(stages != scored[:n])
    if len(wrong):
        k = int(wrong[0])
        raise DataError(
            f"{path}: epoch {k} has stage {_name(int(stages[k]))} and {hypnogram.path.name} scores it "
            f"{_name(int(scored[k]))} ({hypnogram.times[k]:g} s); {len(wrong)} of {n} epochs disagree. "
            "Is it the hypnogram of another night?"
        )


def _name(stage: int) -> str:
    return NAMES[stage] if 0 <= stage < len(NAMES) else str(stage)


def _kept(
    times: NDArray[np.float64], stages: NDArray[np.int64], minutes: float
) -> NDArray[np.bool_]:
    asleep = times[stages > 0]
    if minutes >= _WHOLE_DAY or len(asleep) == 0:
        return np.ones(len(times), dtype=np.bool_)
    margin = 60 * minutes
    return np.asarray((times >= asleep[0] - margin) & (times <= asleep[-1] + margin))


def _arrays(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: np.asarray(file[name]) for name in _SHAPES if name in file}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as an .npz file: {error}") from error
    missing = [name for name in _SHAPES if name not in found]
    if missing:
        raise DataError(f"{path}: lacks {', '.join(missing)}; expected {', '.join(_SHAPES)}")
    n = len(np.atleast_1d(found["stage"]))
    for name, shape in _SHAPES.items():
        if found[name].shape != (n, *shape) or n == 0:
            raise DataError(
                f"{path}: '{name}' has shape {list(found[name].shape)}, expected {[n, *shape]} with "
                "one row an epoch"
            )
        if found[name].dtype.kind not in "fiu":
            raise DataError(f"{path}: '{name}' holds {found[name].dtype}, expected numbers")
    arrays = {name: values.astype(np.float64) for name, values in found.items()}
    for name in ("power", "mobility", "log_variance"):
        good = np.isfinite(arrays[name])
        if name != "log_variance":
            good &= np.where(good, arrays[name], 0) > 0
        if not good.all():
            where = np.argwhere(~good)[0]
            need = "a number" if name == "log_variance" else "a number above 0"
            raise DataError(
                f"{path}: '{name}' is {arrays[name][tuple(where)]:g} at epoch {where[0]} (channel "
                f"{CHANNELS[where[1]]}), expected {need}"
            )
    return arrays
