"""Options of ``memcell predict`` for an EEG detector, in addition to those of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from memcell.plugins.options import option
from memcell_data.renaming import Renaming
from memcell_data.units import TYPED


@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """Options for reading recordings."""

    unit: str = option(
        "",
        choices=TYPED,
        help="Unit of EDF channels whose own is blank or unknown; empty takes that of a BIDS channels.tsv, "
        "then the --data.unit that the run was trained with, or refuses them. all:mV is the "
        "unit of all channels, whatever the file says.",
    )
    rename: tuple[str, ...] = option(
        (),
        help="Other names for channels, OLD=NEW, several with commas; a * on both sides stands for the same "
        "text: 'O1-M2=O1', 'POL *=*'. Empty takes the --rename that the run was trained with.",
    )

    def validate(self) -> None:
        """Check the rules of renaming.

        Raises:
            UsageError: One is none.
        """
        Renaming.of(self.rename)


@dataclass(frozen=True, kw_only=True)
class PredictConfig(ReadingConfig):
    """Options for reading recordings and for additional result files."""

    export: tuple[str, ...] = option(
        (),
        choices=("edf",),
        help="'edf' also writes NAME_detected.edf: the channels that were used, the probability as one more, "
        "and the events as annotations, as EDF+ without personal data.",
    )
