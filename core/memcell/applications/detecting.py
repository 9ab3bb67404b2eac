"""What a detector in Python asks of an app: the engine brings the trained network, the app everything else.

An app that can be used from a notebook has a method ``detector``; `memcell.load` calls it. What a recording
is, what is found in it and how that is shown is the app's, as in `memcell.applications.prediction`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from memcell.applications.prediction import Infer, PredictionRequest
from memcell.applications.streaming import LiveNetwork


@dataclass(frozen=True, kw_only=True)
class DetectorRequest:
    """A trained network, for as long as a program wants to use it.

    Args:
        name: What the person called it: a run folder, or a model's name.
        prediction: As ``memcell predict`` would ask for it, but for the folder, which is to be replaced.
        infer: Runs the network over a whole recording.
        network: Makes what runs it one step at a time; each its own.
        carried: What `App.fit_decision` chose where memory is carried.
        finish: Writes what the engine leaves beside an app's results in a folder; can be pickled.
        again: Loads the same detector, in another process too; can be pickled.
    """

    name: str
    prediction: PredictionRequest
    infer: Infer
    network: Callable[[], LiveNetwork]
    carried: Mapping[str, float]
    finish: Callable[[Path], None]
    again: Callable[[], Any]


@runtime_checkable
class Detecting(Protocol):
    """An app that can be used from Python; it is optional."""

    def detector(self, request: DetectorRequest) -> Any:
        """Return the app's own object: its ``predict`` takes a recording.

        Raises:
            UsageError: The facts are not of a run of the app, or ``causal`` is asked for and cannot be.
        """
