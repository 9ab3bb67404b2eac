"""Order of training: digits of two groups, 0 to 4 and 5 to 9 (B. Badger, "Training Memory").

One sequence a digit, 8 steps of a row each (or one step of all 64 pixels), the label at its last. The
group is the sequence's subject, so ``--sampler grouped --sampler.by subject`` trains on one group after
the other, ``--sampler grouped`` on one digit after the other, and ``--sampler blocks`` in the mix.
``recency`` is the accuracy on the second group, which a grouped order trains last, minus that on the
first: what came last is remembered best.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memcell.sequences.time_series import TimeSeries
from memcell_memory_tasks.config import MemoryConfig
from memcell_memory_tasks.images import Images, small_digits
from memcell_memory_tasks.problem import PARTS, MemoryProblem, Probabilities, answers

GROUPS = ("digits 0-4", "digits 5-9")


def make(config: MemoryConfig) -> MemoryProblem:
    """Return the task."""
    steps = 8 if config.rows else 1
    parts = zip(small_digits(config.data_seed), PARTS, strict=True)
    train, valid, test = (_sequences(images, steps, part) for images, part in parts)
    return MemoryProblem(
        train=train,
        valid=valid,
        test=test,
        n_classes=10,
        notes=(
            f"order of training: scikit-learn's digits, {steps} steps a digit, subjects are the groups "
            f"{' and '.join(GROUPS)}, on both sides of the split",
        ),
        simulated=False,
        facts={"source": "digits", "groups": list(GROUPS)},
        extra_scores=extra_scores,
    )


def _sequences(images: Images, steps: int, part: str) -> tuple[TimeSeries, ...]:
    rows = images.pixels.reshape(len(images.labels), steps, -1)
    return tuple(
        TimeSeries(
            name=f"{part}-{k:04d}",
            subject=GROUPS[int(y >= 5)],
            features=np.ascontiguousarray(x),
            targets=answers(np.arange(steps), int(y)),
        )
        for k, (x, y) in enumerate(zip(rows, images.labels, strict=True))
    )


def extra_scores(
    sequences: Sequence[TimeSeries], probabilities: Sequence[Probabilities]
) -> dict[str, float]:
    """Return the accuracy on each group, and ``recency``; nan where a group is missing."""
    right: dict[str, list[bool]] = {group: [] for group in GROUPS}
    for sequence, p in zip(sequences, probabilities, strict=True):
        right[sequence.subject].append(bool(p[-1].argmax() == sequence.targets[-1]))
    first, second = (float(np.mean(right[g])) if right[g] else float("nan") for g in GROUPS)
    return {
        "accuracy_digits_0_4": first,
        "accuracy_digits_5_9": second,
        "recency": second - first,
    }
