"""Recordings and a model made on the spot: what is measured depends on their sizes alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from memcell.applications.prediction import Infer
from memcell_data.formats.edf.export import edf_plus
from memcell_data.formats.edf.writer import EdfSignal

CHANNELS = ("O1", "O2", "E1", "E2")
RATE = 200
CELL, HIDDEN, LAYERS = "lstm", 64, 2
#: Of the application: short steps of many recordings, whose cost has been followed from the first version on.
OPTIONS: dict[str, Any] = {
    "channels": CHANNELS,
    "features": ("bandpower",),
    "context": ("none",),
    "normalization": "causal",
    "step": 0.2,
    "window": 1.0,
}


def make_recording(path: Path, hours: float, seed: int = 0) -> Path:
    """Write an EDF of `CHANNELS` at `RATE` Hz: noise whose power falls with frequency."""
    random = np.random.default_rng(seed)
    seconds = max(30, round(hours * 3600))
    signals = [
        EdfSignal(label=name, unit="uV", physical=(-3276.8, 3276.7), samples=RATE)
        for name in CHANNELS
    ]
    with edf_plus(path, signals, []) as writer:
        writer.begin(np.arange(seconds, dtype=np.float64), 1.0)
        for first in range(0, seconds, 60):
            n = min(60, seconds - first)
            noise = random.normal(0, 20, (len(CHANNELS), n * RATE))
            values = noise + np.cumsum(noise / 8, axis=1) % 150
            stored = [
                s.stored(row).reshape(n, RATE) for s, row in zip(signals, values, strict=True)
            ]
            for record in range(n):
                writer.record([rows[record] for rows in stored])
    return path


def make_model(path: Path) -> Path:
    """Write a run folder with a network that was never trained."""
    import torch

    from memcell.plugins import default_registry
    from memcell.plugins.options import to_mapping
    from memcell.runs.model import ModelFacts, save_model
    from memcell.runs.run_folder import RunFolder
    from memcell.sequences.targets import Classes
    from memcell.settings.run_config import resolve
    from memcell.training.parts import build_network
    from memcell_eeg.features.pipeline import Pipeline
    from memcell_eeg.signal.channels import ChannelChoice

    registry = default_registry()
    sections: dict[str, Any] = {
        "microsleep": {k: list(v) if isinstance(v, tuple) else v for k, v in OPTIONS.items()},
        "network": {"hidden_size": HIDDEN, "layers": LAYERS, "skip": "none"},
        "training": {"device": "cpu", "threads": 1},
    }
    config = resolve("microsleep", sections, registry)
    choice = ChannelChoice(names=CHANNELS, eeg=CHANNELS[:2], reason="as named")
    pipeline = Pipeline.of(config.app_config, choice, RATE)
    app: Any = registry.get("app", "microsleep").build(config.app_config, None)
    policy_of = config.choices["policy"]
    policy: Any = registry.get("policy", policy_of.name).build(policy_of.config)
    n_features = len(pipeline.feature_names)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(
            config, registry, app.encoder(n_features), Classes(2), policy, n_features
        )
    facts = ModelFacts(
        n_features=n_features,
        n_classes=2,
        eval_policy="carry",
        decisions={p: {"threshold": 0.5} for p in ("carry", "reset")},
        task={
            "pipeline": pipeline.facts(),
            "config": to_mapping(config.app_config),
            "simulated": True,
        },
        notes=(),
    )
    save_model(RunFolder.create(path, config, registry, "cpu"), network, facts)
    return path


class BenchmarkModel:
    """The model in this process, as prediction has it."""

    def __init__(self, model: Path, out: Path) -> None:
        from memcell.runs.predict_task import PredictionOptions, model_id, opened_model
        from memcell.runs.run_folder import RunFolder
        from memcell_eeg.features.precomputed import pipeline_of

        self.wanted = PredictionOptions(
            app="microsleep",
            run=str(model.absolute()),
            digest=model_id(RunFolder(model).model),
            out=str(out.absolute()),
            # what is timed is detection, as in the history; a view reads the recording once more
            options='{"views": "none"}',
        )
        self.opened = opened = opened_model(self.wanted)
        self.network: Any = opened.network
        self.predictor: Any = opened.predictor
        self.infer: Infer = opened.infer()
        self.pipeline: Any = pipeline_of(opened.facts.task["pipeline"])
