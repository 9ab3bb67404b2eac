"""The microsleep detector: recordings in, a probability at every step and events out.

This module only registers the application; it imports nothing heavy. Its options stand in `config`, its
scoring protocols in `protocols` and its description in `app`; everything else is `memcell_eeg`.
"""

from __future__ import annotations

from collections.abc import Iterable

from memcell import AppSpec, hookimpl
from memcell_eeg import LATE_IMPORTS


@hookimpl
def memcell_apps() -> Iterable[AppSpec]:
    """Register ``memcell train microsleep`` and the commands beside it."""
    yield AppSpec(
        name="microsleep",
        factory="memcell_microsleep.app:Microsleep",
        config="memcell_microsleep.config:MicrosleepConfig",
        predict_config="memcell_eeg.prediction.config:PredictConfig",
        stream_config="memcell_eeg.live.options:LiveConfig",
        late_imports=LATE_IMPORTS,
        summary="Detect microsleeps (1-15 s of sleep-like EEG) at every step of a recording.",
        reference="Skorucak et al. 2020 (BERN criteria); Malafeev et al. 2021",
    )
