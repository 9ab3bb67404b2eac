"""Makes the trained model ``wake_sleep`` anew, from the powers of Sleep-EDF alone.

    python docs/results/wake_sleep_make.py --data FOLDER --out FOLDER

FOLDER holds the nights of the data set ``sleep-edf-powers``. Each person is left out once: a network is
trained on the others, and its probabilities for the one left out are kept before the first update and after
every epoch. Of the epochs the earliest is chosen whose loss on the people left out is within one standard
error of the best, and a network is trained on everybody for as many. The threshold is .5 of a loss in which
both classes weigh the same. No other data is looked at. With one thread on one machine the weights are the
same to the bit; elsewhere they differ in the last digits (``--check`` says by how much).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from memcell.applications.app import ModelPredictions, Task
from memcell.applications.models import CARD, WEIGHTS, card_as_toml, checksum, get_model
from memcell.files.atomic import write_atomic
from memcell.inference.inference import probabilities
from memcell.inference.model_facts import ModelFacts
from memcell.plugins import default_registry
from memcell.plugins.options import to_mapping
from memcell.progress import SILENT
from memcell.runs.model import save_model
from memcell.runs.run import make_trainer
from memcell.runs.run_folder import RunFolder
from memcell.sequences.time_series import TimeSeries
from memcell.settings.run_config import RunConfig, resolve
from memcell.training.trainer import Trainer
from memcell_data.datasets.configs import SleepPowersConfig
from memcell_data.datasets.sleep_powers import SleepPowers
from memcell_eeg.decisions.costs import loss_weights
from memcell_eeg.decisions.decision import class_totals, shift_of
from memcell_eeg.features import scale
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.features.precomputed import PrecomputedFeatures
from memcell_eeg.left_out import LeftOut
from memcell_eeg.preparation.prepare import PreparedData, make_sequences
from memcell_eeg.signal.channels import ChannelChoice
from memcell_eeg.targets.resolved import read_labels
from memcell_sleep.app import TASK, Sleep
from memcell_sleep.config import CHANNEL, KNOWS, SleepConfig
from memcell_sleep.protocols import PROTOCOLS

MOST_EPOCHS = 12
RATE = 100.0


class Kept:
    """Keeps what a network says of the people left out; an observer that changes nothing.

    Args:
        trainer: Whose network.
        left_out: Their sequences.
    """

    def __init__(self, trainer: Trainer, left_out: tuple[TimeSeries, ...]) -> None:
        self.trainer, self.left_out = trainer, left_out
        self.found = [self._now()]

    def _now(self) -> list[NDArray[np.float32]]:
        return [p[:, 1] for p in probabilities(self.trainer.network, self.left_out, "carry", 1)]

    def before_update(self, event: object) -> None:
        """Do nothing."""

    def after_update(self) -> None:
        """Do nothing."""

    def end_of_epoch(self, epoch: int) -> None:
        """Keep the probabilities of this epoch."""
        self.found.append(self._now())

    def end(self) -> list[str]:
        """Return nothing to say."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: no run is resumed here."""
        return {}

    def load_state_dict(self, state: object, update: int) -> None:
        """Take nothing."""


def settings(epochs: int) -> RunConfig:
    """Return the options of a run; what is not here is the default of the application."""
    return resolve(
        "sleep",
        {
            "sleep": {"cache": "off"},
            "data": {"name": "sleep-edf-powers", "relative": True, "step": 5.0},
            "training": {
                "epochs": epochs, "min_updates": 0, "patience": 0, "schedule": "constant",
                "control": "none", "device": "cpu", "threads": 1,
            },
        },
        default_registry(),
    )  # fmt: skip


def task_of(made: PreparedData, train: list[TimeSeries]) -> tuple[Task, scale.Moments]:
    """Return the task of training on some nights, and their scale."""
    by = scale.moments(s.features[s.labelled] for s in train)
    scaled = tuple(map(partial(with_scale, by=by), train))
    return (
        Task(
            train=scaled, valid=(), test=(), n_classes=2, main_score="kappa",
            class_weights=loss_weights(*class_totals(scaled, None), 1.0),
            protocol=made.protocol.name,
        ),
        by,
    )  # fmt: skip


def with_scale(s: TimeSeries, by: scale.Moments) -> TimeSeries:
    """Return a night on the scale of the training people, clipped as the features of a signal are."""
    return replace(s, features=scale.scaled(s.features, by, scale.OF_A_SIGNAL))


def trained(
    config: RunConfig, task: Task, path: Path, left_out: tuple[TimeSeries, ...] = ()
) -> Any:
    """Train a network; return it and what it said of the people left out, before and after each epoch."""
    app = Sleep(config.app_config)
    trainer = make_trainer(
        config, default_registry(), app, task, path, torch.device("cpu"), resume=False
    )
    kept = Kept(trainer, left_out)
    trainer.observer = kept
    trainer.train()
    return trainer, kept.found


def losses(s: TimeSeries, p: NDArray[np.float32]) -> float:
    """Return the mean log loss of a night, both classes weighing the same, nats."""
    q = np.clip(np.where(s.targets == 1, p, 1 - p).astype(np.float64), 1e-6, 1)
    return float(np.mean([-np.log(q[s.targets == c]).mean() for c in (0, 1)]))


def choose(nights: list[TimeSeries], said: list[list[NDArray[np.float32]]]) -> int:
    """Return the earliest epoch within one standard error (over people) of the best, and print all."""
    people = sorted({s.subject for s in nights})
    of_night = np.array([[losses(s, p) for s, p in zip(nights, e, strict=True)] for e in said])
    of_person = np.stack(
        [of_night[:, [s.subject == who for s in nights]].mean(axis=1) for who in people], axis=1
    )
    best = int(of_person.mean(axis=1).argmin())
    worse = of_person - of_person[best]
    within = worse.mean(axis=1) <= worse.std(axis=1, ddof=1) / np.sqrt(len(people))
    chosen = int(np.argmax(within))
    y = np.concatenate([s.targets[s.labelled] for s in nights])
    print("epoch\tloss\tkappa\tauc\tchosen")
    for epoch, each in enumerate(said):
        p = np.concatenate([p[s.labelled] for s, p in zip(nights, each, strict=True)])
        print(
            f"{epoch}\t{of_person[epoch].mean():.4f}\t{cohen_kappa_score(y, p >= 0.5):.3f}\t"
            f"{roc_auc_score(y, p):.4f}\t{'*' if epoch == chosen else ''}",
            flush=True,
        )
    return chosen


def report(nights: list[TimeSeries], said: list[NDArray[np.float32]], what: str) -> None:
    """Print the scores on the people left out, with intervals over them."""
    both = tuple(np.stack([1 - p, p], axis=1) for p in said)
    part = ModelPredictions(
        sequences=tuple(nights), probabilities=both, decision={"threshold": 0.5}
    )
    app = Sleep(settings(1).app_config)
    scores, between = app.pooled([part]), app.intervals([part])
    for name in app.shown_scores:
        low, high = between[name]
        print(f"{what}: {name} = [{scores[name]:.3f}, {low:.3f}, {high:.3f}]")


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", required=True, help="Folder of SC4???E0.npz with their hypnograms."
    )
    parser.add_argument(
        "--out", required=True, type=Path, help="Folder for the model; must not be there."
    )
    parser.add_argument("--check", action="store_true", help="Hold it against the installed model.")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    config = settings(MOST_EPOCHS)
    data = SleepPowers(SleepPowersConfig(path=asked.data, relative=True, step=5.0))
    recordings = data.recordings()
    features = PrecomputedFeatures.of(config.app_config, recordings)
    strict = LeftOut(True)
    resolved = read_labels(recordings, config.app_config.protocol, PROTOCOLS, strict)
    made = make_sequences(config.app_config, features, resolved, SILENT, strict)
    nights = made.sequences
    said: list[list[NDArray[np.float32]]] = [[] for _ in range(MOST_EPOCHS + 1)]
    people = sorted({s.subject for s in nights})
    for nth, who in enumerate(people, 1):
        print(f"{nth} of {len(people)}: without {who}", file=sys.stderr, flush=True)
        task, by = task_of(made, [s for s in nights if s.subject != who])
        left_out = tuple(with_scale(s, by) for s in nights if s.subject == who)
        _, found = trained(config, task, asked.out / "folds" / who, left_out)
        for of_epoch, each in zip(said, found, strict=True):
            of_epoch += each
    epochs = choose(nights, said)
    report(nights, said[0], "the regression alone")
    report(nights, said[epochs], f"the network after {epochs} epochs")
    config = settings(max(1, epochs))
    task, by = task_of(made, nights)
    trainer, _ = trained(config, task, asked.out / "all")
    write(asked.out / "wake_sleep", config, trainer, made, by)
    if asked.check:
        ours = load_file(asked.out / "wake_sleep" / WEIGHTS)
        theirs = load_file(get_model(default_registry(), "wake_sleep").folder / WEIGHTS)
        far = max(
            float((ours[k] - v).abs().max()) for k, v in theirs.items() if v.is_floating_point()
        )
        print(f"largest difference from the installed weights: {far:g}")


def write(
    path: Path, config: RunConfig, trainer: Trainer, made: PreparedData, by: scale.Moments
) -> None:
    """Write the run folder of the model: it takes signals, of which it makes what it was trained on."""
    options: SleepConfig = config.app_config
    config = replace(config, app_config=replace(options, cache="default"))
    choice = ChannelChoice(names=(CHANNEL,), eeg=(CHANNEL,), reason="")
    pipeline = replace(Pipeline.of(options, choice, RATE), centre=by[0], spread=by[1])
    assert pipeline.feature_names == made_names(made)
    _, hertz = TASK.rhythm
    facts = ModelFacts(
        n_features=len(pipeline.feature_names),
        n_classes=2,
        eval_policy="carry",
        decisions={
            p: {"threshold": 0.5, "threshold_chosen": 0.0, "weight_odds": shift_of(trainer.task)}
            for p in ("carry", "reset")
        },
        task={
            "app": "sleep",
            "knows": KNOWS,
            "dataset": made.recordings[0].dataset,
            "simulated": False,
            "protocol": made.protocol.facts(),
            "pipeline": pipeline.facts(),
            "feature_names": list(pipeline.feature_names),
            "channels": [CHANNEL],
            "rate": RATE,
            "delay_seconds": pipeline.delay(RATE, hertz),
            "onset_delay_seconds": pipeline.onset_delay(RATE, hertz),
            "blind_seconds": pipeline.blind(RATE),
            "split": "none",
            "recordings": list(made.quality),
            "subjects": {
                "train": sorted({s.subject for s in made.sequences}),
                "valid": [],
                "test": [],
            },
            "config": to_mapping(config.app_config),
        },
        notes=(f"what the model knows: {KNOWS}",),
    )
    folder = RunFolder.create(path, config, default_registry(), "cpu")
    save_model(folder, trainer.network, facts)
    environment = {"format": 1, "memcell": config.sections()["memcell"]}
    folder.write_json(folder.environment.name, environment)
    folder.metrics.unlink()
    texts = Path(__file__).with_name("wake_sleep_card.toml")
    if texts.is_file():
        card = card_of(texts, checksum(folder.model))
        write_atomic(path / CARD, tomli_w.dumps(card))
    print(f"{path}: SHA-256 of the file of weights and facts {checksum(folder.model)}")


def made_names(made: PreparedData) -> tuple[str, ...]:
    """Return the names of the features that the network was trained on."""
    recording = made.recordings[0]
    assert recording.features is not None
    return tuple(recording.features().names)


def card_of(texts: Path, digest: str) -> dict[str, Any]:
    """Return the card: its texts and scores, and the checksum of the weights."""
    import tomllib

    found = tomllib.loads(texts.read_text(encoding="utf-8"))
    scores = found.pop("scores", [])
    return card_as_toml({**found, "sha256": digest}, scores)


if __name__ == "__main__":
    main()
