"""Wake and sleep: recordings in, the probability of sleep every 5 s out, with a trained model to begin with.

This module only registers the application and its models; it imports nothing heavy. The options stand in
`config`, the scoring protocols in `protocols`, the trained models in `models`; everything else is
`memcell_eeg`.
"""

from __future__ import annotations

from collections.abc import Iterable

from memcell import AppSpec, ModelSpec, hookimpl


@hookimpl
def memcell_apps() -> Iterable[AppSpec]:
    """Register ``memcell train sleep`` and the commands beside it."""
    yield AppSpec(
        name="sleep",
        factory="memcell_sleep.app:Sleep",
        config="memcell_sleep.config:SleepConfig",
        predict_config="memcell_eeg.prediction.config:PredictConfig",
        stream_config="memcell_eeg.live.options:LiveConfig",
        summary="Tell sleep from wake every 5 s, from one channel.",
        reference="Iber et al. 2007 (AASM stages)",
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
