"""Small sequences with a rule, as the files of a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: Options of a run of seconds.
TINY = [
    *("--cell", "gru", "--epochs", "2", "--min-updates", "0"),
    *("--hidden-size", "6", "--time-steps", "20", "--batch-size", "4"),
]


def sequence(seed: int, steps: int = 50, kind: str = "classes"):
    """Return ``x [steps, 2]`` and a target that the first feature two steps before tells."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((steps, 2)).astype(np.float32)
    before = np.concatenate([np.zeros(2), x[:-2, 0]])
    if kind == "values":
        return x, 2 * before + 1
    if kind == "labels":
        return x, np.stack([before > 0, x[:, 1] > 0], axis=1).astype(np.int64)
    return x, (before > 0).astype(np.int64)


def write_npz(folder: Path, n: int = 6, kind: str = "classes", **more) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(n):
        x, y = sequence(k, kind=kind)
        np.savez(folder / f"s{k}.npz", x=x, y=y, **more)
    return folder


def write_csv(folder: Path, n: int = 6, target: str = "stage", words: bool = True) -> Path:
    """Write tables with subject, time with a gap, two features, and a word each step but one."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(n):
        x, y = sequence(k)
        rows = [f"who,time,a,b,{target}"]
        for t in range(len(x)):
            at = 0.5 * t + (10 if t >= 30 else 0)
            said = ("up" if y[t] else "down") if words else str(y[t])
            said = "" if t == 7 else said
            rows.append(f"p{k // 2},{at},{x[t, 0]},{x[t, 1]},{said}")
        (folder / f"r{k}.csv").write_text("\n".join(rows) + "\n")
    return folder
