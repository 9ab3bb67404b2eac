"""The options that ``memcell predict microsleep`` has beside the engine's."""

from __future__ import annotations

from dataclasses import dataclass

from memcell.config import option


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """What else is written of each recording."""

    export: tuple[str, ...] = option(
        (),
        choices=("edf",),
        help="'edf' also writes NAME_detected.edf: the channels that were used, the probability as one more, "
        "and the events as annotations, as EDF+ without personal data.",
    )
