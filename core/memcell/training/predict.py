"""Running a trained network over recordings that training never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from memcell.progress import progress
from memcell.registry import Registry
from memcell.sequences import Sequence
from memcell.training.evaluate import open_run
from memcell.training.inference import probabilities
from memcell.training.model import load_model
from memcell.training.run import Say, device_of


def predict(
    app: str,
    paths: list[str],
    run: Path,
    out: Path,
    eval_policy: str,
    registry: Registry,
    say: Say,
) -> int:
    """Predict, one recording after the other; a broken one is named and the others go on.

    Returns:
        1 where any recording failed, else 0.
    """
    folder, config = open_run(app, run, registry)
    device = device_of(config)
    torch.set_num_threads(config.training.threads)
    built: Any = registry.get("app", app).build(config.app_config, None)
    network, facts = load_model(folder, config, registry, built)
    network.to(device)
    policy = facts.eval_policy if eval_policy == "auto" else eval_policy

    def infer(sequence: Sequence) -> NDArray[np.float32]:
        return probabilities(network, [sequence], policy, config.training.time_steps)[0]

    known = {**facts.task, "model_id": f"{model_id(folder.model)}-{policy}"}
    with progress("predict", None) as shown:
        records = built.predict(paths, known, facts.decisions[policy], infer, out, shown)
    failed = [r for r in records if r["status"] == "failed"]
    for record in failed:
        say(f"failed: {record['recording']}: {record['reason']}")
    skipped = sum(r["status"] == "done before" for r in records)
    again = f", {skipped} of them done before" if skipped else ""
    say(
        f"{len(records) - len(failed)} of {len(records)} recordings predicted{again} "
        f"(memory: {policy}); results in '{out}'"
    )
    if facts.task.get("simulated"):
        say(
            "note: the model was trained on simulated data; what it finds says nothing about people"
        )
    return 1 if failed else 0


def model_id(path: Path) -> str:
    """Return a short digest of a model file, by which results say what made them."""
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
