"""The microsleep detector: recordings in, a probability at every step and events out.

This module only registers the application; it imports nothing heavy. The way of the data through the
room, one idea a file:

- `channels`, `checks`, `outliers`, `resample`, `filters`: from a recording's channels to a clean signal;
- `windows`, `makers` (`bandpower`, `correlation`, `stft`, `raw`; `spectra`), `normalize`: from a signal to
  features of each step; `flow`: all of this for one stretch that comes in pieces, `pieces`: for a recording;
- `encoder` (`raw_cnn`): from the features of a step to what the cell sees;
- `intervals`, `labels`: from an expert's intervals to a target of each step;
- `pipeline`: the two together, a recording to a `memcell.sequences.Sequence`; `ready`: the same for
  recordings whose features come ready-made;
- `split`, `transitions`, `decision`, `events`, `scores`, `baselines`: what is trained and how it is judged;
- `notes`, `timeline` (`trace`): what a person looks at;
- `predict` (`sources`, `predict_model`, `predict_run`, `steps`, `finder`, `outputs`, `rows`, `export_edf`): a
  trained model over recordings;
- `live`: the same step by step on a signal that is still coming in;
- `app`: all of it behind the engine's `memcell.applications.app.App`.
"""

from __future__ import annotations

from collections.abc import Iterable

from memcell import AppSpec, hookimpl


@hookimpl
def memcell_apps() -> Iterable[AppSpec]:
    """Register ``memcell train microsleep`` and the commands beside it."""
    yield AppSpec(
        name="microsleep",
        factory="memcell_microsleep.app:Microsleep",
        config="memcell_microsleep.config:MicrosleepConfig",
        predict_config="memcell_eeg.prediction.config:PredictConfig",
        stream_config="memcell_eeg.live.options:StreamConfig",
        summary="Detect microsleeps (1-15 s of sleep-like EEG) at every step of a recording.",
        reference="Skorucak et al. 2020 (BERN criteria); Malafeev et al. 2021",
    )
