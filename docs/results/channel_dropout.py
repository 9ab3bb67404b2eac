"""Tables of ``docs/results/channel-dropout.sh``: scores with all channels and with each of them lost.

python docs/results/channel_dropout.py OUT
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

SCORES = ("kappa", "balanced_accuracy", "auc_roc")


def network_rows(run: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a run's network."""
    with (run / "robustness.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["kind"] == "network" and row["score"] in SCORES:
                yield row


def main(out: Path) -> None:
    """Print a table for each choice of channels: means over seeds, and each seed's kappa."""
    found: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    for run in sorted(p.parent for p in out.glob("*/robustness.tsv")):
        channels, training, _ = run.name.rsplit("-", 2)
        lost = defaultdict(list)
        for row in network_rows(run):
            condition = row["condition"].removesuffix(", left out")
            if condition != "as recorded" and not condition.endswith(" lost"):
                continue
            found[channels, training, condition, row["score"]].append(float(row["value"]))
            if condition.endswith(" lost"):
                lost[row["score"]].append(float(row["value"]))
        for score, values in lost.items():
            mean = sum(values) / len(values)
            found[channels, training, "one lost (mean)", score].append(mean)
            found[channels, training, "one lost (worst)", score].append(min(values))
    for channels in dict.fromkeys(key[0] for key in found):
        print(f"\n{channels}: kappa / balanced accuracy / AUC (kappa of each seed)\n")
        print("| | all channels in training | --channel-dropout 0.3 |")
        print("|---|---|---|")
        for condition in dict.fromkeys(key[2] for key in found if key[0] == channels):
            cells = []
            for training in ("all", "dropout"):
                means = [
                    sum(values) / len(values)
                    for score in SCORES
                    if (values := found[channels, training, condition, score])
                ]
                seeds = found[channels, training, condition, "kappa"]
                each = f" ({', '.join(f'{v:.3f}' for v in seeds)})" if len(seeds) > 1 else ""
                cells.append(" / ".join(f"{m:.3f}" for m in means) + each)
            print(f"| {condition} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
