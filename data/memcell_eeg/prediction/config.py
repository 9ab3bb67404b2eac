"""Options of ``memcell predict`` for an EEG detector, in addition to those of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from memcell.plugins.options import option, topics
from memcell_data.renaming import Renaming
from memcell_data.units import TYPED
from memcell_eeg.signal.reference_words import check_word


@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """Options for reading recordings."""

    unit: str = option(
        "",
        choices=TYPED,
        help="Unit of EDF channels whose own is blank or unknown; empty takes that of a BIDS channels.tsv, "
        "then the --data.unit that the run was trained with, or refuses them. all:mV is the "
        "unit of all channels, whatever the file says.",
        brief="Unit of channels that state none: uV, mV, ...",
        topic=topics.CHANNELS,
    )
    rename: tuple[str, ...] = option(
        (),
        help="Other names for channels, OLD=NEW, several with commas; a * on both sides stands for the same "
        "text: 'O1-M2=O1', 'POL *=*'. Empty takes the --rename that the run was trained with.",
        brief="Other names: 'O1-M2=O1', 'POL *=*'.",
        topic=topics.CHANNELS,
    )
    reference: str = option(
        "",
        help="What channels may be measured against: empty for what the model was trained with; 'model' "
        "computes that from the recording's other channels where they add up to it; M2, M1+M2, average "
        "and the like compute this reference; 'as-is' takes the electrode whatever its reference.",
        brief="model, as-is, M2, average: where it differs.",
        topic=topics.CHANNELS,
    )

    def validate(self) -> None:
        """Check the rules of renaming and the reference.

        Raises:
            UsageError: One is none.
        """
        Renaming.of(self.rename)
        check_word(self.reference)


@dataclass(frozen=True, kw_only=True)
class PredictConfig(ReadingConfig):
    """Options for reading recordings, for what counts as an event, and for additional result files."""

    threshold: float | None = option(
        None,
        low=0,
        high=1,
        help="A step is positive from this probability on; by default the threshold of the run.",
        brief="Probability of a positive step.",
        topic=topics.EVENTS,
    )
    min_duration: float | None = option(
        None,
        unit="s",
        low=0,
        help="Shorter detections are no events; by default the --min-duration of the run.",
        brief="Shorter events are none (s).",
        topic=topics.EVENTS,
    )

    export: tuple[str, ...] = option(
        (),
        choices=("edf", "edf-filled", "hypnogram"),
        help="'edf' also writes NAME_detected.edf: the channels that were used, the probability as one more, "
        "and the events as annotations, as EDF+ without personal data. 'edf-filled' writes NAME_filled.edf, "
        "with gaps filled, so that EDFbrowser and MNE show events at their times. 'hypnogram' writes "
        "NAME_hypnogram.txt: sleep and wake, a line for each 30 s.",
        brief="edf, edf-filled (for viewers), hypnogram.",
        topic=topics.RESULTS,
    )
    layout: str = option(
        "auto",
        choices=("auto", "bids", "flat"),
        help="How results lie: 'bids' as a BIDS derivatives data set, 'flat' beside each other. 'auto' is "
        "'bids', but goes on as what is in the folder, and is 'flat' where the recordings lie in it.",
        brief="bids or flat.",
        topic=topics.RESULTS,
    )
    views: str = option(
        "auto",
        choices=("auto", "all", "none"),
        help="Recordings that report.html scrolls and zooms through with their signal: 'auto' the first 30. "
        "A view takes 3 MB at most, in views/, and holds EEG: share it as you would share the recording.",
        brief="What the report scrolls through: auto, all, none.",
        topic=topics.RESULTS,
    )
