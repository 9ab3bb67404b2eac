"""Choosing between settings within each fold: what microsleep.md says of it, which no run prints.

python docs/results/microsleep_choice.py RUN [RUN ...]

RUN are folders of runs with ``--split loso``, equal but for settings. In each fold the setting is taken whose
networks have the smallest validation loss, mean over seeds; nothing of the subject that is held out there has
any part in it. Then everything is pooled as a run with ``--split loso`` pools it, and held against the first
run's baselines.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from memcell.applications.app import Row
from memcell.plugins import default_registry
from memcell.runs.by_subject import differences
from memcell.runs.folds.pool import pooled_rows
from memcell.runs.intervals_text import by_subject, of_differences, with_intervals
from memcell.runs.run_folder import RunFolder
from memcell.runs.scoring import pooled_intervals
from memcell.runs.setup import build_app
from memcell.settings.run_config import resolve


def best_loss(run: Path) -> float:
    """Return the smallest validation loss of a run."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line).get("valid_loss") for line in lines]
    return min(loss for loss in losses if loss is not None)


def runs_of(folder: Path, fold: str) -> list[Path]:
    """Return the runs of a fold, one for each seed."""
    first = folder / fold
    return [first, *sorted(first.glob("repeat-*"))]


def main(folders: list[Path]) -> None:
    """Print what comes of choosing within each fold."""
    names = json.loads((folders[0] / "folds.json").read_text(encoding="utf-8"))["folders"]
    chosen = []
    for fold in names:
        losses = {
            folder: sum(map(best_loss, runs_of(folder, fold))) / len(runs_of(folder, fold))
            for folder in folders
        }
        best = min(losses, key=lambda folder: losses[folder])
        chosen.append(runs_of(best, fold))
        summary = ", ".join(f"{folder.name} {loss:.4f}" for folder, loss in losses.items())
        print(f"{fold}: {summary}: {best.name}")
    config = resolve("microsleep", RunFolder(folders[0]).sections(), default_registry())
    app = build_app(config, default_registry())
    networks, _ = pooled_rows(app, chosen)
    baselines, _ = pooled_rows(app, [runs_of(folders[0], fold) for fold in names])
    rows: list[Row] = [r for r in networks if r.kind == "network"]
    rows += [r for r in baselines if r.kind == "baseline"]
    print()
    print(
        with_intervals(rows, ("kappa", "balanced_accuracy", "auc_pr"), pooled_intervals(rows, app))
    )
    print()
    print(by_subject(rows, "kappa"))
    print()
    print(of_differences(differences(rows, "kappa"), "kappa"))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main([Path(word) for word in sys.argv[1:]])
