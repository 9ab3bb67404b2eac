"""What the targets of a folder of sequences are, and their form for the engine.

Classes are what is found, in order: the numbers, or the words. A class keeps its own name in every output;
the engine counts them from 0. What is missing is -1, empty or NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.sequences.targets import Classes, MultiLabel, TargetKind, Values
from memcell_sequences.reading import Column
from memcell_sequences.selecting import RawSequence

#: More classes than that, found where nobody asked for classes, are values.
MOST_CLASSES = 1000
#: Tokens are one-hot features up to so many.
MOST_ONE_HOT = 128


@dataclass(frozen=True, kw_only=True)
class TargetPlan:
    """What a step's target is.

    Args:
        kind: ``"classes"``, ``"values"``, ``"labels"`` or ``"next"``.
        names: Of values or labels; of classes one name.
        classes: Names of the classes or tokens, in the order of the outputs.
        words: Classes are words, not numbers.
    """

    kind: str
    names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    words: bool = False

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> TargetPlan:
        """Return what `facts` described."""
        return cls(
            kind=str(facts["kind"]),
            names=tuple(map(str, facts["names"])),
            classes=tuple(map(str, facts["classes"])),
            words=bool(facts["words"]),
        )

    def facts(self) -> dict[str, Any]:
        """Return this as JSON holds it."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "classes": list(self.classes),
            "words": self.words,
        }

    @property
    def outputs(self) -> tuple[str, ...]:
        """A name for each output."""
        return self.classes if self.kind in ("classes", "next") else self.names

    def target(self, loss: str) -> TargetKind:
        """Return the engine's kind of target; values are not fitted yet."""
        if self.kind == "values":
            return Values(names=self.names, loss="squared" if loss == "auto" else loss)
        return MultiLabel(self.names) if self.kind == "labels" else Classes(len(self.classes))

    def encoded(self, sequence: RawSequence) -> NDArray[np.int64] | NDArray[np.float32]:
        """Return the targets of a sequence as the engine has them.

        Raises:
            DataError: They are of another kind.
        """
        y = sequence.y
        assert y is not None
        if self.kind == "values":
            return _as_values(sequence, y, len(self.names))
        if self.kind == "labels":
            return _as_labels(sequence, y, len(self.names))
        tokens = self.numbers(sequence)
        return shifted(tokens, sequence.breaks) if self.kind == "next" else tokens

    def numbers(self, sequence: RawSequence) -> NDArray[np.int64]:
        """Return the class or token of each step, counted from 0; -1 where there is none.

        Raises:
            DataError: One is not known.
        """
        y = sequence.y
        assert y is not None
        written = class_names(sequence, y)
        place = {name: k for k, name in enumerate(self.classes)} | {"": -1}
        new = sorted(set(written) - place.keys())
        if new:
            what = "token" if self.kind == "next" else "class"
            raise DataError(
                f"sequence '{sequence.name}' has the {what} '{new[0]}'; expected one of "
                f"{_few(self.classes)}"
            )
        return np.array([place[name] for name in written], dtype=np.int64)


def shifted(tokens: NDArray[np.int64], breaks: Sequence[int]) -> NDArray[np.int64]:
    """Return the token after each step; none at the last one, and before a gap."""
    after = np.full(len(tokens), -1, dtype=np.int64)
    after[:-1] = tokens[1:]
    after[[b - 1 for b in breaks]] = -1
    return after


def plan_of(sequences: Sequence[RawSequence], kind: str) -> TargetPlan:
    """Return what the targets of sequences are.

    Args:
        sequences: All of them.
        kind: As it was asked for; ``"auto"`` to be found.

    Raises:
        DataError: They are of no kind, of several, or not of the one that was asked for.
    """
    first = sequences[0]
    assert first.y is not None
    width = first.y.width
    for s in sequences:
        assert s.y is not None
        if s.y.width != width:
            raise DataError(
                f"sequence '{s.name}' has {s.y.width} targets a step and '{first.name}' {width}; expected "
                "the same in each"
            )
        if s.y.of_words != first.y.of_words and s.y.values.size and not _empty(s.y):
            raise DataError(
                f"sequence '{s.name}' has {_sort(s.y)} for targets and '{first.name}' {_sort(first.y)}; "
                "expected the same in each"
            )
    found = kind if kind != "auto" else _kind(sequences, width)
    if found in ("classes", "next"):
        if width > 1:
            what = "class" if found == "classes" else "token"
            raise DataError(
                f"there are {width} targets a step, and a step has one {what}: "
                "type --kind labels or values, or name one column with --target"
            )
        return _of_classes(sequences, found, kind)
    if found == "values" and first.y.of_words:
        word = next((w for w in first.y.values.ravel() if w), "")
        raise DataError(
            f"sequence '{first.name}' has the target '{word}', a word; expected numbers, or --kind classes"
        )
    plan = TargetPlan(kind=found, names=first.targets)
    if found == "labels":
        for s in sequences:
            assert s.y is not None
            _as_labels(s, s.y, width)
    return plan


def _kind(sequences: Sequence[RawSequence], width: int) -> str:
    columns = [s.y for s in sequences if s.y is not None and not _empty(s.y)]
    if any(c.of_words for c in columns):
        return "classes"
    if not columns or not all(c.whole for c in columns):
        return "values"
    values = np.unique(np.concatenate([c.values.ravel() for c in columns]))
    values = values[~np.isnan(values)]
    if width > 1:
        return "labels" if set(values.tolist()) <= {-1.0, 0.0, 1.0} else "values"
    if len(values) > MOST_CLASSES:
        raise DataError(
            f"the target has {len(values)} different whole numbers: type --kind values if it is a quantity, "
            "--kind classes if each is a class"
        )
    return "classes"


def _of_classes(sequences: Sequence[RawSequence], kind: str, asked: str) -> TargetPlan:
    names: set[str] = set()
    words = False
    for s in sequences:
        assert s.y is not None
        names |= set(class_names(s, s.y))
        words = words or s.y.of_words
    names -= {""}
    what = "tokens" if kind == "next" else "classes"
    if len(names) < 2:
        there = f"all are '{next(iter(names))}'" if names else "no step has one"
        raise DataError(f"there is nothing to tell apart: {there}; expected two {what} or more")
    ordered = sorted(names) if words else sorted(names, key=int)
    target = next(s.targets[0] for s in sequences)
    return TargetPlan(kind=kind, names=(target,), classes=tuple(ordered), words=words)


def class_names(sequence: RawSequence, y: Column) -> list[str]:
    """Return the name of each step's class; empty where it has none.

    Raises:
        DataError: A number is not whole, or below -1.
    """
    values = y.values.reshape(-1)
    if y.of_words:
        return [str(v) for v in values.tolist()]
    known = values[~np.isnan(values)]
    odd = known[(known != np.round(known)) | (known < -1)]
    if len(odd):
        raise DataError(
            f"sequence '{sequence.name}' has the target {odd[0]:g}; expected a class, which is a whole "
            "number from 0 on (-1 where there is none) or a word: type --kind values for regression"
        )
    return ["" if np.isnan(v) or v == -1 else str(int(v)) for v in values.tolist()]


def _as_values(sequence: RawSequence, y: Column, width: int) -> NDArray[np.float32]:
    if y.of_words and not _empty(y):
        word = next(w for w in y.values.ravel() if w)
        raise DataError(
            f"sequence '{sequence.name}' has the target '{word}'; expected numbers, empty or NaN where there "
            "is none"
        )
    values = np.full(y.values.shape, np.nan) if y.of_words else y.values
    if np.isinf(values).any():
        raise DataError(
            f"sequence '{sequence.name}' has an infinite target; expected numbers or NaN"
        )
    if y.width != width:
        raise DataError(
            f"sequence '{sequence.name}' has {y.width} targets a step; expected {width}"
        )
    found = np.asarray(values, dtype=np.float32)
    return found.reshape(-1) if width == 1 else found


def _as_labels(sequence: RawSequence, y: Column, width: int) -> NDArray[np.int64]:
    if y.of_words:
        raise DataError(
            f"sequence '{sequence.name}' has words for targets; expected labels of 0 and 1, -1 or empty "
            "where nobody knows"
        )
    values = np.nan_to_num(y.values, nan=-1).reshape(len(y.values), -1)
    odd = values[~np.isin(values, (-1, 0, 1))]
    if len(odd):
        raise DataError(
            f"sequence '{sequence.name}' has the target {odd[0]:g}; expected labels of 0 and 1, -1 or empty "
            "where nobody knows: type --kind values for regression"
        )
    if values.shape[1] != width:
        raise DataError(
            f"sequence '{sequence.name}' has {values.shape[1]} targets a step; expected {width}"
        )
    return np.asarray(values, dtype=np.int64)


def _empty(y: Column) -> bool:
    if y.of_words:
        return not (y.values != "").any()
    return bool(np.isnan(y.values).all())


def _sort(y: Column) -> str:
    return "words" if y.of_words else "numbers"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
