"""X and y as scikit-learn's tools hand them over, as sequences and back.

=====================================  ===============================  ==========================
X                                      y of each step                   y of each sequence
=====================================  ===============================  ==========================
a list of n arrays ``[T_i, F]``        a list of n ``[T_i]`` or         ``[n]`` or ``[n, K]``
                                       ``[T_i, K]``
an array ``[n, T, F]``                 ``[n, T]`` or ``[n, T, K]``      ``[n]`` or ``[n, K]``
an array ``[T, F]``: one sequence      ``[T]`` or ``[T, K]``
=====================================  ===============================  ==========================

Where both readings of y are possible (K is T), it is one of each step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from memcell.applications.arrays import as_words

Array = NDArray[Any]
Target = Literal["step", "sequence"]
#: How sequences came.
Form = Literal["list", "array", "one"]
#: A sequence of fewer steps is not cut in two.
SHORTEST = 10
_EXPECTED = "a list of sequences [steps, features], an array [n, steps, features], or one sequence"


@dataclass(frozen=True, kw_only=True)
class GivenSequences:
    """Sequences, and how they came.

    Args:
        sequences: ``[T_i, F]`` float64 each.
        form: How they came.
    """

    sequences: list[Array]
    form: Form

    @property
    def n_features(self) -> int:
        """F."""
        return int(self.sequences[0].shape[1])

    @property
    def lengths(self) -> list[int]:
        """Steps of each."""
        return [len(s) for s in self.sequences]

    def as_came(self, answers: Sequence[Array], target: Target) -> Array:
        """Return an answer for each sequence (of its steps, or one) in the form that they came in.

        Answers of each step for a list are an array of arrays, as cross-validation can put together.
        """
        if target == "sequence":
            return np.stack(answers)
        if self.form == "one":
            return answers[0]
        if self.form == "array":
            return np.stack(answers)
        found = np.empty(len(answers), dtype=object)
        for k, answer in enumerate(answers):
            found[k] = answer
        return found


def form_of(x: Any) -> Form:
    """Return how sequences came; nothing is checked.

    Raises:
        ValueError: They are words, or a dict.
    """
    if isinstance(x, str | bytes) or (isinstance(x, dict) and not hasattr(x, "shape")):
        raise ValueError(f"X is a {type(x).__name__}; expected {_EXPECTED}")
    shape: tuple[int, ...] = getattr(x, "shape", ())
    if len(shape) > 3 or not (shape or hasattr(x, "__len__") or hasattr(x, "__array__")):
        what = f"of shape {list(shape)}" if shape else f"a {type(x).__name__}"
        raise ValueError(f"X is {what}; expected {_EXPECTED}")
    if isinstance(x, list | tuple):
        if not len(x):
            raise ValueError(f"X has no sequences; expected {_EXPECTED}")
        # rows of numbers are one sequence, written as a list
        return "list" if hasattr(x[0], "shape") or _rows(x[0]) else "one"
    if getattr(getattr(x, "dtype", None), "kind", "") == "O" and len(shape) == 1:
        return "list"  # an array of arrays, as cross-validation hands it on
    return "array" if len(shape) == 3 else "one"


def _rows(value: Any) -> bool:
    """Whether a value is rows of numbers, written as lists."""
    return isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], list | tuple)


def inputs_of(x: Any, form: Form, gaps: bool) -> GivenSequences:
    """Return the sequences of a list or an array ``[n, T, F]``.

    Args:
        x: What came.
        form: ``"list"`` or ``"array"``; one sequence alone is `sklearn.utils.validation.validate_data`'s.
        gaps: Missing features are allowed.

    Raises:
        ValueError: It is not of that form; says which sequence.
    """
    if not len(x):
        raise ValueError(f"X has no sequences; expected {_EXPECTED}")
    finite: Any = "allow-nan" if gaps else True
    found: list[Array] = []
    for k, one in enumerate(x):
        value = one.detach().cpu().numpy() if hasattr(one, "detach") else one
        if np.ndim(value) != 2:
            raise ValueError(
                f"X[{k}] has the shape {list(np.shape(value))}; expected [steps, features]: write x[:, None] "
                "for one feature, and np.array(X) where X is one sequence"
            )
        if not len(value):
            raise ValueError(f"X[{k}] has no steps; expected one or more in each sequence")
        try:
            checked = check_array(
                value, dtype=np.float64, ensure_all_finite=finite, input_name=f"X[{k}]"
            )
        except ValueError as error:
            words = f"X[{k}] holds words ({error}); expected numbers"
            raise ValueError(words if "could not convert" in str(error) else str(error)) from None
        if found and checked.shape[1] != found[0].shape[1]:
            raise ValueError(
                f"X[{k}] has {checked.shape[1]} features a step and X[0] {found[0].shape[1]}; expected the "
                "same in each"
            )
        found.append(checked)
    return GivenSequences(sequences=found, form=form)


@dataclass(frozen=True, kw_only=True)
class GivenTargets:
    """GivenTargets of sequences, as they came.

    Args:
        each: ``[T_i]`` or ``[T_i, K]`` where there is one a step, else a scalar or ``[K]``.
        target: What one is of.
    """

    each: list[Array]
    target: Target

    def pooled(self) -> Array:
        """Return all of them, one below the other.

        Raises:
            ValueError: They are not of one width; says which.
        """
        widths = [v.shape[1:] if self.target == "step" else v.shape for v in self.each]
        other = next((k for k, width in enumerate(widths) if width != widths[0]), None)
        if other is not None:
            first, its = (math.prod(w) for w in (widths[0], widths[other]))
            raise ValueError(
                f"y[{other}] has {its} targets a {self.target} and y[0] {first}; expected the same in each"
            )
        return np.concatenate(self.each) if self.target == "step" else np.stack(self.each)


def targets_of(y: Any, inputs: GivenSequences) -> GivenTargets:
    """Return targets as they belong to sequences.

    Raises:
        ValueError: There are more or fewer than sequences or steps; says which.
    """
    if y is None:
        raise ValueError(
            "This estimator requires y to be passed, but the target y is None: a target for each step or "
            "for each sequence"
        )
    lengths = inputs.lengths
    if inputs.form == "one":
        whole = _array(y, "y")
        if whole.ndim not in (1, 2) or len(whole) != lengths[0]:
            raise ValueError(
                f"X has {lengths[0]} steps of one sequence and y the shape {list(whole.shape)}; expected "
                "[steps], for inconsistent numbers of samples cannot be trained on: give a list of "
                "sequences where y has one target for each"
            )
        return GivenTargets(each=[whole], target="step")
    if np.ndim(y) == 0 if not isinstance(y, list | tuple) else False:
        raise ValueError(
            f"y is one {type(y).__name__}; expected a target for each step or sequence"
        )
    if len(y) != len(lengths):
        raise ValueError(
            f"X has {len(lengths)} sequences and y {len(y)}: inconsistent numbers of samples; expected "
            "targets for each"
        )
    each = [_array(y[k] if not hasattr(y, "iloc") else y.iloc[k], f"y[{k}]") for k in range(len(y))]
    if all(v.ndim == 0 for v in each):
        return GivenTargets(each=each, target="sequence")
    if all(v.ndim and len(v) == n for v, n in zip(each, lengths, strict=True)):
        return GivenTargets(each=each, target="step")
    if all(v.ndim == 1 and len(v) == len(each[0]) for v in each):
        return GivenTargets(each=each, target="sequence")
    k = next(k for k, v in enumerate(each) if not v.ndim or len(v) != lengths[k])
    raise ValueError(
        f"y[{k}] has the shape {list(each[k].shape)} and X[{k}] {lengths[k]} steps; expected [{lengths[k]}], "
        "or one target for each sequence"
    )


def _array(value: Any, what: str) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{what} is no array: {error}") from None
    if found.dtype == object:
        found = as_words(found)
    if found.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {what} is complex; expected real numbers")
    if found.dtype.kind not in "biufUO":
        raise ValueError(f"{what} is of dtype {found.dtype}; expected numbers or words")
    return found


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A sequence with a target for each step.

    Args:
        x: ``[T, F]``.
        y: ``[T]`` or ``[T, K]``.
    """

    x: Array
    y: Array


def at_each_step(
    each: Sequence[Array], inputs: GivenSequences, target: Target, none: Any
) -> list[Array]:
    """Return targets of each step; those of whole sequences are those of their last steps.

    Args:
        each: Of each sequence, encoded.
        inputs: The sequences.
        target: What one is of.
        none: What stands for no target.
    """
    if target == "step":
        return list(each)
    found = []
    for value, length in zip(each, inputs.lengths, strict=True):
        whole = np.full((length, *np.shape(value)), none, dtype=np.asarray(value).dtype)
        whole[-1] = value
        found.append(whole)
    return found


def divided(
    sequences: Sequence[Labelled], groups: Any, fraction: float, rng: np.random.RandomState
) -> tuple[list[Labelled], list[Labelled]]:
    """Return those that train, and those that say when training ends.

    Whole groups are drawn, or whole sequences where there are none; of a single one its end validates. One
    that is too short for that, and a fraction of 0, validate on what trains.

    Raises:
        ValueError: Groups are not one for each sequence, or the fraction is none.
    """
    if not 0 <= fraction < 1:
        raise ValueError(
            f"validation_fraction got {fraction!r}; expected 0, to validate on what trains, to below 1"
        )
    units: Array = np.arange(len(sequences)) if groups is None else np.asarray(groups).ravel()
    if len(units) != len(sequences):
        raise ValueError(
            f"groups has {len(units)} entries, and X {len(sequences)} sequences; expected one for each"
        )
    names = np.unique(units)
    if fraction == 0:
        return list(sequences), list(sequences)
    if len(names) > 1:
        n = min(max(1, round(fraction * len(names))), len(names) - 1)
        held = np.isin(units, rng.permutation(names)[:n])
        train = [s for s, out in zip(sequences, held, strict=True) if not out]
        valid = [s for s, out in zip(sequences, held, strict=True) if out]
        if _any_target(train) and _any_target(valid):
            return train, valid
    if any(len(s.x) < SHORTEST for s in sequences):
        return list(sequences), list(sequences)
    cuts = [min(len(s.x) - 1, round(len(s.x) * (1 - fraction))) for s in sequences]
    pairs = list(zip(sequences, cuts, strict=True))
    train = [Labelled(x=s.x[:n], y=s.y[:n]) for s, n in pairs]
    valid = [Labelled(x=s.x[n:], y=s.y[n:]) for s, n in pairs]
    if _any_target(train) and _any_target(valid):
        return train, valid
    return list(sequences), list(sequences)


def _any_target(sequences: Sequence[Labelled]) -> bool:
    return any(
        bool((~np.isnan(s.y)).any() if s.y.dtype.kind == "f" else (s.y >= 0).any())
        for s in sequences
    )
