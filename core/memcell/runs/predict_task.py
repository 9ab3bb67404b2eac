"""One recording of a prediction, wherever it is done: the model is found and loaded there, once a process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from memcell.applications.app import predictor_of
from memcell.applications.models import checksum
from memcell.applications.prediction import FoundRecording, PredictionRequest, Predictor, Record
from memcell.backends.precision import stays_float32
from memcell.errors import CheckpointError, UsageError
from memcell.files.reading import refusing
from memcell.inference.inference import InferenceStream, probabilities
from memcell.inference.overflow import refuse_overflow
from memcell.inference.stepping import check_looks_back
from memcell.interrupt import Interrupted
from memcell.jobs import Working
from memcell.network.network import Network
from memcell.plugins import default_registry
from memcell.plugins.options import from_mapping
from memcell.plugins.specs import AppSpec
from memcell.runs.model import ModelFacts, load_model
from memcell.runs.run_folder import open_run
from memcell.runs.setup import inference_device
from memcell.sequences import TimeSeries
from memcell.threads import one_thread


@dataclass(frozen=True, kw_only=True)
class PredictionOptions:
    """What all recordings of a prediction share; small, and the same in every process.

    Args:
        app: Name of the app.
        run: The run folder, absolute.
        digest: Of its model file, as `model_id` gives it.
        out: Folder for the results, absolute.
        policy: Inference policy, ``"carry"`` or ``"reset"``; ``"auto"`` for the run's own.
        causal: As in `memcell.applications.prediction.PredictionRequest`.
        options: Of the app's ``predict_config``, as JSON.
        mixed_precision: The recurrent layers in bfloat16, where that is faster.
        mark: A file that the one who asked has put into ``out``; empty where there is none.
    """

    app: str
    run: str
    digest: str
    out: str
    policy: str = "auto"
    causal: bool = False
    options: str = "{}"
    mixed_precision: bool = False
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class PredictTask:
    """One recording to do."""

    request: PredictionOptions
    item: FoundRecording

    @property
    def id(self) -> str:
        """The recording's name."""
        return self.item.name


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model in this process.

    Args:
        network: In inference mode.
        facts: What belongs to it.
        policy: The inference policy.
        time_steps: Of the run.
        predictor: The app's.
        mixed: The recurrent layers in bfloat16.
    """

    network: Network
    facts: ModelFacts
    policy: str
    time_steps: int
    predictor: Predictor
    mixed: bool = False

    def infer(self, stop: Callable[[], bool] = bool) -> Inference:
        """Return what runs the network; ``stop`` says whether the person asked to."""
        return Inference(self, stop)


def do_recording(task: PredictTask, working: Working) -> Record:
    """Do one recording.

    Raises:
        UsageError: This process does not see the results' folder.
        CheckpointError: Or another model than the one that was asked for.
        DiskError: The results cannot be written.
        Interrupted: The person asked to stop.
    """
    request = task.request
    if request.mark and not (Path(request.out) / request.mark).is_file():
        raise UsageError(
            f"a worker does not see '{request.out}' as it is here: with --scheduler, recordings, model and "
            "--out have to be on a disk that all workers share, under the same paths"
        )
    opened = opened_model(request)
    with one_thread():
        return opened.predictor.one(task.item, opened.infer(lambda: working.stop.requested))


@lru_cache(maxsize=1)
def opened_model(options: PredictionOptions) -> LoadedModel:
    """Load a model and build its app; kept until another one is asked for.

    Raises:
        CheckpointError: There is no such model, or another one than was asked for.
        UsageError: The run is of another app, or cannot be used as asked.
    """
    registry = default_registry()
    folder, config = open_run(options.app, Path(options.run), registry)
    device = inference_device(config)
    torch.set_num_threads(config.training.threads)
    entry = registry.get("app", options.app)
    with refusing(folder.config):
        built: Any = entry.build(config.app_config, None)
    network, facts = load_model(folder, config, registry, built)
    if options.causal:
        check_looks_back(network, "used causally, as a stream would")
    if model_id(folder.model) != options.digest:
        raise CheckpointError(f"'{folder.model}' is not the model that was asked for: it changed")
    policy = facts.eval_policy if options.policy == "auto" else options.policy
    mixed = options.mixed_precision and stays_float32(device) is None
    rounded = "-bfloat16" if mixed else ""
    request = PredictionRequest(
        facts={**facts.task, "model_id": f"{options.digest}-{policy}{rounded}"},
        decision=facts.decisions[policy],
        out=Path(options.out),
        causal=options.causal,
        options=options_of(options),
    )
    with refusing(folder.model):
        predictor = predictor_of(built, options.app, request)
    return LoadedModel(
        network=network.to(device).eval(),
        facts=facts,
        policy=policy,
        time_steps=config.training.time_steps,
        predictor=predictor,
        mixed=mixed,
    )


def options_of(request: PredictionOptions) -> Any:
    """Return the app's own options of a prediction, checked; None where it has none."""
    entry = default_registry().get("app", request.app)
    assert isinstance(entry.spec, AppSpec)
    config = entry.predict_config_type()
    if config is None:
        return None
    return from_mapping(config, json.loads(request.options), "predict")


def model_id(path: Path) -> str:
    """Return a short digest of a model file, by which results say what made them."""
    return checksum(path)[:16]


class Inference:
    """The network of an opened model; it stops between two pieces where the person asked to."""

    def __init__(self, opened: LoadedModel, stop: Callable[[], bool]) -> None:
        self._opened, self._stop = opened, stop

    def __call__(self, sequence: TimeSeries) -> NDArray[np.float32]:
        """Return class probabilities ``[n_steps, n_classes]`` under the run's inference policy."""
        it = self._opened
        (found,) = probabilities(it.network, [sequence], it.policy, it.time_steps, it.mixed)
        refuse_overflow(found, 0, it.policy)
        return found

    def begin(self) -> _Stoppable:
        """Return a stream for one recording."""
        it = self._opened
        stream = InferenceStream(it.network, it.policy, it.time_steps, it.mixed)
        return _Stoppable(stream, self._stop, it.policy)


class _Stoppable:
    def __init__(self, stream: InferenceStream, stop: Callable[[], bool], policy: str) -> None:
        self._stream, self._stop, self._policy = stream, stop, policy
        self._done = 0

    def push(
        self, features: NDArray[np.float32], starts: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        if self._stop():
            raise Interrupted("stopped within a recording, which is not kept")
        return self._checked(self._stream.push(features, starts))

    def end(self) -> NDArray[np.float32]:
        return self._checked(self._stream.end())

    def _checked(self, found: NDArray[np.float32]) -> NDArray[np.float32]:
        refuse_overflow(found, self._done, self._policy)
        self._done += len(found)
        return found
