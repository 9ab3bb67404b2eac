"""Integers as few bytes: differences, zigzag, variable length, deflate. ``decoding.js`` is the other half.

Two codes. `pack_integers` is for tables (probabilities, envelopes, gaps): rows of values that change slowly.
`pack_samples` is for waveforms: for each row the order of differencing that leaves least, a byte a residual,
and Huffman's code alone, since samples hardly ever repeat as strings do.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

#: Orders of differencing that are tried; that of ``x[n] - 2 x[n-1] + x[n-2]`` is 2.
ORDERS = 4
#: Samples are at most so many steps: their third difference, 8 times as large, has to fit into 16 bits.
LARGEST = (1 << 12) - 1
#: Sizes of a step: a byte holds the place of one, and the order of differencing above it.
STEPS = 2.0 ** (np.arange(64) / 3 - 4)
_ESCAPE = 255

Integers = NDArray[np.int64]


def zigzag(values: Integers) -> Integers:
    """Return signed integers as unsigned ones, small where they were small.

    >>> zigzag(np.array([0, -1, 1, -2])).tolist()
    [0, 1, 2, 3]
    """
    return np.where(values < 0, -2 * values - 1, 2 * values)


def pack_integers(rows: NDArray[np.integer]) -> bytes:
    """Return ``[R, n]`` integers of at most 30 bits as bytes; each row by its differences."""
    table = np.atleast_2d(np.asarray(rows, dtype=np.int64))
    z = zigzag(np.diff(table, axis=1, prepend=0).ravel())
    if len(z) and int(z.max()) >= 1 << 31:
        raise ValueError("integers of more than 30 bits are not packed")
    return zlib.compress(_variable_length(z), 6)


def unpack_integers(data: bytes, rows: int) -> Integers:
    """Return what `pack_integers` was given."""
    raw = np.frombuffer(zlib.decompress(data), dtype=np.uint8).astype(np.int64)
    ends = np.flatnonzero(raw < 128)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    place = np.arange(len(raw)) - np.repeat(starts, ends - starts + 1)
    z = np.add.reduceat((raw & 127) << (7 * place), starts) if len(ends) else raw
    values = np.where(z & 1, -((z + 1) >> 1), z >> 1)
    return np.cumsum(values.reshape(rows, -1), axis=1)


def _variable_length(z: Integers) -> bytes:
    """Return unsigned integers in groups of 7 bits, the lowest first; the 8th says that more follow."""
    width = np.maximum(1, -(-_bits(z) // 7))
    out = np.empty(int(width.sum()), dtype=np.uint8)
    first = np.cumsum(width) - width
    for place in range(int(width.max(initial=0))):
        has = width > place
        more = np.where(width[has] > place + 1, 128, 0)
        out[first[has] + place] = ((z[has] >> (7 * place)) & 127) | more
    return out.tobytes()


def _bits(z: Integers) -> Integers:
    return np.frexp(z.astype(np.float64))[1].astype(np.int64)


def pack_samples(values: NDArray[np.floating], steps: NDArray[np.floating], block: int) -> bytes:
    """Return ``[C, n]`` samples as bytes, block by block in multiples of a step.

    Args:
        values: At most 65,535 samples a row; what nothing is known of is 0.
        steps: ``[C, blocks]``, each rounded up to the next of `STEPS`; what is more than `LARGEST` of them is
            clipped.
        block: Samples of a block; the last one may be shorter.
    """
    codes = step_codes(steps)
    n = values.shape[1]
    padded = np.pad(values, ((0, 0), (0, codes.shape[1] * block - n)))
    parts = padded.reshape(*codes.shape, block) / STEPS[codes][..., None]
    residuals = [np.clip(np.rint(parts), -LARGEST, LARGEST).astype(np.int64)]
    for _ in range(ORDERS - 1):
        residuals.append(np.diff(residuals[-1], axis=2, prepend=0))
    orders = np.argmin([np.abs(r).sum(axis=2) for r in residuals], axis=0)
    chosen = np.choose(orders[..., None], residuals).reshape(len(values), -1)[:, :n]
    heads = (codes | orders << 6).astype(np.uint8).tobytes()
    deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_HUFFMAN_ONLY)
    content = n.to_bytes(2, "little") + heads + _escaped(zigzag(chosen.ravel()))
    return deflate.compress(content) + deflate.flush()


def unpack_samples(data: bytes, channels: int, block: int) -> NDArray[np.float64]:
    """Return ``[C, n]`` samples, each at most half a step from what `pack_samples` was given."""
    raw = zlib.decompress(data)
    n = int.from_bytes(raw[:2], "little")
    blocks = -(-n // block)
    at = 2 + channels * blocks
    out = np.empty((channels, n))
    for k in range(channels * blocks):
        c, start = k // blocks, k % blocks * block
        size = min(block, n - start)
        z = np.empty(size, dtype=np.int64)
        for i in range(size):
            if raw[at] == _ESCAPE:
                z[i] = raw[at + 1] | raw[at + 2] << 8
                at += 3
            else:
                z[i] = raw[at]
                at += 1
        q = np.where(z & 1, -((z + 1) >> 1), z >> 1)
        for _ in range(raw[2 + k] >> 6):
            q = np.cumsum(q)
        out[c, start : start + size] = q * STEPS[raw[2 + k] & 63]
    return out


def step_codes(steps: NDArray[np.floating]) -> Integers:
    """Return the place in `STEPS` of the next larger step of each; the largest where there is none."""
    return np.minimum(np.searchsorted(STEPS, np.asarray(steps) * (1 - 1e-9)), len(STEPS) - 1)


def _escaped(z: Integers) -> bytes:
    """Return a byte for each value below 255, else 255 and two bytes."""
    large = np.flatnonzero(z >= _ESCAPE)
    if not len(large):
        return z.astype(np.uint8).tobytes()
    out = np.minimum(z, _ESCAPE).astype(np.uint8)
    both = np.stack([z[large] & 255, z[large] >> 8], axis=1).astype(np.uint8)
    return np.insert(out, np.repeat(large + 1, 2), both.ravel()).tobytes()
