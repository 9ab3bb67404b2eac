"""The microsleep application: `memcell_eeg.app.EegApp` with a microsleep's names, options and protocols."""

from __future__ import annotations

from typing import ClassVar

from memcell_eeg.app import EegApp
from memcell_eeg.task import EegTask
from memcell_microsleep.config import MicrosleepConfig
from memcell_microsleep.protocols import PROTOCOLS

MICROSLEEP = EegTask(
    name="microsleep",
    event="microsleep",
    background="wake",
    config=MicrosleepConfig,
    protocols=PROTOCOLS,
)


class Microsleep(EegApp):
    """Detects microsleeps at every step of a recording."""

    detects: ClassVar[EegTask] = MICROSLEEP
