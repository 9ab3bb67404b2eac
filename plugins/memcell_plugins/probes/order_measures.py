"""The measures of `memcell_plugins.probes.order`, made of losses and margins alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.probes import estimate
from memcell.probes.base import Values

#: Random phases that periodicity is held against.
PHASES = 999


def recency(
    losses: list[list[float | None]],
    since: list[list[int | None]],
    recent: float,
    long_ago: float,
) -> Values:
    """Return r of ``l_wt = a_w + b_t + r * recent_wt``, and how many losses were compared.

    Args:
        losses: One list over windows for each look.
        since: Updates since each window was trained, 0 for the last update; None for never.
        recent: Trained within so many updates: ``since < recent``.
        long_ago: Trained before so many: ``since >= long_ago``.
    """
    cells = [
        (t, w, loss, float(age < recent))
        for t, (row, ages) in enumerate(zip(losses, since, strict=True))
        for w, (loss, age) in enumerate(zip(row, ages, strict=True))
        if loss is not None and age is not None and (age < recent or age >= long_ago)
    ]
    counts = {"recent": int(sum(c[3] for c in cells)), "within": recent, "beyond": long_ago}
    counts["long_ago"] = len(cells) - counts["recent"]
    if not cells:
        return {"difference": None, "reason": "no windows to compare", **counts}
    times, windows = (np.unique([c[k] for c in cells], return_inverse=True)[1] for k in (0, 1))
    y, x = np.array([c[2] for c in cells]), np.array([c[3] for c in cells])
    residual = _without_effects(x, times, windows)
    if float(residual @ residual) < 1e-9:
        return {"difference": None, "reason": "no window was both recent and long ago", **counts}
    return {"difference": float(residual @ y / (residual @ residual)), **counts}


def _without_effects(
    x: NDArray[np.float64], times: NDArray[np.int64], windows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return what is left of x after a constant for each time and each window (least squares).

    By turns: the means of times, then of windows, until nothing is left to take off.
    """
    x = x.copy()
    for _ in range(1000):
        before = x.copy()
        for group in (times, windows):
            x -= (np.bincount(group, x) / np.bincount(group))[group]
        if np.abs(x - before).max() < 1e-12:
            break
    return x


def anticipation(
    margins: list[list[float] | None], shares: list[list[float]], overall: list[float]
) -> Values:
    """Return the mean over classes of ``E[margin_b | next is b] - E[margin_b | next is not b]``.

    Args:
        margins: Of each class, one list for each look; None where nothing is held out.
        shares: Of each class in the batch that was to come.
        overall: Of each class in the training set.
    """
    pairs = [(m, s) for m, s in zip(margins, shares, strict=True) if m is not None]
    found: list[float | None] = []
    for c, usual in enumerate(overall):
        is_next = [m[c] for m, s in pairs if s[c] > usual]
        is_not = [m[c] for m, s in pairs if s[c] <= usual]
        found.append(estimate.minus(estimate.mean(is_next), estimate.mean(is_not)))
    result: Values = {"difference": estimate.mean(found), "by_class": found, "looks": len(pairs)}
    if result["difference"] is None:
        result["reason"] = "nothing is held out" if not pairs else "no class was next and not next"
    return result


def periodicity(epochs: list[list[float]], rng: np.random.Generator) -> Values:
    """Return the correlation of losses with those at the same place of the next epoch.

    Args:
        epochs: Losses of each epoch, update by update; cut to the shortest. An epoch cut short by half of
            the longest is left out.
        rng: Draws the phases of the comparison.
    """
    longest = max(map(len, epochs), default=0)
    kept = [e for e in epochs if 2 * len(e) > longest]
    steps = min(map(len, kept), default=0)
    if len(kept) < 2 or steps < 3:
        return {
            "correlation": None, "p": None, "lag": steps,
            "reason": "fewer than 2 epochs of 3 updates",
        }  # fmt: skip
    table = np.array([e[:steps] for e in kept])
    table = table - table.mean(axis=1, keepdims=True)

    def correlation(rows: NDArray[np.float64]) -> float:
        norm = float((rows[:-1] ** 2).sum() * (rows[1:] ** 2).sum()) ** 0.5
        return float((rows[:-1] * rows[1:]).sum()) / norm if norm > 0 else 0.0

    own, columns = correlation(table), np.arange(steps)
    others = []
    for _ in range(PHASES):
        turns = rng.integers(steps, size=(len(table), 1))
        others.append(correlation(np.take_along_axis(table, (columns + turns) % steps, axis=1)))
    p = (1 + sum(abs(o) >= abs(own) for o in others)) / (1 + PHASES)
    return {
        "correlation": own, "by_phase": float(np.mean(others)), "p": p,
        "lag": steps, "epochs": len(kept),
    }  # fmt: skip
