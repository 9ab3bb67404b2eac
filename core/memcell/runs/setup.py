"""What a run is set up with: its app, its device, its control run's config, and its trainer."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from memcell.applications.app import App, Continuing, Task
from memcell.backends.first_window import FirstWindow
from memcell.errors import UsageError
from memcell.files.reading import refusing
from memcell.interrupt import Interrupted, Interrupts
from memcell.plugins import Registry
from memcell.probes.scheduler import observe
from memcell.runs.compatibility import misfits
from memcell.runs.run_folder import RunFolder
from memcell.runs.source import facts_of
from memcell.runs.tuning.record import Tuned
from memcell.settings.run_config import Choice, RunConfig
from memcell.training.foreign import foreign_parts, origin_of
from memcell.training.length import Length
from memcell.training.parts import build_parts
from memcell.training.processes import ALONE, Processes
from memcell.training.state import check_checkpoint
from memcell.training.trainer import Trainer

Say = Callable[[str], None]


@contextmanager
def resumable(app: str, path: Path) -> Iterator[None]:
    """Let an interruption of a run say the command that goes on with it.

    Args:
        app: Name of its app.
        path: The run folder.
    """
    try:
        yield
    except Interrupted as stop:
        raise Interrupted(f"{stop}. Go on with: memcell train {app} --resume {path}") from None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """One network to train, and what it takes.

    Args:
        config: What to do.
        registry: What is installed.
        app: The app.
        task: Its data.
        path: The run folder.
        device: Where to train.
        interrupts: Asked after each update.
        say: Receives lines for the person.
        resume: Go on with the run in ``path`` where there is one.
        processes: Those that train together.
        tuned: What cross-validation inside the training people chose; None where there was none.
    """

    config: RunConfig
    registry: Registry
    app: App
    task: Task
    path: Path
    device: torch.device
    interrupts: Interrupts
    say: Say
    resume: bool = False
    processes: Processes = ALONE
    tuned: Tuned | None = None


def build_app(config: RunConfig, registry: Registry) -> App:
    """Build the app of a run, with its data set where it has one."""
    dataset = None
    if config.dataset is not None:
        entry = registry.get("dataset", config.dataset.name)
        dataset = entry.build(config.dataset.config)
    app: App = registry.get("app", config.app).build(config.app_config, dataset)
    if config.init is not None and isinstance(app, Continuing):
        return app.continuing(facts_of(config.init))
    return app


def device_of(config: RunConfig) -> torch.device:
    """Return the device to train on; on a GPU, cuDNN then computes as precisely as the rest of torch.

    Raises:
        UsageError: CUDA was asked for and there is none.
    """
    name, there = config.training.device, torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UsageError(
            "--device cuda was asked for and torch sees no GPU: use --device cpu or auto (in its config.toml "
            "where a run goes on)"
        )
    device = torch.device("cuda" if name != "cpu" and there else "cpu")
    _same_precision(device)
    return device


def inference_device(config: RunConfig) -> torch.device:
    """Return where a trained network runs: as in training where that can be, else on the CPU.

    A network that was trained on a GPU is used on machines without one.
    """
    device = torch.device(
        "cuda" if config.training.device != "cpu" and torch.cuda.is_available() else "cpu"
    )
    _same_precision(device)
    return device


def _same_precision(device: torch.device) -> None:
    if device.type == "cuda":
        # by default cuDNN rounds its products to TF32 and torch's others do not: a cell's numbers would
        # depend on the way it is run
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32


def inference_policy(config: RunConfig, registry: Registry) -> str:
    """Return the inference policy of a run: the one asked for, or what training is used to."""
    if config.training.eval_policy != "auto":
        return config.training.eval_policy
    return own_inference(config, registry)


def own_inference(config: RunConfig, registry: Registry) -> str:
    """Return the inference policy that a run's training policy is used to."""
    choice = config.choices["policy"]
    can = registry.get("policy", choice.name).capabilities(choice.config)
    return "carry" if can["needs_streams"] or can["uses_context"] else "reset"


def control_of(config: RunConfig, registry: Registry, say: Say) -> RunConfig | None:
    """Return the config of the control run: the same but for its policy, or None where there is none."""
    policy_name = config.training.control
    if policy_name == "none":
        return None
    if config.choices["policy"].name == policy_name == "reset":
        policy_name = "carry"
    if config.choices["policy"].name == policy_name:
        raise UsageError(
            f"--control {policy_name} is the run's own policy: name another, or --control none"
        )
    policy = Choice(name=policy_name, config=registry.get("policy", policy_name).config({}))
    control = dataclasses.replace(config, choices={**config.choices, "policy": policy})
    unfit = misfits(control, registry)
    if unfit:
        say(f"no control run: {unfit[0]} Or name another with --control.")
        return None
    return control


def spread(config: RunConfig, registry: Registry, say: Say) -> RunConfig:
    """Return the config as several processes can run it.

    Statistics over a batch are taken over the lanes of all processes at every step, which only the eager loop
    can do.
    """
    choice = config.choices["normalizer"]
    if not registry.get("normalizer", choice.name).capabilities(choice.config)["reduces_batch"]:
        return config
    say("time loop eager: batch statistics are shared with the other processes at every step")
    return dataclasses.replace(
        config, training=dataclasses.replace(config.training, backend="eager")
    )


def make_trainer(
    config: RunConfig,
    registry: Registry,
    app: App,
    task: Task,
    path: Path,
    device: torch.device,
    resume: bool,
    processes: Processes = ALONE,
    length: Length | None = None,
) -> Trainer:
    """Return the trainer of one run, where its folder left it.

    Args:
        config: What to do.
        registry: What is installed.
        app: The app.
        task: Its data.
        path: The run folder; made where it is not there.
        device: Where to train.
        resume: Go on with the run in ``path`` where there is one.
        processes: Those that train together; only the main one makes the folder.
        length: How long it trains, where that was chosen before.
    """
    begun = processes.any(processes.main and resume and os.path.lexists(path / "config.toml"))
    if begun:
        folder = RunFolder.open(path)
    elif processes.main:
        folder = RunFolder.create(path, config, registry, str(device))
    else:
        folder = RunFolder(path)
    resumed = begun and os.path.lexists(folder.checkpoint)
    if resumed:
        with refusing(folder.checkpoint):
            check_checkpoint(folder.checkpoint, config, registry, app, task)
    parts = build_parts(config, registry, app, task, device)
    foreign = foreign_parts(config, registry)
    trainer = Trainer(
        config.training,
        inference_policy(config, registry),
        task,
        parts,
        folder,
        processes=processes,
        first_window=FirstWindow(origin_of(foreign)) if foreign else None,
        length=length,
    )
    observe(trainer, folder, config, registry)
    if resumed:
        trainer.restore()
    elif begun and processes.main:
        folder.cut_metrics(0)
        folder.cut_probes(0)
    return trainer
