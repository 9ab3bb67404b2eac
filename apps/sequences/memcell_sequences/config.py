"""Every option of own sequences: meaning, default, unit and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from memcell.errors import ConfigError
from memcell.plugins.options import option, topics
from memcell.settings.options import TrainingConfig

KINDS = ("auto", "classes", "values", "labels", "next")
SPLITS = ("subject", "sequence", "time", "loso", "everybody")
#: How many folders above a run its arrays may lie: those of a comparison, of folds, of a control run.
_ABOVE = 4
#: What makes a model's features and says what its outputs are.
OF_MODEL = ("kind", "target", "features", "missing", "scale", "embedding")
#: What stands for a file's own name where a subject is asked for.
FILE_NAME = "file name"


@dataclass(frozen=True, kw_only=True)
class SequencesConfig:
    """Where the sequences are, what is learned of each step, and who is tested on."""

    data: Path | None = option(  # noqa: RUF009 - `option` makes a field; ruff knows it by plain types only
        None,
        help="The folder: one file a sequence (.npz, .csv, .tsv, .parquet). Where it has folders train, "
        "valid or test, these are the splits.",
        brief="Folder of npz, csv, tsv or parquet files.",
        topic=topics.DATA,
    )
    kind: str = option(
        "auto",
        choices=KINDS,
        help="What a step's target is: one of several classes, one value or more, labels that are there or "
        "not, or the next token. auto: whole numbers and words are classes (several columns of 0 and 1 "
        "labels), other numbers values.",
        brief="Targets: class, value, label or next token.",
        topic=topics.DATA,
    )
    target: tuple[str, ...] = option(
        (),
        help="Columns or arrays of the target; none: y, target or label, and token for --kind next.",
        brief="Columns of the target.",
        topic=topics.DATA,
    )
    features: tuple[str, ...] = option(
        (),
        help="Columns or arrays of the features; none: x where there is one, else all other columns.",
        brief="Columns of the features.",
        topic=topics.DATA,
    )
    subject: str = option(
        "",
        help="Column or array that says whose a sequence is, or 'file name'; none: subject where there is "
        "one, else the file's name.",
        brief="Column of whose a sequence is.",
        topic=topics.DATA,
    )
    time: str = option(
        "",
        help="Column or array of each step's time, seconds or dates; memory restarts at gaps, where it "
        "advances by more than 1.5 usual steps. None: time where there is one.",
        topic=topics.DATA,
        advanced=True,
    )
    missing: str = option(
        "refuse",
        choices=("refuse", "previous", "mean"),
        help="Features that are missing (empty, NaN): refuse them, repeat the last one known, or put in "
        "the training mean.",
        topic=topics.DATA,
        advanced=True,
    )
    scale: str = option(
        "standard",
        choices=("standard", "none"),
        help="Features are brought to mean 0 and standard deviation 1 of the training steps, or left.",
        topic=topics.DATA,
        advanced=True,
    )
    split: str = option(
        "subject",
        choices=SPLITS,
        help="What is tested on: whole subjects, whole sequences, the end of each sequence in time, each "
        "subject left out once (loso: a network for each), or nobody (everybody: all but those who validate "
        "train).",
        brief="By subject, sequence, time; loso; everybody.",
        topic=topics.DATA,
    )
    split_seed: int = option(
        0,
        low=0,
        help="Seed of who is in which split; not that of training.",
        topic=topics.DATA,
        advanced=True,
    )
    valid_share: float = option(
        0.15,
        low=0.01,
        high=0.9,
        help="Share of the validation split, where nobody named it.",
        topic=topics.DATA,
        advanced=True,
    )
    test_share: float = option(
        0.2,
        low=0.01,
        high=0.9,
        help="Share of the test split, where nobody named it.",
        topic=topics.DATA,
        advanced=True,
    )
    test_subjects: tuple[str, ...] = option(
        (),
        help="Subjects of the test split.",
        brief="Whom to test on, by name.",
        topic=topics.DATA,
    )
    valid_subjects: tuple[str, ...] = option(
        (),
        help="Subjects of the validation split.",
        topic=topics.DATA,
        advanced=True,
    )
    loss: str = option(
        "auto",
        choices=("auto", "log", "absolute", "squared", "huber"),
        help="Loss of a step; auto: log loss, of values the squared error.",
        brief="log, absolute, squared or huber.",
        topic=topics.DATA,
    )
    class_weights: str = option(
        "none",
        help="What a class counts in the loss: none for 1 each, balanced for all classes the same in all, or "
        "NAME=WEIGHT,NAME=WEIGHT (a class that is not named counts 1).",
        topic=topics.DATA,
        advanced=True,
    )
    metrics: tuple[str, ...] = option(
        (),
        help="Scores that a screen shows, the one that counts most first; files have all of them.",
        topic=topics.DATA,
        advanced=True,
    )
    lags: int = option(
        10,
        low=1,
        high=1000,
        unit="steps",
        help="Steps that the baseline 'regression on past steps' sees, the present one included.",
        topic=topics.DATA,
        advanced=True,
    )
    embedding: int = option(
        64,
        low=1,
        high=4096,
        help="Learned numbers that stand for a token of --kind next, where there are more than 128.",
        advanced=True,
    )

    own: tuple[str, ...] = option(
        (),
        help="Python functions that memcell.fit was given, by name (loss:focal, metric:mape); written by it, "
        "not to be typed: such a run is gone on with by memcell.fit(resume=RUN, loss=focal).",
        advanced=True,
    )

    def following(self, training: TrainingConfig) -> Self:
        """Return this with the folder's whole path: a run goes on from elsewhere too."""
        return self if self.data is None else replace(self, data=self.data.expanduser().absolute())

    def beside(self, run: Path) -> Self:
        """Return this with arrays found again where they lie in the folder of the run, or of what it is in.

        Args:
            run: The run folder, which may have been moved with them.
        """
        if self.data is None or self.data.exists():
            return self
        above = (run.absolute(), *list(run.absolute().parents)[:_ABOVE])
        there = (home / self.data.name for home in above)
        found = next(
            (p for p in there if (p / "train").is_dir() or any(p.glob("train-*.npz"))), None
        )
        return self if found is None else replace(self, data=found)

    @classmethod
    def of_model(cls, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that have to be those of a model that training goes on from."""
        return {name: facts["config"][name] for name in OF_MODEL if name in facts["config"]}

    def validate(self) -> None:
        """Check what concerns two options at once, and the words of the class weights.

        Raises:
            ConfigError: Two options contradict each other; says which to change.
        """
        weights_by_class(self.class_weights)
        if self.valid_share + self.test_share > 0.9:
            raise ConfigError(
                f"'valid-share' and 'test-share' got {self.valid_share:g} and {self.test_share:g}, which "
                "leaves less than a tenth to train on: type smaller ones"
            )
        both = sorted({*self.test_subjects} & {*self.valid_subjects})
        if both:
            raise ConfigError(
                f"'{both[0]}' is in 'test-subjects' and in 'valid-subjects': leave it out of one"
            )
        if (self.test_subjects or self.valid_subjects) and self.split != "subject":
            raise ConfigError(
                f"'test-subjects' and 'valid-subjects' name subjects, and 'split' got '{self.split}': "
                "leave out --split, or the names"
            )
        if self.loss == "log" and self.kind == "values":
            raise ConfigError(
                "'loss' got 'log' and 'kind' is 'values': type absolute, squared or huber"
            )
        if self.loss not in ("auto", "log") and self.kind in ("classes", "labels", "next"):
            raise ConfigError(
                f"'loss' got '{self.loss}' and 'kind' is '{self.kind}', whose loss is the log loss: leave "
                "out --loss, or type --kind values"
            )


def weights_by_class(written: str) -> dict[str, float]:
    """Return the weights that ``--class-weights`` names; none where it is ``none`` or ``balanced``.

    Raises:
        ConfigError: It is neither, and no list of names and numbers.
    """
    if written in ("none", "balanced"):
        return {}
    found: dict[str, float] = {}
    for part in written.split(","):
        name, equals, number = part.rpartition("=")
        try:
            weight = float(number)
        except ValueError:
            weight = -1.0
        if not equals or not 0 <= weight < float("inf"):
            raise ConfigError(
                f"'class-weights' got '{written}'; expected none, balanced, or a number from 0 on for each "
                "class, such as wake=1,sleep=2.5"
            )
        found[name.strip()] = weight
    return found
