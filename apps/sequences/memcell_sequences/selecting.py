"""What the columns of a file are: features, target, subject, time, and where memory restarts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError, did_you_mean
from memcell_sequences.config import FILE_NAME, SequencesConfig
from memcell_sequences.reading import Column, FileColumns

#: Columns that are no features unless they are named as such.
RESERVED = ("subject", "time", "starts", "gaps")
TARGETS = ("y", "target", "label")
TOKENS = ("token", "y", "x")
#: A step is a gap where time advances by more than so many usual steps.
GAP = 1.5


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Which columns are what, as they were asked for; empty where nobody said.

    Args:
        features: Names.
        target: Names.
        subject: A name, or `FILE_NAME`.
        time: A name.
        tokens: The target is the next token, and the token is the feature.
    """

    features: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    subject: str = ""
    time: str = ""
    tokens: bool = False

    @classmethod
    def of(cls, config: SequencesConfig) -> Roles:
        """Return the roles that options name."""
        return cls(
            features=config.features,
            target=config.target,
            subject=config.subject,
            time=config.time,
            tokens=config.kind == "next",
        )

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Roles:
        """Return what `facts` described."""
        return cls(
            features=tuple(map(str, facts["features"])),
            target=tuple(map(str, facts["target"])),
            subject=str(facts["subject"]),
            time=str(facts["time"]),
            tokens=bool(facts["tokens"]),
        )

    def facts(self) -> dict[str, Any]:
        """Return this as JSON holds it."""
        lists = {"features": list(self.features), "target": list(self.target)}
        return {**lists, "subject": self.subject, "time": self.time, "tokens": self.tokens}


@dataclass(frozen=True, kw_only=True)
class RawSequence:
    """A file with its roles told apart, before anything is scaled.

    Args:
        name: Of the sequence.
        subject: Whose it is.
        x: ``[T, F]`` float64, NaN where missing.
        features: Their names.
        roles: The columns that were taken, by name.
        y: Of each step; None where there is none.
        targets: Names of the targets.
        breaks: Steps before which memory restarts.
        step_seconds: The usual step.
        times: ``[T]`` seconds, or None.
        part: The split that its folder names; empty where none does.
    """

    name: str
    subject: str
    x: NDArray[np.float64]
    features: tuple[str, ...]
    y: Column | None
    roles: Roles = field(default_factory=Roles, repr=False)
    targets: tuple[str, ...] = ()
    breaks: tuple[int, ...] = ()
    step_seconds: float = 1.0
    times: NDArray[np.float64] | None = field(default=None, repr=False)
    part: str = ""

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.x)


def select(
    table: FileColumns, roles: Roles, name: str, *, part: str = "", targeted: bool = True
) -> RawSequence:
    """Return what a file holds.

    Args:
        table: The file.
        roles: Which columns are what.
        name: What the sequence is called.
        part: The split that its folder names.
        targeted: It needs a target; a file to predict needs none, but for its tokens.

    Raises:
        DataError: A column is missing, or holds what it should not.
    """
    wanted = targeted or roles.tokens
    target = _targets(table, roles) if wanted else ()
    y = _stacked(table, target) if wanted else None
    chosen = _chosen(table, roles, target)
    x = _features(table, chosen)
    times = _times(table, roles)
    breaks, step = _breaks(table, times)
    return RawSequence(
        name=name,
        subject=_subject(table, roles, name) if targeted else name,
        x=x,
        features=_names(table, chosen),
        y=y,
        roles=replace(roles, features=chosen, target=target),
        targets=_names(table, target),
        breaks=breaks,
        step_seconds=step,
        times=times,
        part=part,
    )


def _need(table: FileColumns, name: str, what: str) -> Column:
    if name not in table.columns:
        raise DataError(
            f"'{table.path.name}' has no column '{name}' for {what}; it has {table.names()}."
            f"{did_you_mean(name, table.columns)}"
        )
    return table.columns[name]


def _targets(table: FileColumns, roles: Roles) -> tuple[str, ...]:
    usual = TOKENS if roles.tokens else TARGETS
    if roles.target:
        for name in roles.target:
            if name not in table.single:
                _need(table, name, "--target")
        return roles.target
    there = table.columns.keys() | table.single.keys()
    found = next((name for name in usual if name in there), None)
    if found is None:
        raise DataError(
            f"'{table.path.name}' has no target: none of its columns ({table.names()}) is called "
            f"{', '.join(usual)}; type --target COLUMN"
        )
    return (found,)


def _stacked(table: FileColumns, names: Sequence[str]) -> Column:
    columns = [table.columns.get(name) or _at_the_end(table, name) for name in names]
    if len(columns) == 1:
        return columns[0]
    words = [name for name, c in zip(names, columns, strict=True) if c.of_words]
    if words:
        raise DataError(
            f"'{table.path.name}': target '{words[0]}' holds words beside other targets; expected numbers, "
            "or one target of words alone"
        )
    values = np.concatenate([c.values.reshape(table.n_steps, -1) for c in columns], axis=1)
    return Column(values=values, whole=all(c.whole for c in columns))


def _at_the_end(table: FileColumns, name: str) -> Column:
    """Return the one target of a whole sequence as that of its last step."""
    value = table.single[name]
    if isinstance(value, str):
        words = [""] * (table.n_steps - 1)
        return Column(values=np.array([*words, value], dtype=np.str_))
    values = np.full(table.n_steps, np.nan)
    values[-1] = value
    return Column(values=values, whole=name in table.whole)


def _chosen(table: FileColumns, roles: Roles, target: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that are features."""
    chosen = roles.features
    if not chosen and roles.tokens:
        return ()
    if not chosen and "x" in table.columns and "x" not in target:
        chosen = ("x",)
    if not chosen:
        out = {*RESERVED, roles.subject, roles.time, *target}
        chosen = tuple(name for name in table.columns if name not in out)
    if not chosen:
        raise DataError(
            f"'{table.path.name}' has no features: beside the target it has nothing; type --features COLUMNS"
        )
    return chosen


def _features(table: FileColumns, chosen: Sequence[str]) -> NDArray[np.float64]:
    """Return the features ``[T, F]``."""
    parts = [np.empty((table.n_steps, 0))]
    for name in chosen:
        column = _need(table, name, "--features")
        if column.of_words:
            word = next(w for w in column.values.ravel() if w)
            raise DataError(
                f"'{table.path.name}': column '{name}' holds words ('{word}'), and a feature is a number: "
                "write numbers, or name the others with --features"
            )
        parts.append(column.values.reshape(table.n_steps, -1))
    x = np.concatenate(parts, axis=1)
    if np.isinf(x).any():
        step = int(np.argwhere(np.isinf(x))[0][0])
        raise DataError(
            f"'{table.path.name}' has an infinite feature at step {step}; expected numbers"
        )
    return x


def _names(table: FileColumns, chosen: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    for name in chosen:
        column = table.columns.get(name) or _at_the_end(table, name)
        wide = column.width > 1
        names += [f"{name}{k}" for k in range(column.width)] if wide else [name]
    return tuple(names)


def _subject(table: FileColumns, roles: Roles, name: str) -> str:
    wanted = roles.subject
    if wanted == FILE_NAME:
        return name
    key = wanted or "subject"
    if key in table.single:
        return _word(table.single[key])
    if key not in table.columns:
        if not wanted:
            return name
        _need(table, wanted, "--subject")
    found = sorted({_word(v) for v in table.columns[key].values.ravel().tolist()})
    if len(found) > 1:
        raise DataError(
            f"'{table.path.name}' is of {len(found)} subjects ({', '.join(found[:3])}) in column '{key}'; "
            "expected one file a sequence, of one subject"
        )
    return found[0]


def _word(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _times(table: FileColumns, roles: Roles) -> NDArray[np.float64] | None:
    name = roles.time or "time"
    if name not in table.columns:
        if roles.time:
            _need(table, name, "--time")
        return None
    column = table.columns[name]
    values = column.values
    if column.of_words:
        try:
            values = np.array(values.tolist(), dtype="datetime64[us]").astype(np.int64) / 1e6
        except ValueError:
            raise DataError(
                f"'{table.path.name}': column '{name}' holds '{values.ravel()[0]}'; expected seconds, or "
                "dates such as 2026-01-31T12:00:00"
            ) from None
    if values.ndim > 1 or not np.isfinite(values).all():
        raise DataError(
            f"'{table.path.name}': the time of a step is missing in column '{name}'; expected one for each"
        )
    back = np.flatnonzero(np.diff(values) <= 0)
    if len(back):
        raise DataError(
            f"'{table.path.name}': time goes back or stands still at step {back[0] + 1} "
            f"({values[back[0]]:g}, then {values[back[0] + 1]:g}); expected ascending times in '{name}'"
        )
    return np.asarray(values, dtype=np.float64)


def _breaks(table: FileColumns, times: NDArray[np.float64] | None) -> tuple[tuple[int, ...], float]:
    found: set[int] = set()
    step = 1.0
    if times is not None and len(times) > 1:
        ahead = np.diff(times)
        step = float(np.median(ahead))
        found |= {int(k) + 1 for k in np.flatnonzero(ahead > GAP * step)}
    if "starts" in table.columns:
        marks = table.columns["starts"].values
        if marks.dtype.kind == "U" or marks.ndim > 1:
            raise DataError(
                f"'{table.path.name}': 'starts' must be 1 where memory restarts, else 0, for each step"
            )
        found |= {int(k) for k in np.flatnonzero(np.nan_to_num(marks)) if k}
    for gap in table.single.get("gaps", ()):
        if not 0 < gap < table.n_steps:
            raise DataError(
                f"'{table.path.name}': a gap is before step {gap}; expected 1 to {table.n_steps - 1}"
            )
        found.add(int(gap))
    return tuple(sorted(found)), step
