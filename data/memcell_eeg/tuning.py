"""The settings that cross-validation inside the training people chooses from, and what its table shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.cross_validation import Candidate
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.decisions.decision import labelled
from memcell_eeg.decisions.thresholds import choose_by_kappa, kappa_at

QUICK = ("usual", "slow")


def candidates(tune: str) -> tuple[Candidate, ...]:
    """Return the candidates of ``--tune``, the simplest first."""
    usual: dict[str, dict[str, Any]] = {
        "training": {"learning_rate": 0.003},
        "network": {"hidden_size": 32},
    }
    made = [
        ("usual", usual),
        ("slow", _with(usual, training={"learning_rate": 0.001})),
        ("small", _with(usual, network={"hidden_size": 12})),
        ("large", _with(usual, network={"hidden_size": 64})),
    ]
    return tuple(
        Candidate(name=name, options=options)
        for name, options in made
        if tune == "full" or name in QUICK
    )


def _with(base: Mapping[str, Mapping[str, Any]], **changes: Any) -> dict[str, dict[str, Any]]:
    return {name: {**base[name], **changes.get(name, {})} for name in base}


def measures(
    sequences: Sequence[TimeSeries], probabilities: Sequence[NDArray[np.float32]]
) -> dict[str, float]:
    """Return AUC, and kappa at the threshold that would be chosen, of pooled out-of-fold predictions."""
    from scipy.stats import rankdata

    y, p = labelled(sequences, probabilities)
    positives = int((y == 1).sum())
    negatives = len(y) - positives
    if not positives or not negatives:
        return {"auc": float("nan"), "kappa": float("nan")}
    ranks = rankdata(p)
    auc = (ranks[y == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    return {"auc": float(auc), "kappa": kappa_at(y, p, choose_by_kappa(y, p).value)}
