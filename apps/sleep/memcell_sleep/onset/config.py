"""The options of the sleep onset application: those of sleep, and what an onset is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from memcell.errors import ConfigError
from memcell.plugins.options import option, topics
from memcell_eeg.config import changed
from memcell_sleep.config import SleepConfig

if TYPE_CHECKING:
    from memcell_sleep.onset.targets import OnsetRules

#: What every output of a model says.
KNOWS = (
    "from wake it predicts the seconds to the next sleep onset; once somebody sleeps, or where no onset "
    "comes, its numbers mean nothing"
)
#: Edges between the groups of times that the benchmark tells apart, s; the last group ends at ``ahead``.
EDGES = (0.0, 40.0, 90.0, 300.0)
#: What the mean error of each group counts.
IMPORTANCE = (10.0, 5.0, 3.0, 1.0)
#: Options of a detector that do nothing here.
OF_A_DETECTOR = (
    "decision",
    "cost_ratio",
    "class_weights",
    "around_transitions",
    "max_duration",
    "views",
)
_NOTHING = "Not for sleep onset, where seconds are predicted and nothing is decided."


@dataclass(frozen=True, kw_only=True)
class OnsetConfig(SleepConfig):
    """From recordings with hypnograms to seconds; see `memcell_sleep.config.SleepConfig`."""

    RESCORING: ClassVar[tuple[str, ...]] = ()
    decides: ClassVar[bool] = False

    sleep_lasting: float = option(
        30.0,
        unit="s",
        low=0,
        high=3600,
        help="Least length of the sleep that an onset begins; shorter sleep within wake is wake.",
        brief="Least sleep that an onset begins.",
        topic=topics.DATA,
    )
    wake_lasting: float = option(
        60.0,
        unit="s",
        low=0,
        high=36000,
        help="Least length of the wake before an onset.",
        brief="Least wake before an onset.",
        topic=topics.DATA,
    )
    ahead: float = option(
        600.0,
        unit="s",
        low=60,
        high=7200,
        help="Longest time to the onset that is learned and scored; what lies further ahead has no target.",
        brief="Longest time that is predicted (default: {default} s).",
        topic=topics.DATA,
    )
    error: str = option(
        "absolute",
        choices=("absolute", "huber", "squared"),
        help="The error that training goes by; scores are of absolute errors.",
        advanced=True,
    )
    leaks: str = option(
        "refuse",
        choices=("refuse", "accept"),
        help="What is done about recordings whose onsets all lie at the same time after the start, so that a "
        "clock predicts them: 'accept' goes on and says it with every score.",
        advanced=True,
    )
    features: tuple[str, ...] = changed("features", ("relative",))
    context: tuple[str, ...] = changed("context", ("auto",))
    decision: str = changed("decision", "cost", help=_NOTHING)
    cost_ratio: float = changed("cost_ratio", 1.0, help=_NOTHING, advanced=True)
    class_weights: str = changed("class_weights", "balanced", help=_NOTHING)
    around_transitions: bool = changed("around_transitions", False, help=_NOTHING)
    max_duration: float = changed("max_duration", 0.0, help=_NOTHING)
    views: str = changed("views", "none", help=_NOTHING)
    baselines: str = changed(
        "baselines",
        "strong",
        help="Baselines that are scored beside the networks: 'few' are the best constant, the clock and the "
        "regression on past means; 'strong' (which 'all' is) adds this step alone and boosted trees.",
    )

    @property
    def rules(self) -> OnsetRules:
        """What counts as an onset."""
        # imported here, not where options are listed: it needs numpy
        from memcell_sleep.onset.targets import OnsetRules

        return OnsetRules(
            sleep_lasting=self.sleep_lasting, wake_lasting=self.wake_lasting, ahead=self.ahead
        )

    @property
    def bins(self) -> tuple[float, ...]:
        """Edges of the groups of true times, s."""
        return (*(edge for edge in EDGES if edge < self.ahead), self.ahead)

    @property
    def importance(self) -> tuple[float, ...]:
        """What the mean error of each group counts."""
        return IMPORTANCE[: len(self.bins) - 1]

    def validate(self) -> None:
        """Check what concerns two options at once, and refuse what does nothing here.

        Raises:
            ConfigError: Says which option to change.
        """
        super().validate()
        plain = type(self).__dataclass_fields__
        for name in OF_A_DETECTOR:
            if getattr(self, name) != plain[name].default:
                raise ConfigError(
                    f"'{name.replace('_', '-')}' got {getattr(self, name)}, and sleep_onset predicts "
                    "seconds: nothing is decided. Leave it out."
                )
