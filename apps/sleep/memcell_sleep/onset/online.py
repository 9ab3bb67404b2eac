"""One prediction for each block of signal, with a reset at each recording's start.

::

    predictor = memcell_sleep.OnsetPredictor("runs/onset", rate=128)
    for recording in recordings:
        predictor.reset_state()
        for block in blocks_of_5_s(recording):          # [channels, samples] uV
            seconds = predictor.predict(block)

The numbers are those of ``memcell predict --causal`` on the whole recording, bit for bit where the network's
layers run as generated C (`OnsetPredictor.reason` is empty), however the signal is cut into blocks.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from memcell.applications.models import run_folder_of
from memcell.errors import DataError, UsageError
from memcell.files.reading import refusing
from memcell.inference.stepping import NetworkStepper
from memcell.plugins import default_registry
from memcell.runs.model import load_model
from memcell.runs.run_folder import open_run
from memcell.threads import one_thread
from memcell_eeg.features.pipeline import Pipeline, looks_ahead
from memcell_eeg.features.precomputed import check_features_of_run, pipeline_of
from memcell_eeg.live.detector import Detector

_APP = "sleep_onset"


class OnsetPredictor:
    """Predicts the seconds to sleep onset along a signal that comes in blocks.

    Args:
        run: The run folder of ``memcell train sleep_onset``: of folds with ``--final`` that of the network of
            everybody is taken, without it name one of them.
        rate: Samples a second of the blocks, Hz; 0 for the rate that the model works at.

    Attributes:
        channels: What the rows of a block are, in order, as the model was trained.
        rate: Samples a second.
        step: Seconds of signal that make a step.
        reason: Why not all layers run as generated C; empty where they do.

    Raises:
        CheckpointError: There is no trained network of the application.
        UsageError: It was trained on features and no signal, or looks into the future.
        DataError: The signal is too slow for it.
    """

    def __init__(self, run: str | os.PathLike[str], rate: float = 0.0) -> None:
        registry = default_registry()
        path = run_folder_of(registry, str(run), _APP)
        folder, config = open_run(_APP, path, registry)
        with refusing(folder.config):
            app: Any = registry.get("app", _APP).build(config.app_config, None)
        network, facts = load_model(folder, config, registry, app)
        pipeline = pipeline_of(facts.task["pipeline"])
        check_features_of_run(pipeline, facts.task)
        if not isinstance(pipeline, Pipeline):
            raise UsageError(
                f"'{run}' was trained on features that were made elsewhere, and a block is a signal: train "
                "on recordings with a signal"
            )
        if ahead := looks_ahead(pipeline):
            raise UsageError(
                f"'{run}' was made with {ahead[0]}, which looks into the future: train one with {ahead[1]}"
            )
        self.rate = float(rate) or pipeline.rate
        pipeline = pipeline.at(self.rate, "the signal")
        self.channels, self.step = pipeline.channels, pipeline.step
        self._network = NetworkStepper(network.cpu(), facts.n_features)
        self.reason = self._network.reason
        with one_thread():
            self._detector = Detector(pipeline, self.rate, self._network)

    def reset_state(self) -> None:
        """Begin a recording: filters, windows and memory are those of its start."""
        self._network.begin()
        self._detector.begin(0.0)

    def predict(self, block: ArrayLike) -> float:
        """Take the next samples and return the seconds to onset of the last step that they complete.

        Args:
            block: ``[channels, samples]`` uV, of any number of samples.

        Returns:
            Seconds from the step's end; NaN where the block completes no step.

        Raises:
            DataError: It has another shape, or a number that is none.
        """
        found = self.predict_all(block)
        return found[-1] if found else math.nan

    def predict_all(self, block: ArrayLike) -> list[float]:
        """Take the next samples and return the seconds of every step that they complete.

        Args:
            block: As in `predict`.
        """
        values = np.asarray(block, dtype=np.float64)
        if values.ndim == 1 and len(self.channels) == 1:
            values = values[None]
        if values.ndim != 2 or len(values) != len(self.channels):
            raise DataError(
                f"a block of shape {list(values.shape)}; expected [{len(self.channels)}, samples], the "
                f"channels {', '.join(self.channels)} in this order, in uV"
            )
        if not np.isfinite(values).all():
            raise DataError(
                "a block has samples that are no numbers: call reset_state() after a gap"
            )
        if values.shape[1] == 0:
            return []
        with one_thread():
            return [step.probability for step in self._detector.push(values)]
