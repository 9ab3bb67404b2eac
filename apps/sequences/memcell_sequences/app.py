"""Sequences of one's own behind the engine's contract (`memcell.applications.app.App`)."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from memcell.applications.app import Fold, ModelPredictions, Probabilities, Row, Task
from memcell.applications.datasets import DataSet
from memcell.applications.detecting import DetectorRequest
from memcell.applications.prediction import PredictionRequest
from memcell.errors import ConfigError, DataError, UsageError, unknown
from memcell.plugins.options import to_mapping
from memcell.progress import SILENT, Progress
from memcell.sequences.targets import Values
from memcell.sequences.time_series import TimeSeries
from memcell_sequences.config import SequencesConfig, weights_by_class
from memcell_sequences.functions import Functions
from memcell_sequences.prediction import SequencePredictor
from memcell_sequences.preparing import InputPlan, read_folder, series
from memcell_sequences.resampled import intervals
from memcell_sequences.scores import scores, shown_scores
from memcell_sequences.selecting import RawSequence
from memcell_sequences.splits import Splits, split
from memcell_sequences.targets import TargetPlan, plan_of

if TYPE_CHECKING:
    from torch import nn

    from memcell_sequences.model import SequenceModel


#: So few whole numbers may be classes.
FEW = 20


class Sequences:
    """The application of ``memcell train sequences`` and `memcell.fit`.

    Args:
        config: The options.
        dataset: None; the app reads its folder itself.
    """

    def __init__(self, config: SequencesConfig, dataset: DataSet | None = None) -> None:
        config.validate()
        self.config = config
        self._before: Mapping[str, Any] | None = None
        self._functions = Functions()
        self._found: TargetPlan | None = None

    def using(
        self, loss: Callable[..., Any] | None, metrics: Mapping[str, Callable[..., Any]]
    ) -> Sequences:
        """Return the app with a loss and scores that are Python functions."""
        app = Sequences(self.config)
        app._before, app._functions = self._before, Functions(loss=loss, metrics=metrics)
        app._functions.check()
        return app

    def continuing(self, facts: Mapping[str, Any]) -> Sequences:
        """Return the app with features made and scaled, and classes counted, as they were for a model."""
        again = Sequences(self.config)
        again._before, again._functions = facts, self._functions
        return again

    @property
    def folded(self) -> bool:
        """Whether each subject is left out once."""
        return self.config.split == "loso"

    def task(self, progress: Progress = SILENT) -> Task:
        """Read the folder.

        Raises:
            DataError: It cannot be used as asked; names the file.
            UsageError: No folder was named, or folds were asked for.
        """
        if self.folded:
            raise UsageError(
                "--split loso makes a task for each subject: use 'memcell train sequences'"
            )
        return self._made(read_folder(self.config, progress), self.config)

    def folds(self, progress: Progress = SILENT) -> Sequence[Fold]:
        """Read the folder once, for a fold of each subject.

        Raises:
            DataError: It has fewer than three subjects.
        """
        raw = read_folder(self.config, progress)
        subjects = sorted({s.subject for s in raw})
        if len(subjects) < 3:
            raise DataError(
                f"--split loso leaves each subject out once, and there are {len(subjects)}; expected 3 or "
                "more: type --subject COLUMN where a file does not say whose it is, or --split time"
            )
        if any(s.part for s in raw):
            raise DataError("the data has a split of its own, and --split loso would make others")
        folds = []
        for who in subjects:
            options = {"split": "subject", "test_subjects": (who,)}
            config = dataclasses.replace(self.config, **options)  # type: ignore[arg-type]  # two options of their types
            folds.append(Fold(name=who, options=options, task=partial(self._made, raw, config)))
        return folds

    def everybody(self) -> Mapping[str, Any]:
        """Return the options of a network that nobody is left out of (``--final``)."""
        return {"split": "everybody"}

    def _made(self, raw: Sequence[RawSequence], config: SequencesConfig) -> Task:
        before = self._before
        plan = (
            plan_of(raw, config.kind) if before is None else TargetPlan.of_facts(before["target"])
        )
        self._found = plan
        check_loss(plan, config)
        parts = split(raw, config)
        inputs = (
            InputPlan.fitted(parts["train"], config, plan)
            if before is None
            else InputPlan.of_facts(before["inputs"])
        )
        made = {
            part: tuple(series(s, inputs, plan) for s in members) for part, members in parts.items()
        }
        for part, members in made.items():
            if part == "test" and config.split == "everybody":
                continue
            if not any(s.labelled.any() for s in members):
                raise DataError(
                    f"no step of the {part} split has a target: {', '.join(s.name for s in members[:5])}"
                )
        target = plan.target(config.loss)
        if isinstance(target, Values):
            target = target.fitted(made["train"])
        target = self._functions.taught(target, config)
        listed = shown_scores(plan.kind, self._functions.there(config), [*self._functions.metrics])
        return Task(
            train=made["train"],
            valid=made["valid"],
            test=made["test"],
            target=target,
            main_score=listed[0],
            shown_scores=listed,
            class_weights=class_weights(plan, config, made["train"]),
            remarks=(*remarks(plan, made), *caveats(plan, config, made["train"])),
            facts={
                "app": "sequences",
                "dataset": "" if config.data is None else config.data.name,
                "target": plan.facts(),
                "inputs": inputs.facts(),
                "embedding": config.embedding,
                "subjects": {p: sorted({s.subject for s in m}) for p, m in made.items()},
                "recordings": sorted(s.name for m in made.values() for s in m),
                "knows": knows(plan),
                "config": {k: v for k, v in to_mapping(config).items() if k != "data"},
            },
            notes=notes(config, made["valid"]),
            tables={"splits.tsv": splits_table(parts)},
        )

    def encoder(self, n_features: int) -> nn.Module:
        """Return the module that passes a step's features on."""
        return self.encoder_for(n_features, {})

    def encoder_for(self, n_features: int, facts: Mapping[str, Any]) -> nn.Module:
        """Return the module from a step's features to the cell's input: a table of tokens, or nothing."""
        from memcell_sequences.encoder import Same, TokenEncoder

        if "inputs" in facts:
            inputs = InputPlan.of_facts(facts["inputs"])
            if inputs.tokens and not inputs.one_hot:
                return TokenEncoder(inputs.tokens, int(facts["embedding"]), n_features - 1)
        return Same(n_features)

    def scores(
        self,
        sequences: Sequence[TimeSeries],
        probabilities: Sequence[Probabilities],
        decision: Mapping[str, float],
    ) -> Mapping[str, float]:
        """Return the scores of `memcell_sequences.scores.scores`."""
        plan = self._plan(sequences, probabilities)
        return scores(plan, sequences, probabilities, self._functions.metrics)

    def _plan(
        self, sequences: Sequence[TimeSeries], outputs: Sequence[Probabilities]
    ) -> TargetPlan:
        """Return the plan that scores need of these sequences: the kind, and names of several values."""
        first = next(iter(sequences), None)
        if first is None and self._found is not None:  # nobody is tested
            return self._found
        width = outputs[0].shape[1] if len(outputs) else 1
        names = self.config.target if len(self.config.target) == width else ()
        names = names or tuple(f"y{k}" for k in range(width))
        if first is None or first.of_classes:
            return TargetPlan(kind="next" if self.config.kind == "next" else "classes", names=())
        return TargetPlan(kind="values" if first.of_values else "labels", names=names)

    def baselines(self, task: Task, every: bool = False) -> list[Row]:
        """Score what needs no network on the test split."""
        from memcell_sequences.baselines import baselines

        return baselines(task, self.config.lags)

    def pooled(self, predictions: Sequence[ModelPredictions]) -> Mapping[str, float]:
        """Return the scores of all parts together."""
        sequences = [s for part in predictions for s in part.sequences]
        outputs = [p for part in predictions for p in part.probabilities]
        return self.scores(sequences, outputs, {})

    def intervals(
        self, predictions: Sequence[ModelPredictions]
    ) -> Mapping[str, tuple[float, float]]:
        """Return 95 % intervals of pooled scores: percentiles over subjects drawn anew."""
        found: dict[str, list[tuple[TimeSeries, Probabilities]]] = {}
        for part in predictions:
            for s, p in zip(part.sequences, part.probabilities, strict=True):
                found.setdefault(s.subject, []).append((s, p))
        pairs = [found[who] for who in sorted(found)]
        return intervals(self._plan(*_unzipped(pairs[0])), pairs)

    def details(self, rows: Sequence[Row]) -> Mapping[str, str]:
        """Return no more tables."""
        return {}

    def predictor(self, request: PredictionRequest) -> SequencePredictor:
        """Return what runs a trained network over files."""
        return SequencePredictor(request)

    def detector(self, request: DetectorRequest) -> SequenceModel:
        """Return a trained network for a program (`memcell.load`)."""
        from memcell_sequences.model import SequenceModel

        return SequenceModel(request)

    def report(self, folder: Path) -> Path:
        """Write ``report.html`` of a run or a prediction."""
        from memcell_sequences.report import write_report

        return write_report(folder)

    def write_arrays(self, folder: Path, splits: Mapping[str, Sequence[Any]]) -> None:
        """Write arrays in Python as the files of a folder (`memcell.applications.arrays.TakingArrays`)."""
        from memcell_sequences.arrays import write_arrays

        write_arrays(folder, splits, tokens=self.config.kind == "next")


def _unzipped(
    pairs: Sequence[tuple[TimeSeries, Probabilities]],
) -> tuple[list[TimeSeries], list[Probabilities]]:
    return [s for s, _ in pairs], [p for _, p in pairs]


def check_loss(plan: TargetPlan, config: SequencesConfig) -> None:
    """Refuse a loss or weights of another kind than the targets turned out to be.

    Raises:
        ConfigError: Says what to type.
    """
    if plan.kind == "values" and config.loss == "log":
        raise ConfigError(
            "'loss' got 'log', and the targets are values: type absolute, squared or huber"
        )
    if plan.kind != "values" and config.loss not in ("auto", "log"):
        raise ConfigError(
            f"'loss' got '{config.loss}', and the targets are {plan.kind}, whose loss is the log loss: "
            "leave out --loss, or type --kind values"
        )
    if plan.kind not in ("classes", "next") and config.class_weights != "none":
        raise ConfigError(
            f"'class-weights' got '{config.class_weights}', and the targets are {plan.kind}: leave it out"
        )


def class_weights(
    plan: TargetPlan, config: SequencesConfig, train: Sequence[TimeSeries]
) -> tuple[float, ...] | None:
    """Return the weight of each class; balanced ones have the mean 1 over the labelled training steps.

    Raises:
        ConfigError: There is no class of a name that was given.
    """
    if config.class_weights == "none":
        return None
    named = weights_by_class(config.class_weights)
    if named:
        for name in named:
            if name not in plan.classes:
                raise ConfigError(f"class-weights: {unknown('class', name, plan.classes)}")
        return tuple(named.get(name, 1.0) for name in plan.classes)
    y: NDArray[Any] = np.concatenate([s.targets[s.labelled] for s in train]).astype(np.int64)
    counts = np.bincount(y, minlength=len(plan.classes))
    there = np.count_nonzero(counts)
    return tuple(float(len(y) / (there * n)) if n else 0.0 for n in counts.tolist())


def remarks(plan: TargetPlan, made: Mapping[str, Sequence[TimeSeries]]) -> list[str]:
    """Return what a person should know of the targets."""
    if plan.kind in ("classes", "next"):
        counts = Counter(
            int(v) for s in made["train"] for v in np.unique(s.targets[s.labelled]).tolist()
        )
        what = "token" if plan.kind == "next" else "class"
        lines = [
            f"target {plan.names[0]}: {len(plan.classes)} {'tokens' if what == 'token' else 'classes'} "
            f"({', '.join(plan.classes[:8])}{', ...' if len(plan.classes) > 8 else ''})"
        ]
        never = [name for k, name in enumerate(plan.classes) if k not in counts]
        if never:
            lines.append(f"note: no training step has the {what} {', '.join(never[:5])}")
        return lines
    return [f"targets: {plan.kind} ({', '.join(plan.names)})"]


def notes(config: SequencesConfig, valid: Sequence[TimeSeries]) -> tuple[str, ...]:
    """Return what every score has to carry."""
    if config.split != "everybody":
        return ()
    who = sorted({s.subject for s in valid})
    few = ", ".join(who[:5]) + (", ..." if len(who) > 5 else "")
    return (f"nobody is tested; {few} chose when training ended, and all others were trained on",)


def caveats(plan: TargetPlan, config: SequencesConfig, train: Sequence[TimeSeries]) -> list[str]:
    """Return a line where values look like classes that were written with a decimal point."""
    if plan.kind != "values" or config.kind != "auto":
        return []
    known = np.unique(np.concatenate([s.targets[s.labelled].ravel() for s in train]))
    known = known[~np.isnan(known)]
    if len(known) > FEW or (known != np.round(known)).any():
        return []
    return [
        f"note: the targets are {len(known)} different whole numbers with a decimal point, taken for values: "
        "type --kind classes if they are classes"
    ]


def knows(plan: TargetPlan) -> str:
    """Return in words what a model was taught."""
    if plan.kind == "next":
        return f"the next of {len(plan.classes)} tokens"
    if plan.kind == "classes":
        return f"{plan.names[0]}, one of {len(plan.classes)} classes, at each step"
    return f"{', '.join(plan.names)} ({plan.kind}) at each step"


def splits_table(parts: Splits) -> str:
    """Return which sequence is on which side, as a table."""
    from memcell.escape import table

    rows = [["sequence", "subject", "split", "steps"]]
    for part, members in parts.items():
        rows += [[s.name, s.subject, part, str(s.n_steps)] for s in members]
    return table(rows)
