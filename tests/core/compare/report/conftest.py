"""A comparison's folder made of random numbers: simulated records, of nobody and nothing."""

from __future__ import annotations

import itertools
import json
import math
import re

import numpy as np
import pytest

from memcell.compare.records import RunRecord

#: What the simulation puts in: gain over reset in the score, and in the loss, under carried inference.
GAIN = {"reset": 0.0, "carry": 0.05, "oracle": 0.06, "decay(rate=0.9)": 0.0}


@pytest.fixture(scope="session")
def write_comparison():
    """Return what writes a folder; see `_write_comparison`."""
    return _write_comparison


def _write_comparison(
    folder,
    axes=None,
    seeds=range(10),
    subjects=8,
    epochs=12,
    diverged=(),
    failed=(),
    missing=(),
    begun=(),
    noise=0.01,
    probes=True,
    baselines=True,
    both=False,
    **plan,
):
    """Write a folder; ``diverged`` and the others are pairs of a setting's values and a seed."""
    axes = axes or {"policy": ["reset", "carry", "oracle"]}
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "format": 1, "memcell": "0.1.0", "app": "simulated", "base": {},
        "axes": [{"name": k, "values": list(v)} for k, v in axes.items()],
        "seeds": list(seeds), "reference": {k: v[0] for k, v in axes.items()},
        "target_loss": None, "command": "memcell compare simulated --seeds 10",
        "main_score": "kappa", "shown_scores": ["kappa", "false_alarms_per_hour"],
        "n_classes": 2, "notes": ["simulated records: nothing about people"], **plan,
    }  # fmt: skip
    values = {k: v for k, v in values.items() if v != "absent"}
    (folder / "comparison.json").write_text(json.dumps(values), encoding="utf-8")
    for key, seed in itertools.product(itertools.product(*axes.values()), seeds):
        setting = dict(zip(axes, key, strict=True))
        name = ",".join([*(f"{k}={v}" for k, v in setting.items()), f"seed={seed}"])
        run = folder / "runs" / re.sub(r"[^\w.=,+-]", "-", name)
        if (key, seed) in missing:
            continue
        run.mkdir(parents=True, exist_ok=True)
        if (key, seed) in begun:
            continue
        if (key, seed) in failed:
            status, facts = "failed", {"reason": "the disk was full"}
        else:
            facts = _run(key, seed, subjects, epochs, noise)
            if both:
                other = tuple((u, loss + 0.05) for u, loss in facts["validation"])
                facts["validations"] = {"carry": facts["validation"], "reset": other}
            status = "diverged" if (key, seed) in diverged else "done"
            if status == "diverged":
                facts |= {"reason": "the loss is nan at update 60", "scores": {}, "subjects": {},
                          "validation": facts["validation"][:3], "training": ()}  # fmt: skip
        RunRecord(id=run.name, setting=setting, seed=seed, status=status, **facts).write(
            run / "record.json"
        )
        environment = {"memcell": "0.1.0", "python": "3.11", "device": "cpu", "git": "",
                       "libraries": {"torch": "2.13", "numpy": "2"}}  # fmt: skip
        (run / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
        if probes and key[0] in ("carry", "oracle"):
            _write_probes(run / "probes.jsonl", seed)
    if baselines:
        rows = [
            ("majority class", 0.0),
            ("clock only", 0.02),
            ("previous true label (not deployable)", 0.97),
        ]
        table = [
            {"name": n, "kind": "baseline", "scores": {"kappa": k, "false_alarms_per_hour": None},
             "subjects": {f"S{i:02d}": {"kappa": k} for i in range(subjects)}}
            for n, k in rows
        ]  # fmt: skip
        (folder / "baselines.json").write_text(json.dumps(table), encoding="utf-8")
    return folder


def _run(key, seed, subjects, epochs, noise):
    luck = np.random.default_rng(seed).normal(0, 0.03)
    random = np.random.default_rng([seed, *"/".join(key).encode()])
    gain = GAIN.get(key[0], 0.0)
    scores, each = {}, {}
    for policy in ("carry", "reset"):
        kappa = 0.6 + luck + (gain if policy == "carry" else gain / 4) + random.normal(0, noise)
        scores[policy] = {
            "kappa": kappa,
            "false_alarms_per_hour": 9 - 40 * gain + random.normal(0, 1),
            "onset_delay_s": math.nan if seed == 3 else 0.4 + random.normal(0, 0.05),
        }
        each[policy] = {
            f"S{i:02d}": {"kappa": kappa + 0.02 * (i - subjects / 2) + random.normal(0, 2 * noise)}
            for i in range(subjects)
        }
    floor = 0.32 - gain + random.normal(0, noise)
    curve = [
        (20 * (e + 1), floor + (0.68 - floor) * math.exp(-e / 3) + random.normal(0, noise / 4))
        for e in range(epochs)
    ]
    return {
        "updates": 20 * epochs, "scores": scores, "subjects": each, "validation": tuple(curve),
        "training": tuple((u, loss - 0.02) for u, loss in curve), "cpu_seconds": 3.5,
        "own": "carry", "chosen": {"carry": floor, "reset": floor + 0.01},
        "valid_subjects": {"carry": {f"V{i}": floor + 0.01 * (i - subjects / 2) + random.normal(0, noise)
                                     for i in range(subjects)}},
        "notes": ("simulated records: nothing about people",),
    }  # fmt: skip


def _write_probes(path, seed):
    random, lines = np.random.default_rng(seed), []
    for update in range(10, 240, 10):
        lag = random.integers(1, 60, 4)
        values = {
            "lag": lag.tolist(), "S": [None, *(0.002 * lag[1:] + random.normal(0, 0.004, 3) ** 2)],
            "dL_stale": (0.0002 * lag + random.normal(0, 0.002, 4)).tolist(),
            "dL_zero": (0.04 + random.normal(0, 0.01, 4)).tolist(),
            "transitions": random.integers(0, 5, 4).tolist(), "transitions_batch": 7,
            "distance": random.uniform(0, 3, 4).tolist(),
            "gradient_distance": float(1e-4 * random.uniform(1, 3)),
        }  # fmt: skip
        lines.append(json.dumps({"probe": "staleness", "update": update, "values": values}))
    lines.append(json.dumps({"probe": "staleness", "update": 240, "summary": {"S": 0.1}}))
    path.write_text("\n".join([*lines, '{"probe": "stale']), encoding="utf-8")
