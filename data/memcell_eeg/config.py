"""The options that every detector of events in EEG has: meaning, default, unit and bounds.

An application extends `EegConfig` and changes what is its own: `changed` gives an option another default
or other words to choose from, and keeps its meaning, unit and bounds::

    @dataclass(frozen=True, kw_only=True)
    class SeizureConfig(EegConfig):
        min_duration: float = changed("min_duration", 10.0)
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from memcell.errors import ConfigError
from memcell.plugins.options import fields_of, option, topics
from memcell_data.renaming import Renaming

AS_LABELLED = "as_labelled"
#: Time constants of ``--context auto``, s; and steps, where features are precomputed.
CONTEXT, CONTEXT_STEPS = (20.0, 90.0), (5, 20)
#: Options of which a model's features are made, as its facts have them, and those of its encoder.
_OF_FEATURES = (
    "channels", "reference", "outlier", "rate", "low", "high", "phase", "step", "window", "filled",
    "features", "normalization", "normalization_memory",
)  # fmt: skip
_OF_ENCODER = ("encoder", "encoder_size")
#: Seconds, a day: a longer mean of the past is none of it.
LONGEST_CONTEXT = 86_400.0


@dataclass(frozen=True, kw_only=True)
class EegConfig:
    """From recordings to sequences, to splits, to decisions.

    The fields are made with `memcell.plugins.options.option`; `validate` checks what concerns two at once.
    """

    #: What ``memcell evaluate`` may ask for instead of what the run was made with.
    RESCORING: ClassVar[tuple[str, ...]] = ("protocol", "rename")
    #: Whether steps are decided to be events; where something else is predicted, nothing is said of that.
    decides: ClassVar[bool] = True

    data: str = option(
        "simulated",
        help="Name of a data set, or the path of a file, folder or BIDS data set.",
        brief="A data set, or a path of recordings.",
        topic=topics.DATA,
    )

    # the signal
    channels: tuple[str, ...] = option(
        ("auto",),
        help="Channel names (old or new 10-20 names), patterns such as 'EEG*', type words (eeg, eog, emg, "
        "ecg) or 'auto': all EEG and EOG channels where they are at most 16, otherwise a selection of "
        "regions and the EOG.",
        brief="O1,C3, 'EEG*' or types (default: all EEG and EOG).",
        topic=topics.DATA,
    )
    rename: tuple[str, ...] = option(
        (),
        help="Other names for channels, OLD=NEW, several with commas; a * on both sides stands for the same "
        "text: 'O1-M2=O1', 'POL *=*'. A prediction by the run takes them too.",
        advanced=True,
    )
    reference: str = option(
        "none",
        choices=("none", "average"),
        help="'average' subtracts the mean of the chosen EEG channels from each of them.",
        advanced=True,
    )
    outlier: float = option(
        500.0,
        unit="uV",
        low=0,
        help="A sample further than this from the median of the last 5 is replaced by it; 0 for never.",
        advanced=True,
    )
    rate: float = option(
        100.0,
        unit="Hz",
        low=40,
        high=1000,
        help="Rate after polyphase resampling; recordings slower than this keep the slowest's rate.",
        advanced=True,
    )
    low: float = option(
        0.5, unit="Hz", low=0.05, high=10, help="Lower edge of the band-pass.", advanced=True
    )
    high: float = option(
        35.0, unit="Hz", low=12, high=200, help="Upper edge of the band-pass.", advanced=True
    )
    phase: str = option(
        "causal",
        choices=("causal", "zero"),
        help="'zero' resamples and filters without delay and looks into the future: not for alarms.",
        advanced=True,
    )

    cache: str = option(
        "default",
        help="Folder where features are kept from one run to the next; 'default' is the user's cache "
        "folder, 'off' keeps none.",
        advanced=True,
    )

    # the features of a step
    step: float = option(
        0.0,
        unit="s",
        low=0,
        high=30,
        help="Length of a step; 0 follows the labels: the longest of 5 s or less on whose grid all labels "
        "begin and end (a hypnogram: 5, scored by the second: 1), .2 where there is none, 2 where no label "
        "changes within a recording.",
        advanced=True,
    )
    window: float = option(
        0.0,
        unit="s",
        low=0,
        high=60,
        help="Past signal that a step's features are made of; 0 for as long as a step, at least 1 (4 where "
        "no label changes within a recording).",
        advanced=True,
    )
    filled: float = option(
        0.4,
        low=0,
        high=1,
        help="Share of the window that signal must fill after a start or a gap, and 1.5 s at least, before "
        "the features of a step count; until then they are 0, the mean of training. Causal normalization "
        "waits for all of it.",
        advanced=True,
    )
    features: tuple[str, ...] = option(
        ("auto",),
        help="Feature extractors, one or several: relative (log band powers of each channel less their "
        "mean, and its mobility, which no gain changes), bandpower (log band powers with two ratios per "
        "channel), correlation (of all pairs of channels), stft (log magnitudes of a short-time Fourier "
        "transform up to 'high'), raw (the samples of the window), or those of plugins "
        "('memcell plugins' lists them), with options as NAME:OPTION=VALUE; 'auto' is what "
        "the encoder reads: raw for raw_cnn, else relative.",
        brief="What describes a step: relative, bandpower, ...",
        topic=topics.DATA,
    )
    context: tuple[str, ...] = option(
        ("auto",),
        help="Means of the features over the past, each a feature too: time constants in seconds, several as "
        "20,90; 'none' for none. Steps count less the older they are, and fade over gaps as well. 'auto' is "
        "20,90 for relative powers, 5 and 20 steps for features that are precomputed, else none.",
        topic=topics.DATA,
        advanced=True,
    )
    normalization: str = option(
        "auto",
        choices=("auto", "causal", "training", "recording", "none"),
        help="'causal' uses the running mean and spread of the past; 'training' those of the labelled steps "
        "of the training split, fixed once and stored with the run; 'recording' the median and spread of "
        "the whole recording, which looks into the future; 'auto' is training.",
        topic=topics.DATA,
        advanced=True,
    )
    normalization_memory: float = option(
        300.0, unit="s", low=10, help="Time constant of the causal normalization.", advanced=True
    )

    strict: bool = option(
        False,
        help="Stop at a recording or a label that cannot be used; otherwise it is left out and named.",
        advanced=True,
    )

    # the labels
    protocol: str = option(
        "auto",
        choices=("auto", AS_LABELLED),
        help="Which labels count as which class; 'auto' and 'as_labelled' are what the data set says.",
        brief="Which labels count, where they are graded.",
        topic=topics.DATA,
    )
    step_rule: str = option(
        "majority",
        choices=("majority", "any"),
        help="A step is positive when half of it is, or when any of it is.",
        advanced=True,
    )
    blink: float = option(
        0.0,
        unit="s",
        low=0,
        help="Positive intervals shorter than this become negative.",
        advanced=True,
    )
    min_duration: float = option(
        0.0,
        unit="s",
        low=0,
        help="Positive intervals from blink to this length are left unlabelled; shorter detections "
        "are no events.",
        advanced=True,
    )
    max_duration: float = option(
        0.0,
        unit="s",
        low=0,
        help="Longer events are counted in parts of this length; 0 for never.",
        advanced=True,
    )
    merge: float = option(
        0.0,
        unit="s",
        low=0,
        help="Positive intervals (events) this close together are one.",
        advanced=True,
    )

    # training
    around_transitions: bool = option(
        False, help="Train only on the steps around a change of the label.", advanced=True
    )
    margin: float = option(
        5.0,
        unit="s",
        low=0,
        help="Seconds on each side of a change under around-transitions.",
        advanced=True,
    )
    channel_dropout: float = option(
        0.0,
        low=0,
        high=0.9,
        help="Chance with which each channel is left out of a minute of training: the model then predicts "
        "recordings that lack some of its channels, up to half of them.",
        advanced=True,
    )
    class_weights: str = option(
        "balanced",
        choices=("balanced", "none"),
        help="'balanced' lets both classes weigh the same in the loss.",
        advanced=True,
    )
    decision: str = option(
        "auto",
        choices=("auto", "threshold", "intercept", "cost", "kappa", "likelier"),
        help="How the cost ratio is applied: by the threshold of least cost on validation, by an intercept "
        "(a shift of the logit, fitted on validation), or by a loss weighted by the costs. Or not at all: "
        "'kappa' takes the threshold of the largest kappa on validation, 'likelier' the likelier class. "
        "'auto' is kappa where --tune chooses settings (on the pooled predictions for people left out) and "
        "the cost ratio is 1, else threshold.",
        advanced=True,
    )
    cost_ratio: float = option(
        1.0,
        low=0.01,
        high=100,
        help="What a missed positive step costs relative to a false one (3: as much as three), each "
        "counted as a share of its class; --decision says how it is applied.",
        brief="A missed positive step costs so many false ones.",
        topic=topics.DATA,
    )
    tune: str = option(
        "quick",
        choices=("none", "quick", "full"),
        help="Choose settings that were not typed, the number of updates and the threshold by "
        "cross-validation inside the training people, then train one network on all of them; nobody is set "
        "aside for validation. 'quick' tries one or two settings; 'full' up to nine, other features, means "
        "of the past and scales, at some three times the cost, which is said before; 'none' validates on "
        "--valid-fraction, as a split by time always does.",
        brief="How much is tried: quick, full or none.",
        topic=topics.DATA,
    )
    encoder: str = option(
        "step",
        choices=("step", "none", "linear", "raw_cnn"),
        help="What the cell gets of the features: 'step' those of the step itself, without means of its past "
        "(--context), which a linear path (--skip) sees all the same; 'none' all of them; 'linear' a learned "
        "projection; 'raw_cnn' a small convolutional network over the raw samples, which other features "
        "bypass.",
        advanced=True,
    )
    encoder_size: int = option(32, low=1, help="Outputs of the encoder.", advanced=True)

    # splits and scores
    split: str = option(
        "auto",
        choices=("auto", "subject", "time", "loso", "published", "none"),
        help="How recordings are split into training, validation and test: by subject, or by time with a "
        "gap; 'auto' is by subject where there are at least 3. 'loso' leaves one subject out: a run for each "
        "subject, tested on this one alone, and scores over all of them. 'published' takes the split that "
        "the data set brings (mwt: --data.published-split). 'none' trains on everybody; its scores are those "
        "of cross-validation (--tune).",
        brief="subject, loso (each person once), time, none.",
        topic=topics.DATA,
    )
    held_out: str = option(
        "",
        help="Under split loso: the subject to test on, for the run of this one alone; empty for all.",
        advanced=True,
    )
    test_subjects: tuple[str, ...] = option(
        (),
        help="Under a split by subject: whom to test on, by name; empty for a draw by the seed.",
        brief="Whom to test on, by name.",
        topic=topics.DATA,
    )
    valid_fraction: float = option(
        0.2, low=0, high=0.8, help="Share of the validation split.", advanced=True
    )
    test_fraction: float = option(
        0.3, low=0.01, high=0.8, help="Share of the test split.", advanced=True
    )
    split_gap: float = option(
        5.0, unit="s", low=0, help="Dropped between the parts of a split by time.", advanced=True
    )
    split_seed: int = option(
        0,
        low=0,
        help="Seed of the split by subject, of who validates under loso, and of the noise baseline.",
        advanced=True,
    )
    baselines: str = option(
        "strong",
        choices=("few", "strong", "all"),
        help="Baselines that are scored beside the networks: 'few' is quick and weak; 'strong' adds "
        "regressions on past steps and past means, boosted trees and a small convolutional network; 'all' "
        "adds lasso-probit and partial least squares, which a comparison always has.",
        advanced=True,
    )
    robustness: str = option(
        "auto",
        choices=("auto", "none", "all"),
        help="Whether a run is scored on its test recordings under other conditions too: gains, each channel "
        "lost, hum of the mains, half the sampling rate. 'auto' where reading them so often is quick; later: "
        "'memcell evaluate RUN --robustness'.",
        advanced=True,
    )
    views: str = option(
        "auto",
        choices=("auto", "all", "none"),
        help="Test recordings that report.html scrolls and zooms through with their signal: 'auto' the first "
        "30. A view takes 3 MB at most, in views/, and holds EEG: share it as you would share the recording.",
        advanced=True,
    )
    tolerance: float = option(
        0.5,
        unit="s",
        low=0,
        help="How far a detected event may lie from a true one to match it.",
        advanced=True,
    )

    @property
    def feature_kinds(self) -> tuple[str, ...]:
        """The features that are meant, each once."""
        auto = "raw" if self.encoder == "raw_cnn" else "relative"
        return tuple(dict.fromkeys(auto if name == "auto" else name for name in self.features))

    def context_seconds(self, step: float = 0.0) -> tuple[float, ...]:
        """Return the time constants that ``context`` asks for, the shortest first.

        Args:
            step: Of features that are precomputed, s; 0 for features of a signal.

        Raises:
            ConfigError: A word is no number of seconds.
        """
        if self.context in (("none",), ()):
            return ()
        if self.context == ("auto",):
            if step:
                return tuple(step * n for n in CONTEXT_STEPS)
            return CONTEXT if "relative" in self.feature_kinds else ()
        return tuple(sorted({_seconds("context", word) for word in self.context}))

    def decision_method(self, cross_validated: bool) -> str:
        """Return the method of deciding that is meant: a word of ``decision`` that is not ``"auto"``.

        Args:
            cross_validated: Settings are chosen by cross-validation inside the training people.
        """
        if self.decision != "auto":
            return self.decision
        # kappa knows no costs: a ratio that was typed is applied
        return "kappa" if cross_validated and self.cost_ratio == 1 else "threshold"

    def engine_defaults(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the defaults of the engine's options: a linear path that stays the regression it starts as.

        On few people a network without one learns the people; one whose path is trained with it loses the
        regression within some twenty updates (docs/results/microsleep.md). Raw samples are nothing that a
        regression could read.
        """
        raw = any(word.partition(":")[0] == "raw" for word in self.feature_kinds)
        return {"network": {"skip": "none" if raw else "fixed"}}

    @classmethod
    def of_model(cls, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that whoever goes on from a trained model has to share with it.

        They make its features and what the recurrent layers get of them; how labels are read, people split
        and thresholds chosen is asked anew.

        Args:
            facts: Of the model (`memcell.applications.app.Task.facts`).
        """
        made, options = facts["pipeline"], facts["config"]
        names = {f.name for f in fields_of(cls)}
        found = {name: options[name] for name in _OF_ENCODER if name in options}
        found |= {name: made[name] for name in _OF_FEATURES if name in made}
        found["context"] = [f"{seconds:g}" for seconds in made.get("context", ())] or ["none"]
        return {name: value for name, value in found.items() if name in names}

    def stored(self) -> Self:
        """Return this config as one that was found in a folder: it makes no cache where it says.

        A folder where features are kept already is used; for any other the user's own cache is.
        """
        from memcell_eeg import store

        if store.known(self.cache):
            return self
        warnings.warn(
            f"the run's config keeps features in '{self.cache}', where none are kept on this machine: the "
            "user's cache folder is used instead",
            stacklevel=2,
        )
        return replace(self, cache="default")

    def validate(self) -> None:
        """Check what concerns two options at once.

        Raises:
            ConfigError: Two options contradict each other; says which to change.
            UsageError: A rule of renaming is none.
        """
        for name, least in (("step", 0.05), ("window", 0.5)):
            if 0 < getattr(self, name) < least:
                raise ConfigError(
                    f"'{name}' got {getattr(self, name):g} s, expected {least:g} or more, or 0 to follow the "
                    "labels."
                )
        if 0 < self.window < self.step:
            raise ConfigError(
                f"'window' got {self.window:g} s, shorter than 'step' ({self.step:g} s); "
                f"type a window of {self.step:g} s or more."
            )
        self.context_seconds()
        Renaming.of(self.rename)
        if self.encoder == "raw_cnn" and "raw" not in self.feature_kinds:
            raise ConfigError(
                f"'encoder' got 'raw_cnn' and 'features' got {', '.join(self.features)}, without the raw "
                "samples that it reads; leave out --features, or type --features raw,"
                f"{','.join(self.features)}."
            )
        if self.low >= self.high:
            raise ConfigError(
                f"'low' got {self.low:g} Hz, not below 'high' ({self.high:g} Hz); type a lower 'low'."
            )
        if self.valid_fraction + self.test_fraction > 0.9:
            raise ConfigError(
                f"'valid-fraction' {self.valid_fraction:g} and 'test-fraction' "
                f"{self.test_fraction:g} leave less than 0.1 to train on; type smaller ones."
            )
        if self.decision == "cost" and self.class_weights == "none":
            raise ConfigError(
                "'decision' got 'cost', which is weights of the classes in the loss, and 'class-weights' is "
                "'none'; type --class-weights balanced, or --decision threshold."
            )
        if self.held_out and self.split != "loso":
            raise ConfigError(
                f"'held-out' got {self.held_out!r} and 'split' is '{self.split}'; type --split loso."
            )
        if self.split == "none" and self.tune == "none":
            raise ConfigError(
                "'split' got 'none', which leaves nobody to test on, and 'tune' is 'none', so that nothing "
                "would be scored; type --tune quick, or another --split."
            )
        if self.test_subjects and self.split not in ("auto", "subject"):
            raise ConfigError(
                f"'test-subjects' got {', '.join(self.test_subjects)} and 'split' is '{self.split}'; type "
                "--split subject."
            )
        if self.split_gap < self.window:
            raise ConfigError(
                f"'split-gap' got {self.split_gap:g} s, shorter than 'window' ({self.window:g} s): "
                f"windows would reach over the split; type {self.window:g} s or more."
            )
        if self.blink > self.min_duration:
            raise ConfigError(
                f"'blink' got {self.blink:g} s, longer than 'min-duration' "
                f"({self.min_duration:g} s); type a shorter 'blink' or a longer 'min-duration'."
            )
        if 0 < self.max_duration < self.min_duration:
            raise ConfigError(
                f"'max-duration' got {self.max_duration:g} s, shorter than 'min-duration' "
                f"({self.min_duration:g} s); type a longer one, or 0 for no maximum."
            )


def _seconds(option: str, word: str) -> float:
    """Return a time constant that was typed.

    Raises:
        ConfigError: It is none; says what to type.
    """
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= LONGEST_CONTEXT:
        raise ConfigError(
            f"'{option}' got '{word}', expected seconds from 0.1 to {LONGEST_CONTEXT:g}, several as 20,90, "
            "or 'none' or 'auto' alone."
        )
    return value


def changed(
    name: str,
    default: Any,
    *,
    of: type[EegConfig] = EegConfig,
    help: str = "",
    choices: Sequence[str] = (),
    advanced: bool | None = None,
) -> Any:
    """Declare an option of `EegConfig` anew, with another default.

    Args:
        name: The option.
        default: Its default in the application.
        of: The config that it is taken from.
        help: Its meaning there; that of `of` where left out.
        choices: The words it takes there; those of `of` where left out.
        advanced: Few need it there; as for `of` where left out.
    """
    found = next(f for f in fields_of(of) if f.name == name)
    return option(
        default,
        help=help or found.help,
        unit=found.unit,
        low=found.low,
        high=found.high,
        choices=choices or found.choices,
        advanced=found.advanced if advanced is None else advanced,
        brief=found.brief,
        topic=found.topic,
    )
