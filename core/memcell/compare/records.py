"""What a comparison keeps of each run: one JSON file, all that statistics and report read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memcell.errors import DataError, RunFolderError
from memcell.files.atomic import write_atomic
from memcell.files.reading import read_object, refusing
from memcell.version import __version__

#: How a run ended: it trained to the end; its loss was no longer a number; it could not be run.
STATUSES = ("done", "diverged", "failed")
#: That is written; 2 had one validation curve; 1 no looks, and under inference policies test scores alone.
FORMAT = 3
READ = (1, 2, FORMAT)

#: Version of the layout of a comparison's folder.
LAYOUT = 1

#: Score name to value; NaN where it is not defined.
Scores = Mapping[str, float]


def check_layout(found: Mapping[str, Any], path: Path) -> None:
    """Refuse the folder of a newer version.

    Raises:
        DataError: Says of which.
    """
    with refusing(path / "comparison.json"):
        layout = int(found["format"])
    if layout > LAYOUT:
        raise DataError(
            f"'{path}' was made by memcell {found.get('memcell')} (layout {layout}); this is memcell "
            f"{__version__} (layout {LAYOUT}): update memcell to use it"
        )


class OtherVersionError(RunFolderError):
    """A record that a newer memcell wrote: it cannot be read here, and is nothing to be made again."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run of a comparison.

    Args:
        id: Name of its folder under ``runs/``.
        setting: Axis name (``"policy"``, ``"learning_rate"``) to its value as written.
        seed: Seed of weights, order and dropout; runs of one seed are paired.
        status: One of `STATUSES`.
        reason: Why it was not done.
        updates: Optimizer steps done.
        training: ``(update, loss)`` of each epoch on the training windows, nats.
        validation: ``(update, loss)`` of each epoch on the validation split, nats; under the inference policy
            that the run was validated with.
        validations: Inference policy to such a curve under it, where epochs were validated under both.
        scores: Inference policy to test scores.
        subjects: Inference policy to test subject to scores.
        looks: ``(update, loss)`` of looks at the validation split within epochs, or before the first update.
        own: The inference policy that the training policy is used to.
        chosen: Inference policy to the validation loss of the network that was kept.
        valid_subjects: Inference policy to validation subject to that loss.
        cpu_seconds: CPU time of the run, all its beginnings together.
        notes: What every output on this task must carry.
    """

    id: str
    setting: Mapping[str, str]
    seed: int
    status: str
    reason: str = ""
    updates: int = 0
    training: tuple[tuple[int, float], ...] = ()
    validation: tuple[tuple[int, float], ...] = ()
    validations: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    scores: Mapping[str, Scores] = field(default_factory=dict)
    subjects: Mapping[str, Mapping[str, Scores]] = field(default_factory=dict)
    looks: tuple[tuple[int, float], ...] = ()
    own: str = ""
    chosen: Scores = field(default_factory=dict)
    valid_subjects: Mapping[str, Scores] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write it as JSON; numbers that are not defined become null."""
        values = {"format": FORMAT, **dataclasses.asdict(self)}
        write_atomic(path, json.dumps(_without_nan(values), indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Read it back.

        Raises:
            RunFolderError: The file is missing or damaged; says which.
            OtherVersionError: It is of a newer format.
        """
        values = read_object(path)
        with refusing(path):
            if values.pop("format") not in READ:
                raise OtherVersionError(
                    f"'{path}' was written by another version of memcell, newer than {__version__}: update "
                    "memcell, or choose another --out"
                )
            pairs: dict[str, Any] = {k: _curve(values.pop(k, ())) for k in _CURVES}
            pairs["validations"] = {p: _curve(c) for p, c in values.pop("validations", {}).items()}
            scores = {p: _with_nan(s) for p, s in values.pop("scores").items()}
            subjects = {
                p: {name: _with_nan(s) for name, s in each.items()}
                for p, each in values.pop("subjects").items()
            }
            notes = tuple(values.pop("notes"))
            chosen = _with_nan(values.pop("chosen", {}))
            valid = {p: _with_nan(s) for p, s in values.pop("valid_subjects", {}).items()}
            record = cls(
                **pairs, scores=scores, subjects=subjects, notes=notes, chosen=chosen,
                valid_subjects=valid, **values,
            )  # fmt: skip
            record._check()
            return record

    def _check(self) -> None:
        """Raise where a value is of another type than a run writes."""
        if self.status not in STATUSES:
            raise ValueError(f"its status is {str(self.status)[:40]}")
        texts = (self.id, self.reason, self.own, *self.notes, *self.setting, *self.setting.values())
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a text that is none")
        if type(self.seed) is not int or type(self.updates) is not int:
            raise ValueError("its seed or updates are no whole numbers")
        if not isinstance(self.cpu_seconds, int | float):
            raise ValueError("its cpu_seconds are no number")


def _curve(pairs: Iterable[Any]) -> tuple[tuple[int, float], ...]:
    return tuple((int(u), float(v)) for u, v in pairs)


_CURVES = ("training", "validation", "looks")


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and value != value else value


def _with_nan(scores: Mapping[str, Any]) -> dict[str, float]:
    return {k: float("nan") if v is None else float(v) for k, v in scores.items()}
