"""Images of handwritten digits: scikit-learn's, which come with it, or MNIST from a folder.

scikit-learn's are 1797 images of 8 x 8 (UCI Optical Recognition of Handwritten Digits, Alpaydin and Kaynak
1998; CC BY 4.0 as UCI states it, not re-read here). MNIST is of LeCun, Cortes and Burges.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError

SIDE = 28
_VALID = _TEST = 0.2


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images of one split.

    Args:
        pixels: ``[n, height, width]`` float32 from 0 to 1.
        labels: ``[n]`` 0 to 9.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.int64]


def small_digits(seed: int) -> tuple[Images, Images, Images]:
    """Return scikit-learn's digits as 60 % training, 20 % validation and 20 % test images.

    Args:
        seed: Of the split.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.images / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng([seed, 0]).permutation(len(labels))
    n_valid, n_test = round(_VALID * len(order)), round(_TEST * len(order))
    parts = np.split(order, [len(order) - n_valid - n_test, len(order) - n_test])
    train, valid, test = (Images(pixels=pixels[p], labels=labels[p]) for p in parts)
    return train, valid, test


def mnist(folder: Path, n: int, pool: int, seed: int) -> tuple[Images, Images, Images]:
    """Return MNIST, averaged over squares: ``n`` training images, ``n // 5`` of each other split.

    Args:
        folder: Holds ``mnist_train.npz`` and ``mnist_test.npz``, each with ``x [n, 28, 28]`` uint8 and
            ``y [n]``.
        n: Training images; they and the validation images are drawn from the training file.
        pool: Side of the squares; rows and columns that fill none are left out.
        seed: Of which images are drawn.

    Raises:
        DataError: A file is missing, damaged or too small; names it.
    """
    rng = np.random.default_rng([seed, 1])
    x, y = _load(folder / "mnist_train.npz", n + n // 5)
    drawn = rng.permutation(len(y))[: n + n // 5]
    x_test, y_test = _load(folder / "mnist_test.npz", min(n // 5, 10000))
    drawn_test = rng.permutation(len(y_test))[: n // 5]
    parts = [(x[drawn[:n]], y[drawn[:n]]), (x[drawn[n:]], y[drawn[n:]])]
    parts.append((x_test[drawn_test], y_test[drawn_test]))
    train, valid, test = (Images(pixels=_pooled(p, pool), labels=q) for p, q in parts)
    return train, valid, test


def _load(path: Path, least: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            x, y = file["x"], file["y"].astype(np.int64)
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such file; type the folder of mnist_train.npz and mnist_test.npz "
            "after --mnist"
        ) from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read as MNIST (x, y): {error}") from error
    if x.shape != (len(y), SIDE, SIDE) or x.dtype != np.uint8:
        raise DataError(f"{path}: 'x' is {x.dtype} {list(x.shape)}, expected uint8 [n, 28, 28]")
    if len(y) < least:
        raise DataError(
            f"{path}: holds {len(y)} images, {least} are asked for; type fewer --images"
        )
    if y.min() < 0 or y.max() > 9:
        raise DataError(f"{path}: 'y' runs from {y.min()} to {y.max()}, expected 0 to 9")
    return x, y


def _pooled(x: NDArray[np.uint8], pool: int) -> NDArray[np.float32]:
    side = SIDE // pool
    cut = x[:, : side * pool, : side * pool].reshape(len(x), side, pool, side, pool)
    return np.asarray(cut.mean(axis=(2, 4), dtype=np.float64) / 255, dtype=np.float32)
