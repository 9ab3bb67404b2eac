"""What tells one EEG detector from another: its names, its options and its protocols, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from memcell_eeg.config import EegConfig
from memcell_eeg.targets.protocols import Protocols


@dataclass(frozen=True, kw_only=True)
class EegTask:
    """The description of a detector; `memcell_eeg.app.EegApp` is an application made of it.

    Args:
        name: Of the application: the word after ``memcell train``.
        event: What is detected, in one or two words: the ``trial_type`` of a detected event, and the label of
            an annotation.
        background: The other class.
        config: Its options.
        protocols: Which labels count as which class, where it has scoring protocols of its own.
        knows: What every output says of its models: what they tell apart, and what they do not know; empty
            where the names say it.
        rhythm: The wave that begins with an event, and its frequency in Hz: what delays are given for.
    """

    name: str
    event: str
    background: str = "background"
    config: type[EegConfig] = EegConfig
    protocols: Protocols = field(default_factory=Protocols)
    knows: str = ""
    rhythm: tuple[str, float] = ("theta", 6.0)
