"""Wake and sleep: recordings in, the probability of sleep every 5 s out, with a trained model to begin with.

This module only registers the applications and their models; it imports nothing heavy. The options of
``sleep`` stand in `config`, the scoring protocols in `protocols`, the trained models in `models`; everything
else is `memcell_eeg`. ``sleep_onset`` predicts the seconds to the next sleep onset (`onset`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from memcell import AppSpec, ModelSpec, hookimpl
from memcell_eeg import LATE_IMPORTS

if TYPE_CHECKING:
    from memcell_sleep.onset.online import OnsetPredictor as OnsetPredictor
else:

    def __getattr__(name: str) -> object:
        if name != "OnsetPredictor":
            raise AttributeError(f"module 'memcell_sleep' has no attribute {name!r}")
        from memcell_sleep.onset.online import OnsetPredictor

        return OnsetPredictor


@hookimpl
def memcell_apps() -> Iterable[AppSpec]:
    """Register ``memcell train sleep`` and the commands beside it."""
    yield AppSpec(
        name="sleep",
        factory="memcell_sleep.app:Sleep",
        config="memcell_sleep.config:SleepConfig",
        predict_config="memcell_eeg.prediction.config:PredictConfig",
        stream_config="memcell_eeg.live.options:LiveConfig",
        late_imports=LATE_IMPORTS,
        summary="Tell sleep from wake every 5 s, from one channel.",
        reference="Iber et al. 2007 (AASM stages)",
    )
    yield AppSpec(
        name="sleep_onset",
        factory="memcell_sleep.onset.app:SleepOnset",
        config="memcell_sleep.onset.config:OnsetConfig",
        predict_config="memcell_eeg.prediction.config:ReadingConfig",
        stream_config="memcell_eeg.live.options:SourceConfig",
        summary="Predict the seconds to sleep onset every 5 s.",
        reference="EEG foundation challenge 2026, track 3 (sleep onset)",
    )


@hookimpl
def memcell_models() -> Iterable[ModelSpec]:
    """Register the trained models that come with the package."""
    yield ModelSpec(
        name="wake_sleep",
        factory="memcell_sleep.models:folder",
        app="sleep",
        summary="Wake and sleep from any central, parietal or occipital channel; not microsleeps.",
    )
