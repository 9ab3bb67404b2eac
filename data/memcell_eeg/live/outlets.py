"""LSL outlets for what a stream finds: a marker for each alarm, and the number of each step.

- ``NAME-markers``: type ``Markers``, one string channel, irregular rate: ``alarm_on``, ``alarm_off``, and
  ``heartbeat`` or ``heartbeat_no_signal`` where a heartbeat is asked for;
- ``NAME-probability``: one float32 channel at the rate of the steps.

Each carries the LSL time of the sample it is about: an alarm's onset, its end, a step's first sample. A
receiver on any machine converts it to its own clock as it does those of the signal.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection
from importlib.util import find_spec
from typing import Any

import numpy as np

from memcell.errors import MemcellError, UsageError
from memcell.version import __version__

MARKERS, STEPS = "markers", "steps"
ON, OFF, ALIVE, ALIVE_NO_SIGNAL = "alarm_on", "alarm_off", "heartbeat", "heartbeat_no_signal"
#: Duration of the search for another stream of an outlet's name, s.
_LOOK = 0.5
#: What a receiver is given to fetch the last marker, s.
_FLUSH = 0.25


def check_lsl(option: str) -> None:
    """Refuse an option that needs mne-lsl where it is not installed.

    Raises:
        MemcellError: It is not.
    """
    if find_spec("mne_lsl") is None:
        raise MemcellError(f"--{option} needs mne-lsl: pip install 'memcell-rnn[live]'")


def lsl_clock() -> Callable[[], float]:
    """Return LSL's clock on this machine."""
    from mne_lsl.lsl import local_clock

    clock: Callable[[], float] = local_clock
    return clock


class Outlets:
    """The outlets of one stream.

    Args:
        wanted: `MARKERS`, `STEPS` or both.
        name: What their names begin with.
        number: What a step has: ``probability``.
        event: What is detected.
        step: Length of a step, s.
        source: Description of the signal.
        model_id: Of the model.

    Raises:
        UsageError: There is another stream of such a name.
    """

    def __init__(
        self,
        wanted: Collection[str],
        name: str,
        number: str,
        event: str,
        step: float,
        source: str,
        model_id: str = "",
    ) -> None:
        from mne_lsl.lsl import StreamInfo, StreamOutlet

        names = {MARKERS: f"{name}-markers", STEPS: f"{name}-{number}"}
        self.names = {kind: names[kind] for kind in (MARKERS, STEPS) if kind in wanted}
        for each in self.names.values():
            _check_free(each)
        self._markers: Any = None
        self._steps: Any = None
        self.sent = 0  # markers
        about = {
            "manufacturer": "memcell", "version": __version__, "event": event, "source": source,
            "model_id": model_id, "step_seconds": f"{step:g}",
        }  # fmt: skip
        if MARKERS in self.names:
            own = self.names[MARKERS]
            info = StreamInfo(own, "Markers", 1, 0, "string", _source_id(own))
            info.set_channel_names(["alarm"])
            _describe(info, {**about, "values": f"{ON} {OFF} {ALIVE} {ALIVE_NO_SIGNAL}"})
            self._markers = StreamOutlet(info)
        if STEPS in self.names:
            own = self.names[STEPS]
            info = StreamInfo(own, number.capitalize(), 1, 1 / step, "float32", _source_id(own))
            info.set_channel_names([event if number == "probability" else number])
            info.set_channel_types(["misc"])
            info.set_channel_units([number])
            _describe(info, {**about, "stamps": "start of each step"})
            self._steps = StreamOutlet(info)

    def marker(self, word: str, stamp: float | None) -> None:
        """Send a marker."""
        if self._markers is not None:
            self._markers.push_sample([word], 0.0 if stamp is None else stamp)
            self.sent += 1

    def step(self, value: float, stamp: float | None) -> None:
        """Send the number of a step."""
        if self._steps is not None:
            sample = np.array([value], dtype=np.float32)
            self._steps.push_sample(sample, 0.0 if stamp is None else stamp)

    def close(self) -> None:
        """Let receivers fetch what is on its way, and end the outlets.

        Receivers see the end when the process ends. Where it goes on, liblsl may keep the connections;
        then a receiver looks for a new outlet of this name only after half a minute without a sample.
        """
        outlets = [o for o in (self._markers, self._steps) if o is not None]
        if any(o.has_consumers for o in outlets):
            time.sleep(_FLUSH)
        self._markers = self._steps = None


def _check_free(name: str) -> None:
    """Refuse a name that another stream has.

    Raises:
        UsageError: It has; says where that one runs.
    """
    from memcell_eeg.live.lsl_source import find_streams

    if found := find_streams(name, _LOOK):
        raise UsageError(
            f"there is a stream '{name}' already, from {found[0].hostname}; receivers could not tell the two "
            "apart: type another --send-name, or end that one."
        )


def _source_id(name: str) -> str:
    """Return an id by which receivers find the outlet again after a restart."""
    return f"memcell:{socket.gethostname()}:{name}"


def _describe(info: Any, facts: dict[str, str]) -> None:
    for key, value in facts.items():
        info.desc.append_child_value(key, value)
