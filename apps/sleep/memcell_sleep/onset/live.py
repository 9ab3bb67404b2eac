"""The live stream of sleep onset: a line a step, with the predicted seconds to the next onset; no alarms.

``NAME_seconds.tsv`` is that of ``memcell predict sleep_onset --causal`` on the same recording.
"""

from __future__ import annotations

from memcell_eeg.live.events import StepForm
from memcell_sleep.onset.prediction import HEADER, seconds_row


def _row(start: float, value: float, state: bool) -> str:
    return seconds_row(max(0.0, start), value)


SECONDS = StepForm(name="seconds", header=HEADER, row=_row)
