"""Sequential digits: an image pixel by pixel, its digit asked for at the last (Le, Jaitly and Hinton 2015).

One sequence an image; memory starts anew with each. Permuted, the pixels come in one random order for all
images (Cooijmans et al. 2016 for what batch normalization does to both).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.sequences.time_series import TimeSeries
from memcell_memory_tasks.config import MemoryConfig
from memcell_memory_tasks.images import Images, mnist, small_digits
from memcell_memory_tasks.problem import PARTS, MemoryProblem, answers

CLASSES = 10


def make(config: MemoryConfig) -> MemoryProblem:
    """Return the task.

    Raises:
        DataError: MNIST is asked for and cannot be read.
    """
    if config.mnist:
        folder = Path(config.mnist).expanduser()
        parts = mnist(folder, config.images, config.pool, config.data_seed)
        what = f"MNIST, averaged over {config.pool} x {config.pool} pixels"
    else:
        parts = small_digits(config.data_seed)
        what = "scikit-learn's digits of 8 x 8"
    source = "mnist" if config.mnist else "digits"
    n_pixels = parts[0].pixels[0].size
    order = pixel_order(config, n_pixels)
    train, valid, test = (
        _sequences(images, order, f"{source}-{part}", source)
        for images, part in zip(parts, PARTS, strict=True)
    )
    return MemoryProblem(
        train=train,
        valid=valid,
        test=test,
        n_classes=CLASSES,
        notes=(
            f"sequential digits: {what}, {n_pixels} steps, order of the pixels: {config.permutation}"
            + (f" (seed {config.permutation_seed})" if config.permutation != "none" else ""),
            f"{len(train)} training, {len(valid)} validation and {len(test)} test images",
        ),
        simulated=False,
        facts={"source": source, "pixels": n_pixels, "pixels_seen": len(np.unique(order))},
    )


def pixel_order(config: MemoryConfig, n: int) -> NDArray[np.int64]:
    """Return ``[n]`` which pixel comes at which step.

    ``"authors"`` is that of the code of Cooijmans et al.: drawn with replacement from NumPy's legacy
    generator, so that many pixels never come and others twice.
    """
    if config.permutation == "none":
        return np.arange(n)
    if config.permutation == "shuffled":
        return np.random.default_rng([config.permutation_seed, 2]).permutation(n)
    legacy = np.random.RandomState(config.permutation_seed)
    return np.asarray(legacy.randint(0, n, size=n), dtype=np.int64)


def _sequences(
    images: Images, order: NDArray[np.int64], name: str, subject: str
) -> tuple[TimeSeries, ...]:
    flat = images.pixels.reshape(len(images.labels), -1)[:, order]
    return tuple(
        TimeSeries(
            name=f"{name}-{k:05d}",
            subject=subject,
            features=np.ascontiguousarray(x[:, None]),
            targets=answers(order, int(y)),
        )
        for k, (x, y) in enumerate(zip(flat, images.labels, strict=True))
    )
