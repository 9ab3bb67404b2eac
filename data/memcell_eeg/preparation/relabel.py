"""A task under another protocol: the same recordings, features and split, other targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from memcell.applications.app import Task
from memcell.errors import DataError
from memcell.sequences.time_series import UNLABELLED, TimeSeries
from memcell_data.recording import Recording
from memcell_eeg.config import EegConfig
from memcell_eeg.decisions.costs import loss_weights
from memcell_eeg.decisions.decision import class_totals
from memcell_eeg.left_out import LeftOut
from memcell_eeg.preparation.notes import counts
from memcell_eeg.targets.labels import LabelRules, targets
from memcell_eeg.targets.protocols import Protocols
from memcell_eeg.targets.resolved import read_labels


def under(
    task: Task,
    protocol: str,
    protocols: Protocols,
    recordings: Sequence[Recording],
    config: EegConfig,
) -> Task:
    """Return a task whose targets are those of another protocol.

    Who is trained on and who is tested on stays as it was, or the network would meet people again.

    Args:
        task: As the run's options make it.
        protocol: Option ``protocol``.
        protocols: What it chooses from.
        recordings: What the task was made of.
        config: The run's options.

    Raises:
        DataError: Nothing is left to score.
    """
    left_out = LeftOut(config.strict)
    resolved = read_labels(recordings, protocol, protocols, left_out)
    rules = replace(LabelRules.of(config), protocol=resolved.protocol)
    known = {r.name: r for r in resolved.recordings}

    def relabelled(sequences: Sequence[TimeSeries]) -> tuple[TimeSeries, ...]:
        out = []
        for s in sequences:
            recording = known.get(s.name) or known.get(s.name.rpartition("@")[0])
            labels = None if recording is None else recording.labels()
            if labels is not None:
                s = replace(s, targets=targets(labels, s.times, s.step_seconds, rules))
            elif recording is None:  # its labels cannot be used under this protocol
                s = replace(s, targets=np.full(s.n_steps, UNLABELLED, dtype=np.int64))
            out.append(s)
        return tuple(out)

    made = {part: relabelled(getattr(task, part)) for part in ("train", "valid", "test")}
    if not any(s.labelled.any() for s in made["test"]):
        raise DataError(
            f"the test split has no labelled step under {resolved.protocol}; type another --protocol."
        )
    before = str(task.facts["protocol"]["name"])
    text = (
        f"the network, its split and its decision are of the protocol {before}; baselines are fitted under "
        f"{resolved.protocol.name}"
    )
    replaced = ("protocol: ", "training steps: ", "test steps: ")
    notes = [n for n in task.notes if not n.startswith(replaced)]
    notes += [str(resolved.protocol), text, *resolved.notes, *counts(made["train"], made["test"])]
    notes += [n for n in left_out.notes(len(recordings)) if n not in notes]
    weights = task.class_weights
    totals = class_totals(made["train"], None)
    return replace(
        task,
        train=made["train"],
        valid=made["valid"],
        test=made["test"],
        class_weights=loss_weights(*totals, 1.0) if weights and all(totals) else weights,
        protocol=resolved.protocol.name,
        notes=tuple(notes),
        facts={**task.facts, "protocol": resolved.protocol.facts()},
    )
