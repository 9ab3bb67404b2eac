"""What prediction asks of an app: which recordings there are, one of them done, and what is said of all.

The engine brings the trained network (`Infer`) and the processes; what a recording is and what is written
about it is the app's. Each recording is done by itself, wherever there is a free process, so an app keeps
nothing from one to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from memcell.old_paths import renamed_in
from memcell.sequences.time_series import TimeSeries

#: What a network says, ``[n_steps, n_outputs]`` float32: class probabilities, values, or probabilities of
#: labels (`memcell.sequences.targets`).
Probabilities = NDArray[np.float32]
#: What is said of one recording: ``recording``, ``status`` (``"done"``, ``"done before"`` or ``"failed"``),
#: ``reason`` of a failure, ``note`` for what the person should be told, and what else the app counts. Plain
#: values: it travels between processes.
Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class PredictionRequest:
    """What a prediction is asked for; the same wherever a recording of it is done.

    Args:
        facts: What `Task.facts` of the run said, and ``model_id``, which tells one trained model and
            inference policy from another.
        decision: What `App.fit_decision` chose for the inference policy.
        out: Folder for the results, absolute.
        causal: Nothing may depend on what comes after it.
        options: Of the app's ``predict_config``, None where it has none.
    """

    facts: Mapping[str, Any]
    decision: Mapping[str, float]
    out: Path
    causal: bool = False
    options: Any = None


class FoundRecording(Protocol):
    """A recording that was found: small, and can be pickled."""

    @property
    def name(self) -> str:
        """What its results are called; another one for each recording."""


class NetworkStream(Protocol):
    """The network along one recording, memory carried from call to call."""

    def push(
        self, features: NDArray[np.float32], starts: NDArray[np.bool_] | None = None
    ) -> Probabilities:
        """Go on by some steps.

        Args:
            features: ``[k, F]``.
            starts: ``[k]``: steps before which the recording was interrupted. Its first step needs no mark.

        Returns:
            ``[m, n_classes]`` of the next m steps; m may be less than k: the rest comes later.
        """

    def end(self) -> Probabilities:
        """Return the probabilities of the steps that are still owed."""


class Infer(Protocol):
    """Runs the trained network; each sequence and each stream by itself, from a fresh memory."""

    def __call__(self, sequence: TimeSeries) -> Probabilities:
        """Return class probabilities ``[n_steps, n_classes]`` under the run's inference policy."""

    def begin(self) -> NetworkStream:
        """Return a stream for one recording; it gives the bits of a call with the whole."""


class Predictor(Protocol):
    """An app with one trained model and one folder for results.

    Attributes:
        imports: Modules that `one` imports when it is called; worker processes begin with them.
    """

    imports: tuple[str, ...]

    def find(self, paths: Sequence[str]) -> Sequence[FoundRecording]:
        """Return the recordings that files, folders and globs stand for, in order.

        Raises:
            DataError: A path does not exist or holds no recording, or the folder cannot take the results.
        """

    def one(self, item: Any, infer: Infer) -> Record:
        """Do one recording, or see that it is done already.

        Called in any process, with an item that `find` returned, perhaps elsewhere. What is wrong with the
        recording is said in the record (``"failed"``), so that the others go on.

        Raises:
            DiskError: The results cannot be written, and those of no other recording could.
            Interrupted: The person asked to stop.
        """

    def finish(self, records: Sequence[Record]) -> None:
        """Write what is said of all recordings, in the order of `find`."""


@runtime_checkable
class Remarking(Predictor, Protocol):
    """A predictor that has something to say of a call as a whole; it is optional.

    Attributes:
        remarks: Sentences for the person, once `find` or a first look was asked for.
    """

    remarks: tuple[str, ...]


@runtime_checkable
class Watching(Predictor, Protocol):
    """A predictor of recordings that come into a folder while it looks; it is optional."""

    def check_folder(self) -> None:
        """Refuse a folder for results that cannot take them.

        Raises:
            DataError: Says what to type.
        """

    def look(self, paths: Sequence[str]) -> Sequence[tuple[FoundRecording, object]]:
        """Return the recordings that are there now, each with a mark that changes when its files do.

        A folder without one is empty, and a recording keeps its name from one look to the next, and from one
        process to the next for results of the same folder.
        """


@dataclass(frozen=True, kw_only=True)
class Incomplete:
    """A recording of which not all is there, as its own files say.

    Args:
        what: What is missing, in words.
        rested: Seconds since its files changed.
    """

    what: str
    rested: float


@runtime_checkable
class Awaiting(Watching, Protocol):
    """A predictor that can tell a recording which is not all there from one that is; it is optional."""

    def incomplete(self, item: Any) -> Incomplete | None:
        """Return what of a recording is not there; None where it is complete, or nobody knows."""


if not TYPE_CHECKING:
    __getattr__ = renamed_in(__name__)  # names of version 0.1
