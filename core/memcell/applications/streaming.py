"""What a live stream asks of an app: the engine brings the trained network, the app everything else.

Where samples come from, how features are made of them, when memory restarts and what is said of the
probabilities is the app's; the engine knows no device. An app that can do it has a method ``stream`` and
names its options in ``AppSpec.stream_config``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from memcell.old_paths import renamed_in


class LiveNetwork(Protocol):
    """A trained network one step at a time (`memcell.inference.stepping.NetworkStepper`)."""

    #: Why a step's bits may differ from those of a prediction; empty where they do not.
    reason: str

    def begin(self) -> None:
        """Forget: the next step is the first of a recording."""

    def restart(self) -> None:
        """Forget: the next step is the first after a gap."""

    def step(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the features ``[F]`` of a step and return class probabilities ``[C]``."""


@dataclass(frozen=True, kw_only=True)
class StreamRequest:
    """What a live stream is asked for.

    Args:
        facts: What `Task.facts` of the run said, and ``model_id``.
        decision: What `App.fit_decision` chose where memory is carried.
        network: The network.
        options: Of the app's ``stream_config``.
        out: Folder for results; None where nothing is kept.
        stop: Whether the person asked to stop (Ctrl-C); asked often, at least twice a second.
        say: Receives lines for the person.
        output: Where the app writes what it finds, one line each; None for the standard output. What
            libraries print does not go there.
    """

    facts: Mapping[str, Any]
    decision: Mapping[str, float]
    network: LiveNetwork
    options: Any
    out: Path | None
    stop: Callable[[], bool]
    say: Callable[[str], object]
    output: IO[str] | None = None


@runtime_checkable
class Streaming(Protocol):
    """An app that can run live; it is optional."""

    def stream(self, request: StreamRequest) -> int:
        """Run until the source ends or the person stops, and return an exit code.

        Raises:
            UsageError: The run looks into the future, or the options contradict each other.
            DataError: The source cannot be used; says what is wrong with it.
        """


if not TYPE_CHECKING:
    __getattr__ = renamed_in(__name__)  # names of version 0.1
