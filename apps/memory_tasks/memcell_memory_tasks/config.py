"""Every option of the memory tasks: meaning, default, unit and bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from memcell.errors import ConfigError
from memcell.plugins.options import option, topics
from memcell.settings.options import TrainingConfig

TASKS = ("recall", "temporal_order", "reber", "order_digits", "sequential_digits", "text")


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """Which task, how long, how much of it. An option of another task than the chosen one does nothing."""

    #: What a comparison draws the data by, anew for each seed.
    DATA_SEED: ClassVar[str] = "data_seed"

    task: str = option(
        "recall",
        choices=TASKS,
        help="Which task.",
        brief="recall, reber, temporal_order, text, ...",
        topic=topics.DATA,
    )
    data_seed: int = option(
        0,
        low=0,
        help="Seed of the data: streams, distractors, splits. Not the seed of training.",
        brief="Seed of the data.",
        topic=topics.DATA,
    )
    window: int = option(
        0,
        low=0,
        high=1000000,
        unit="steps",
        help="The window that the row 'no memory beyond a window' is worked out for; 0 for --time-steps.",
        topic=topics.DATA,
        advanced=True,
    )

    # streams: recall, temporal_order, reber, text
    streams: int = option(
        32,
        low=1,
        high=10000,
        help="Training sequences.",
        brief="Training sequences (default: {default}).",
        topic=topics.DATA,
    )
    test_streams: int = option(
        8,
        low=1,
        high=10000,
        help="Sequences of the validation split, and of the test split.",
        topic=topics.DATA,
        advanced=True,
    )
    trials: int = option(
        40,
        low=1,
        high=100000,
        help="Trials of a stream, one after the other without a mark.",
        brief="Trials of a sequence (default: {default}).",
        topic=topics.DATA,
    )

    # recall
    symbols: int = option(
        4,
        low=2,
        high=100,
        help="recall: different cues; chance is 1 in so many.",
        topic=topics.DATA,
        advanced=True,
    )
    distractors: int = option(
        4,
        low=1,
        high=100,
        help="recall: different symbols without meaning.",
        topic=topics.DATA,
        advanced=True,
    )
    lag: int = option(
        60,
        low=1,
        high=100000,
        unit="steps",
        help="recall: most distractors between a cue and its question.",
        brief="recall: steps from a cue to its question.",
        topic=topics.DATA,
    )
    lag_from: int = option(
        5,
        low=1,
        high=100000,
        unit="steps",
        help="recall: fewest of them; each trial draws its own number. Where it is --time-steps or "
        "more, no backward pass ever sees a cue together with its question.",
        topic=topics.DATA,
        advanced=True,
    )

    # temporal_order
    length: int = option(
        30,
        low=10,
        high=100000,
        unit="steps",
        help="temporal_order: shortest trial; the longest is a tenth longer (published: 100).",
        brief="temporal_order: steps of a trial.",
        topic=topics.DATA,
    )

    # reber
    strings: int = option(
        256,
        low=8,
        high=1000,
        help="reber: different strings of each split; no two splits share one.",
        topic=topics.DATA,
        advanced=True,
    )

    # digits
    rows: bool = option(
        True,
        help="order_digits: a digit is 8 steps, one a row; off, it is a single step.",
        topic=topics.DATA,
        advanced=True,
    )
    mnist: str = option(
        "",
        help="sequential_digits: folder of mnist_train.npz and mnist_test.npz (x [n, 28, 28], y [n]); "
        "empty takes scikit-learn's digits of 8 x 8.",
        brief="sequential_digits: folder of MNIST.",
        topic=topics.DATA,
    )
    pool: int = option(
        4,
        low=1,
        high=14,
        unit="pixels",
        help="sequential_digits: MNIST is averaged over squares of this side (4: 49 steps, 1: 784).",
        topic=topics.DATA,
        advanced=True,
    )
    images: int = option(
        5000,
        low=100,
        high=50000,
        help="sequential_digits: training images of MNIST; a fifth of it each validates and tests.",
        topic=topics.DATA,
        advanced=True,
    )
    permutation: str = option(
        "none",
        choices=("none", "shuffled", "authors"),
        help="sequential_digits: order of the pixels. 'shuffled' is one random order for all images; "
        "'authors' draws with replacement, as the code of Cooijmans et al. does (seed 1 uses 501 "
        "of 784 pixels).",
        topic=topics.DATA,
        advanced=True,
    )
    permutation_seed: int = option(
        1,
        low=0,
        high=2**31,
        help="Seed of the order of the pixels.",
        topic=topics.DATA,
        advanced=True,
    )

    # text
    text: str = option(
        "",
        help="text: a file, or a folder of .txt, .md and .rst; files that are named train, valid and test, "
        "as Penn Treebank's, keep their splits. Empty takes the topics of Python's own reference.",
        brief="text: a file or a folder of texts.",
        topic=topics.DATA,
    )
    characters: int = option(
        100_000,
        low=1000,
        high=100_000_000,
        help="text: characters of training; a tenth of it each validates and tests. As features they "
        "take 4 bytes for each character that is told apart.",
        topic=topics.DATA,
        advanced=True,
    )

    def following(self, training: TrainingConfig) -> Self:
        """Return this config with the window that the network is trained with, where none was typed."""
        return self if self.window else replace(self, window=training.time_steps)

    def validate(self) -> None:
        """Check what concerns two options at once.

        Raises:
            ConfigError: Two options contradict each other; says which to change.
        """
        if self.lag_from > self.lag:
            raise ConfigError(
                f"'lag-from' got {self.lag_from}, more than 'lag' ({self.lag}); type a smaller "
                "--lag-from or a larger --lag."
            )
