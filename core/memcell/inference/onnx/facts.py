"""What stands in an exported file beside the weights: enough to use it without memcell.

Every entry of ``metadata_props`` whose key begins with ``memcell.`` is JSON.

- ``memcell.start``: by name, the state of one lane that remembers nothing (``[…]`` without the batch);
  ``age`` is 0 there. Feed it at the start of a recording and after every gap.
- ``memcell.features``, ``memcell.classes``: names (of the outputs, where they are no classes);
  ``memcell.step_seconds``: length of a step, or null.
- ``memcell.target``: what the outputs are, where they are no classes: values, or several labels.
- ``memcell.decision``: what turns probabilities into decisions, by inference policy (a threshold);
  ``memcell.inference``: the policy of this run; with ``reset`` feed the start every
  ``memcell.time_steps`` steps as well.
- ``memcell.preparation``: how features are made and normalized before ``x``.
- ``memcell.simulated``: trained on simulated data: what it finds says nothing about people.
- ``memcell.knows``: what the model tells apart and what it does not know; empty where its names say it.
- ``memcell.run``: version, app, parts, and a digest of the trained network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch

from memcell.applications.app import App
from memcell.errors import MemcellError
from memcell.inference.model_facts import ModelFacts
from memcell.inference.onnx.step import NetworkStep
from memcell.recurrent.state import leaves
from memcell.sequences.targets import Classes, MultiLabel, TargetKind, Values
from memcell.settings.run_config import RunConfig
from memcell.version import __version__

#: How to run the file, printed after it was written. 16 lines.
HOW_TO = """\
import json, os
os.environ["ORT_DISABLE_TELEMETRY"] = "1"                     # else it sends usage data to Microsoft
import numpy as np, onnxruntime

session = onnxruntime.InferenceSession("{path}")
facts = {{k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}}
start = {{k: np.asarray(v, np.int64 if k == "age" else np.float32)[None]
         for k, v in facts["memcell.start"].items()}}          # one lane: [1, ...]
memory = start                                                # also after every gap
outputs = [o.name for o in session.get_outputs()]
for x in chunks:                                              # [T, 1, {n_features}] float32, any T
    found = dict(zip(outputs, session.run(None, {{"x": x, **memory}})))
    memory = {{k: found["next_" + k] for k in memory}}
    print(found["{output}"][:, 0])                         # [T, {n_classes}]
"""


def facts_of(
    step: NetworkStep, config: RunConfig, model: ModelFacts, app: App, model_id: str
) -> dict[str, Any]:
    """Return the entries by key, without ``memcell.`` before them.

    Raises:
        MemcellError: The network's start is another one each time, so that no file can hold it.
    """
    described = getattr(app, "exported", None)
    own: Mapping[str, Any] = described(model.task) if described is not None else {}
    names = own.get("features") or model.task.get("feature_names")
    return {
        "start": _start(step),
        "features": list(names or (f"x{i}" for i in range(model.n_features))),
        "classes": list(own.get("classes") or _outputs(model.target)),
        **({} if isinstance(model.target, Classes) else {"target": model.target.facts()}),
        "step_seconds": own.get("step_seconds"),
        "preparation": dict(own.get("preparation", {})),
        "decision": {policy: dict(d) for policy, d in model.decisions.items()},
        "inference": model.eval_policy,
        "time_steps": config.training.time_steps,
        "simulated": bool(model.task.get("simulated", False)),
        "knows": str(model.task.get("knows", "")),
        "notes": list(model.notes),
        "run": {
            "memcell": __version__,
            "app": config.app,
            "model_id": model_id,
            **{kind: config.choices[kind].name for kind in ("cell", "normalizer", "policy")},
            **config.around(),
            "layers": config.network.layers,
            "hidden_size": config.network.hidden_size,
        },
    }


def _outputs(target: TargetKind) -> list[str]:
    if isinstance(target, Values | MultiLabel):
        return list(target.names)
    return [str(i) for i in range(target.n_outputs)]


def write_facts(model: Any, facts: Mapping[str, Any]) -> None:
    """Put entries into an ``onnx.ModelProto``."""
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = f"memcell.{key}", json.dumps(value)


@torch.no_grad()
def _start(step: NetworkStep) -> dict[str, Any]:
    once, again = (list(leaves(step.network.initial_state(1))) for _ in range(2))
    if not all(torch.equal(a, b) for a, b in zip(once, again, strict=True)):
        raise MemcellError(
            f"cannot export {type(step.network.start).__name__}: the state that it starts from is another "
            "one each time"
        )
    found = {name: t[0].tolist() for name, t in zip(step.names, once, strict=True)}
    return {**found, "age": 0} if step.aged else found
