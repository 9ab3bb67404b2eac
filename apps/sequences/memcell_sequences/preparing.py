"""A folder of files to the sequences that the engine trains on: read, told apart, scaled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError, UsageError
from memcell.progress import SILENT, Progress
from memcell.sequences.time_series import UNLABELLED, TimeSeries
from memcell_sequences.config import SequencesConfig
from memcell_sequences.reading import PARTS, files_of, read_table
from memcell_sequences.selecting import RawSequence, Roles, select
from memcell_sequences.targets import MOST_ONE_HOT, TargetPlan


def read_folder(config: SequencesConfig, progress: Progress = SILENT) -> list[RawSequence]:
    """Return the sequences of the folder that ``--data`` names.

    Raises:
        UsageError: It names none.
        DataError: A file cannot be used; names it.
    """
    if config.data is None:
        raise UsageError("which sequences? Type --data FOLDER, one file a sequence in it")
    folder = config.data
    paths = files_of(folder)
    parts = [_part(path, folder) for path in paths]
    if any(parts) and not all(parts):
        loose = paths[parts.index("")]
        raise DataError(
            f"'{folder}' has folders of splits ({', '.join(sorted({*parts} - {''}))}), and '{loose.name}' "
            "lies in none of them: put it into train, valid or test"
        )
    if any(parts) and "train" not in parts:
        raise DataError(f"'{folder}' has no folder train beside {', '.join(sorted({*parts}))}")
    roles = Roles.of(config)
    progress.expect(len(paths))
    found = []
    for path, name, part in zip(paths, names_of(paths, folder), parts, strict=True):
        found.append(select(read_table(path), roles, name, part=part))
        progress.advance(1, name)
    check_width(found)
    return found


def names_of(paths: Sequence[Path], folder: Path) -> list[str]:
    """Return a name for each file: its own without ending, with its folders where two are called the same."""
    count = Counter(path.stem for path in paths)
    return [
        path.stem
        if count[path.stem] == 1
        else "-".join(path.relative_to(folder).with_suffix("").parts)
        for path in paths
    ]


def _part(path: Path, folder: Path) -> str:
    first = path.relative_to(folder).parts[0]
    return first if first in PARTS and path.parent != folder else ""


def check_width(sequences: Sequence[RawSequence]) -> None:
    """Refuse sequences of other features than the first one's.

    Raises:
        DataError: Names both.
    """
    first = sequences[0]
    for s in sequences:
        if s.x.shape[1] != first.x.shape[1]:
            raise DataError(
                f"sequence '{s.name}' has {s.x.shape[1]} features a step and '{first.name}' "
                f"{first.x.shape[1]}; expected the same in each: name them with --features"
            )
        if s.features != first.features:
            other = next(n for n in s.features if n not in first.features)
            raise DataError(
                f"sequence '{s.name}' has the feature '{other}', which '{first.name}' has not; expected the "
                "same columns in each, or name them with --features"
            )


@dataclass(frozen=True, kw_only=True)
class InputPlan:
    """How features are made of a sequence: which columns, how missing ones are filled, at what scale.

    Args:
        roles: The columns.
        names: Of the features of a file.
        mean, sd: Of each over the training steps.
        scaled: They are brought to mean 0 and standard deviation 1.
        missing: What is done with missing ones.
        one_hot: Tokens are one-hot features; otherwise numbers that the encoder looks up.
        tokens: How many there are; 0 where features are no tokens.
    """

    roles: Roles
    names: tuple[str, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    scaled: bool
    missing: str
    tokens: int = 0

    @property
    def one_hot(self) -> bool:
        """Whether tokens are one-hot features."""
        return 0 < self.tokens <= MOST_ONE_HOT

    @classmethod
    def fitted(
        cls, train: Sequence[RawSequence], config: SequencesConfig, target: TargetPlan
    ) -> InputPlan:
        """Return the plan of the training sequences."""
        x = np.concatenate([s.x for s in train])
        known = ~np.isnan(x)
        n = known.sum(axis=0)
        if x.shape[1] and not n.all():
            name = train[0].features[int(np.flatnonzero(n == 0)[0])]
            raise DataError(
                f"feature '{name}' is missing at every training step: leave it out with --features"
            )
        mean = np.nansum(x, axis=0) / np.maximum(n, 1)
        sd = np.sqrt(np.nansum((x - mean) ** 2, axis=0) / np.maximum(n, 1))
        sd = np.where(sd > 1e-12 * np.maximum(1, np.abs(mean)), sd, 1.0)
        return cls(
            roles=train[0].roles,
            names=train[0].features,
            mean=tuple(mean.tolist()),
            sd=tuple(sd.tolist()),
            scaled=config.scale == "standard",
            missing=config.missing,
            tokens=len(target.classes) if target.kind == "next" else 0,
        )

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> InputPlan:
        """Return what `facts` described."""
        return cls(
            roles=Roles.of_facts(facts["roles"]),
            names=tuple(map(str, facts["names"])),
            mean=tuple(map(float, facts["mean"])),
            sd=tuple(map(float, facts["sd"])),
            scaled=bool(facts["scaled"]),
            missing=str(facts["missing"]),
            tokens=int(facts["tokens"]),
        )

    def facts(self) -> dict[str, Any]:
        """Return this as JSON holds it."""
        return {
            "roles": self.roles.facts(),
            "names": list(self.names),
            "mean": list(self.mean),
            "sd": list(self.sd),
            "scaled": self.scaled,
            "missing": self.missing,
            "tokens": self.tokens,
        }

    def features(self, sequence: RawSequence, target: TargetPlan) -> NDArray[np.float32]:
        """Return the features ``[T, F]`` of a sequence.

        Raises:
            DataError: It has others than the training sequences, or some are missing.
        """
        if sequence.features != self.names:
            raise DataError(
                f"sequence '{sequence.name}' has {_listed(sequence.features)}; the model takes "
                f"{_listed(self.names)}"
            )
        parts = []
        if self.tokens:
            parts.append(self._tokens(sequence, target))
        if self.names:
            parts.append(self._numbers(sequence))
        return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]

    def _tokens(self, sequence: RawSequence, target: TargetPlan) -> NDArray[np.float32]:
        numbers = target.numbers(sequence)
        if not self.one_hot:
            return (numbers + 1).astype(np.float32)[:, None]
        found = np.zeros((len(numbers), self.tokens), dtype=np.float32)
        known = np.flatnonzero(numbers != UNLABELLED)
        found[known, numbers[known]] = 1
        return found

    def _numbers(self, sequence: RawSequence) -> NDArray[np.float32]:
        x, mean = sequence.x, np.array(self.mean)
        gone = np.isnan(x)
        if gone.any():
            if self.missing == "refuse":
                step, which = map(int, np.argwhere(gone)[0])
                raise DataError(
                    f"sequence '{sequence.name}': feature '{self.names[which]}' is missing at step {step} "
                    f"({int(gone.sum())} of {gone.size} are); type --missing previous or --missing mean"
                )
            if self.missing == "previous":
                last = np.where(gone, -1, np.arange(len(x))[:, None])
                last = np.maximum.accumulate(last, axis=0)
                held = np.take_along_axis(x, last.clip(0), axis=0)
                x = np.where(last >= 0, held, mean)
            else:
                x = np.where(gone, mean, x)
        if self.scaled:
            x = (x - mean) / np.array(self.sd)
        return x.astype(np.float32)


def series(
    sequence: RawSequence, inputs: InputPlan, target: TargetPlan, *, targeted: bool = True
) -> TimeSeries:
    """Return a sequence as the engine takes it.

    Args:
        sequence: As it was read.
        inputs: How its features are made.
        target: What its targets are.
        targeted: False for one to predict: it has no targets.

    Raises:
        DataError: It does not fit the plans.
    """
    targets: Any = np.full(sequence.n_steps, UNLABELLED, dtype=np.int64)
    if targeted:
        targets = target.encoded(sequence)
    return TimeSeries(
        name=sequence.name,
        subject=sequence.subject,
        features=inputs.features(sequence, target),
        targets=targets,
        breaks=sequence.breaks,
        start_time=0.0 if sequence.times is None else float(sequence.times[0]),
        step_seconds=sequence.step_seconds,
        step_times=sequence.times,
    )


def _listed(names: Sequence[str]) -> str:
    few = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    return f"{len(names)} features ({few})" if names else "no features"
