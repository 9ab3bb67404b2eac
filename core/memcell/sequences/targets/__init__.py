"""What a step's target is: a class, values, or several labels.

A `TargetKind` is a small frozen value that a task carries and a trained model stores. The trainer, the linear
path, inference, scoring, the probes and the export ask it, and nothing else, for what depends on the kind:

=============  ==========================  =======================  =====================
kind           targets of a sequence       loss of a step           outputs become
=============  ==========================  =======================  =====================
`Classes`      ``[n]`` int64, -1 none      cross-entropy            a softmax
`Values`       ``[n]`` or ``[n, K]``       absolute, squared or     the values themselves
               float32, NaN none           Huber error
`MultiLabel`   ``[n, K]`` int64 of 0 and   binary cross-entropy     a sigmoid each
               1, -1 none
=============  ==========================  =======================  =====================

A step is labelled where it has any target. The loss of a step with several is the mean over those that it
has. Steps are weighed by `groups`: classes, bins of a value, or a single one; `memcell.applications.app.Task`
has a weight for each group (``class_weights``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from memcell.errors import ConfigError
from memcell.sequences.targets.classes import Classes
from memcell.sequences.targets.kind import MOST_OUTPUTS, SMALLEST, TargetKind
from memcell.sequences.targets.labels import MultiLabel
from memcell.sequences.targets.values import Values

__all__ = [
    "KINDS",
    "SMALLEST",
    "Classes",
    "MultiLabel",
    "TargetKind",
    "Values",
    "target_from_facts",
]

#: Kinds by the name that a stored model has.
KINDS: Mapping[str, type[Classes] | type[Values] | type[MultiLabel]] = {
    each.kind: each for each in (Classes, Values, MultiLabel)
}


def target_from_facts(facts: Mapping[str, Any]) -> TargetKind:
    """Return what `TargetKind.facts` described.

    Raises:
        ValueError: Nothing wrote this.
    """
    values = dict(facts)
    kind = KINDS.get(str(values.pop("kind", "")))
    if kind is None or values.keys() != {f.name for f in fields(kind)}:
        raise ValueError("its kind of targets is unknown: it may be of a later version of memcell")
    for name, value in values.items():
        if not isinstance(value, list):
            continue
        sort = str if name == "names" else (int, float)
        if len(value) > MOST_OUTPUTS or not all(isinstance(v, sort) for v in value):
            raise ValueError(f"{name} of its targets holds what does not belong there")
        values[name] = tuple(value)
    delta = values.get("delta", 1.0)
    if type(delta) not in (int, float):
        raise ValueError(f"delta of its targets is {str(delta)[:40]}")
    n = values.get("n", 1)
    if type(n) is not int or not 1 <= n <= MOST_OUTPUTS:
        raise ValueError(f"its targets have {str(n)[:40]} classes")
    try:
        return kind(**values)
    except (ConfigError, TypeError) as error:
        raise ValueError(str(error)) from error
