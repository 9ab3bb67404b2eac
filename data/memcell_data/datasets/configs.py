"""The options of the data sets; command line, TOML file and reference docs are made from them.

Nothing heavy is imported here, so that the help of a data set costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from memcell.errors import ConfigError
from memcell.plugins.options import option
from memcell_data.units import TYPED

_STAGES = ("W", "N1", "N2", "N3", "REM")


@dataclass(frozen=True, kw_only=True)
class SimulatedConfig:
    """Options of ``--data simulated``."""

    #: What a comparison draws the data by, anew for each seed.
    DATA_SEED: ClassVar[str] = "seed"

    subjects: int = option(
        6, help="Number of simulated subjects, one recording each.", low=1, high=999
    )
    minutes: float = option(
        10.0, help="Length of a recording, gaps included.", unit="min", low=1, high=1440
    )
    seed: int = option(0, help="The same seed gives the same files, byte for byte.", low=0)
    rate: int = option(128, help="Samples a second.", unit="Hz", low=64, high=1024)


@dataclass(frozen=True, kw_only=True)
class EyeStateConfig:
    """Options of ``--data eye-state``."""

    path: str = option(
        "", help="A local eeg-eye-state .csv or .arff, or its folder; empty fetches it from OpenML."
    )


@dataclass(frozen=True, kw_only=True)
class EyesConfig:
    """Options of ``--data eyes``."""

    path: str = option(
        "", help="A local folder of S???R??.edf files; empty fetches them from PhysioNet."
    )
    subjects: int = option(
        10,
        help="How many subjects to fetch, from S001 on; a local folder is used whole.",
        low=1,
        high=109,
    )


@dataclass(frozen=True, kw_only=True)
class SleepPowersConfig:
    """Options of ``--data sleep-edf-powers``."""

    path: str = option(
        "", help="A folder of SC4???E0.npz, each with its SC4???E?-Hypnogram.edf, or one such file."
    )
    wake_margin: float = option(
        1440.0,
        help="Wake kept before the first and after the last epoch of sleep. The default keeps the "
        "whole day (about 30 % of it sleep): a recording that begins shortly before sleep would say "
        "by its beginning what is to be found. 30 is what sleep staging often uses (82 % sleep at 30).",
        unit="min",
        low=0,
        high=1440,
    )
    powers: str = option(
        "relative",
        choices=("relative", "absolute"),
        help="relative: the log power of each band less the mean over the bands, and the log mobility, "
        "which no gain of an amplifier changes. absolute: log powers, log variance and log mobility.",
    )
    relative: bool = option(
        False,
        help="Only what --features sleep_powers makes of a signal: the log powers from delta to beta of "
        "Pz-Oz, less their mean.",
    )
    step: float = option(
        30.0,
        help="With --data.relative: steps of this length, a whole part of 30, each with the powers of the "
        "30 s before its end.",
        unit="s",
        low=1,
        high=30,
    )

    def validate(self) -> None:
        """Check the length of a step.

        Raises:
            ConfigError: It is no whole part of an epoch, or goes with powers that are no means.
        """
        if self.step != 30 and not self.relative:
            raise ConfigError(
                f"'step' got {self.step:g} s, which takes relative powers; type --data.relative, or leave "
                "it out."
            )
        if 30 % self.step:
            raise ConfigError(
                f"'step' got {self.step:g} s, of which no whole number makes an epoch of 30 s; type 5, say."
            )


@dataclass(frozen=True, kw_only=True)
class SleepEdfConfig:
    """Options of ``--data sleep-edf``."""

    path: str = option(
        "",
        help="A folder of SC4???E0-PSG.edf, each with its SC4???E?-Hypnogram.edf, or one such file; empty "
        "fetches them from PhysioNet.",
    )
    subjects: int = option(
        10,
        help="How many people to fetch, from SC400 on; a local folder is used whole.",
        low=1,
        high=78,
    )
    positive: tuple[str, ...] = option(
        ("N1", "N2", "N3", "REM"), choices=_STAGES, help="Stages to detect."
    )
    negative: tuple[str, ...] = option(
        ("W",), choices=_STAGES, help="Stages that are its absence; the others have no label."
    )
    wake_margin: float = option(
        1440.0,
        help="Wake that counts before the first and after the last sleep; what lies further away has no "
        "label. The default counts the whole day.",
        unit="min",
        low=0,
        high=1440,
    )


@dataclass(frozen=True, kw_only=True)
class MwtConfig:
    """Options of ``--data mwt``."""

    path: str = option(
        "", help="A local folder of the .mat files, or one of them; empty fetches them from Zenodo."
    )
    published_split: str = option(
        "malafeev",
        choices=("malafeev", "skorucak"),
        help="Which published split the recordings are marked with: 53/12/11 (from the folder's "
        "file_sets.mat where it is there) or 53/23.",
    )


@dataclass(frozen=True, kw_only=True)
class BidsConfig:
    """Options of ``--data bids``."""

    path: str = option("", help="A folder with dataset_description.json.")
    tasks: tuple[str, ...] = option((), help="Only recordings of these tasks; empty for all.")
    sessions: tuple[str, ...] = option(
        (),
        help="Only these sessions; empty for all.",
        advanced=True,
    )
    runs: tuple[str, ...] = option(
        (),
        help="Only these runs; empty for all.",
        advanced=True,
    )
    acquisitions: tuple[str, ...] = option(
        (),
        help="Only these acquisitions; empty for all.",
        advanced=True,
    )
    positive: tuple[str, ...] = option(
        (), help="Labels of the class to detect; empty means 'microsleep' where that label occurs."
    )
    negative: tuple[str, ...] = option(
        (),
        help="Labels of its absence; empty means every other word that is known to be a score (wake, sleep "
        "stages, drowsy, ...), '*' every other label but those that say that nobody scored. A label in "
        "neither has no class.",
    )
    background: str = option(
        "wake", help="The label of all time that no label covers; empty leaves it unlabelled."
    )
    mark_duration: float = option(
        0.0,
        unit="s",
        low=0,
        help="How long a mark of the positive class lasts that has no duration of its own; 0 refuses them.",
    )
    subjects: str = option(
        "",
        help="A table with the columns file and subject that says who was recorded in each file.",
    )
    different_people: bool = option(
        False,
        help="Subjects whose names are alike are different people; otherwise a split by subject asks.",
        advanced=True,
    )
    unit: str = option(
        "",
        help="Unit of EDF channels whose own is blank or unknown; empty takes that of channels.tsv, or "
        "refuses them. all:mV is the unit of all channels, whatever the file says.",
        choices=TYPED,
    )


@dataclass(frozen=True, kw_only=True)
class UserRecordingsConfig:
    """Options of ``--data own``."""

    path: str = option("", help="A recording, a folder (searched with its subfolders) or a glob.")
    labels: str = option(
        "",
        help="A label file, or a folder of label files named like the recordings (a recording "
        "without any there has no labels); empty looks beside each recording (BIDS events.tsv, a table of "
        "onset,duration,description, XML or hypnogram text) and then for the annotations inside it.",
    )
    positive: tuple[str, ...] = option(
        (), help="Labels of the class to detect; empty means 'microsleep' where that label occurs."
    )
    negative: tuple[str, ...] = option(
        (),
        help="Labels of its absence; empty means every other word that is known to be a score (wake, sleep "
        "stages, drowsy, ...), '*' every other label but those that say that nobody scored. A label in "
        "neither has no class.",
    )
    background: str = option(
        "wake", help="The label of all time that no label covers; empty leaves it unlabelled."
    )
    mark_duration: float = option(
        0.0,
        unit="s",
        low=0,
        help="How long a mark of the positive class lasts that has no duration of its own; 0 refuses them.",
    )
    unit: str = option(
        "",
        help="Unit of EDF channels whose own unit is blank or unknown; empty refuses them. "
        "all:mV is the unit of all channels, whatever the file says.",
        choices=TYPED,
    )
    epoch: float = option(
        0.0,
        unit="s",
        low=0,
        help="How long a line of a hypnogram's text is, or an epoch of Profusion's; 0 takes what the file "
        "says, else 30 where that fits the recording.",
        advanced=True,
    )
    hypnogram: str = option(
        "auto",
        choices=("auto", "yasa", "rk", "dreams"),
        help="What the numbers of a hypnogram mean, which has to be said where 4 occurs and 5 does not: yasa "
        "(4 is REM), rk (Rechtschaffen and Kales: 4 is stage 4, 5 REM) or dreams (5 is wake, 0 stage 4).",
        advanced=True,
    )
    subjects: str = option(
        "",
        help="A table with the columns file and subject that says who was recorded in each file.",
    )
    different_people: bool = option(
        False,
        help="Subjects whose names are alike are different people; otherwise a split by subject asks.",
        advanced=True,
    )
    subject_pattern: str = option(
        "",
        help="Regular expression whose first group is the subject, searched in the file's path; empty "
        "tells it from BIDS 'sub-', the folder where names repeat or say only when, else the file name up to "
        "its first '_'.",
        advanced=True,
    )
