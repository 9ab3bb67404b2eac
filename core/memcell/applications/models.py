"""Trained models that come with a package: their cards, and how a name finds the folder of one.

A model is a run folder in the package with a card beside its weights, so whatever takes a run folder takes a
model's name. The card says what it was trained on, by whom it may be used, how it was made, how it scores on
which data, and what it is not; its checksum is that of the weights.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from memcell.errors import CheckpointError, PluginError, RunFolderError, UsageError, did_you_mean
from memcell.files.reading import MOST_WEIGHTS, check_inside, read_bytes, read_toml
from memcell.plugins import Entry, Registry
from memcell.plugins.specs import ModelSpec

CARD = "card.toml"
WEIGHTS = "model.safetensors"
#: Below a run that leaves each one out in turn: the run of the network that was trained on everybody.
FINAL = "final"
#: What a run folder of a model holds.
FILES = ("config.toml", "environment.json", WEIGHTS, CARD)
#: Version of the card's layout. A larger one than ours is refused by name.
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class ModelScore:
    """A score on a data set: the value and its 95 % interval over people.

    Args:
        on: The data set, and how the model came to be scored on it.
        score: Which score.
        value, low, high: Of it; the interval is NaN where none is known.
    """

    on: str
    score: str
    value: float
    low: float = math.nan
    high: float = math.nan

    def __str__(self) -> str:
        """Return it as ``0.58 (0.31 to 0.70)``."""
        if math.isnan(self.low):
            return f"{self.value:.2f}"
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a person must know of a trained model before using it.

    Args:
        name: The word that stands for its folder.
        version: Of the model, counted up with its weights.
        app: Its application.
        title: What it is, in a line.
        knows: What it tells apart, and what it does not know.
        takes: The recordings that it takes: channels, references, rates.
        gives: What comes out, and how late.
        data: What it was trained on.
        people: Who was recorded there.
        licence: Of the data, and of the weights.
        citation: What to cite.
        made: How it was made, so that somebody else can make it.
        threshold: How the threshold was chosen.
        limits: What it is not, and where it was found to fail.
        scores: By data set.
        sha256: Of the weights' file.
    """

    name: str
    version: str
    app: str
    title: str
    knows: str
    takes: str
    gives: str
    data: str
    people: str
    licence: str
    citation: str
    made: str
    threshold: str
    limits: tuple[str, ...]
    scores: tuple[ModelScore, ...]
    sha256: str

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """Read a card.

        Raises:
            RunFolderError: It is missing, of a newer layout, or lacks something; names the file.
        """
        values = read_toml(path)
        made_for = values.pop("format", None)
        if type(made_for) is int and made_for > FORMAT:
            raise RunFolderError(
                f"'{path}' has layout {made_for}, and this memcell reads {FORMAT}: update memcell to use it"
            )
        names = {f.name for f in fields(cls)}
        if values.keys() != names or made_for != FORMAT:
            wrong = sorted(names ^ values.keys()) or ["format"]
            raise RunFolderError(
                f"'{path}' is no card of a model: {', '.join(wrong)} (lacking or unknown)"
            )
        limits, scores = values.pop("limits"), values.pop("scores")
        texts = all(isinstance(v, str) for v in values.values())
        if not texts or not isinstance(limits, list) or not isinstance(scores, list):
            raise RunFolderError(f"'{path}' is no card of a model: texts and lists expected")
        return cls(
            **values,
            limits=tuple(map(str, limits)),
            scores=tuple(one for row in scores for one in _scores(row, path)),
        )


def _scores(row: Any, path: Path) -> list[ModelScore]:
    try:
        on = str(row["on"])
        values = {name: map(float, row[name]) for name in row if name != "on"}
        made = []
        for name, (value, low, high) in values.items():
            made.append(ModelScore(on=on, score=name, value=value, low=low, high=high))
    except (TypeError, KeyError, ValueError):
        raise RunFolderError(
            f"'{path}' is no card of a model: a score is written kappa = [value, low, high], below its 'on'"
        ) from None
    return made


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A trained model that is installed.

    Args:
        entry: Who brings it.
        folder: Its run folder.
    """

    entry: Entry
    folder: Path

    @property
    def name(self) -> str:
        """Its name."""
        return self.entry.spec.name

    @property
    def app(self) -> str:
        """The application that it is of."""
        return _spec(self.entry).app

    def card(self) -> ModelCard:
        """Read its card.

        Raises:
            RunFolderError: It cannot be read, or is another model's.
        """
        card = ModelCard.read(self.folder / CARD)
        if (card.name, card.app) != (self.name, self.app):
            raise RunFolderError(
                f"'{self.folder / CARD}' is the card of '{card.name}' of app '{card.app}', not of "
                f"'{self.name}' of '{self.app}'"
            )
        return card

    def check(self) -> ModelCard:
        """Return its card, once the weights are known to be those that it speaks of.

        Raises:
            RunFolderError: They are not, or a file is missing; says what to do.
        """
        missing = [name for name in FILES if not (self.folder / name).is_file()]
        if missing:
            raise RunFolderError(
                f"model '{self.name}' lacks {', '.join(missing)} in '{self.folder}': {self._again()}"
            )
        card = self.card()
        found = checksum(self.folder / WEIGHTS)
        if found != card.sha256:
            raise RunFolderError(
                f"the weights of model '{self.name}' are damaged: their SHA-256 is {found[:12]}…, and its "
                f"card says {card.sha256[:12]}…: {self._again()}"
            )
        return card

    def _again(self) -> str:
        return f"install {self.entry.distribution} again"


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file of weights."""
    return hashlib.sha256(read_bytes(path, MOST_WEIGHTS)).hexdigest()


def models_of(registry: Registry, app: str | None = None) -> list[TrainedModel]:
    """Return the trained models that are installed, of one application where given."""
    entries = [e for e in registry.entries("model") if app in (None, _spec(e).app)]
    return [open_model(entry) for entry in entries]


def get_model(registry: Registry, name: str) -> TrainedModel:
    """Return a trained model by name.

    Raises:
        UsageError: There is none of that name; says which there are.
    """
    return open_model(registry.get("model", name))


def open_model(entry: Entry) -> TrainedModel:
    """Return the trained model that a plugin brings; nothing of it is read.

    Raises:
        PluginError: Its factory returns no folder.
    """
    home = entry.build()
    if not isinstance(home, Path):
        raise PluginError(
            f"{entry.origin}: '{entry.spec.factory}' returned no pathlib.Path of a folder"
        )
    return TrainedModel(entry=entry, folder=home / entry.spec.name)


def names_a_model(registry: Registry, word: str) -> bool:
    """Whether a word stands for a trained model; a path that is there is meant before one."""
    return word in registry.names("model") and not Path(word).expanduser().exists()


def run_folder_of(registry: Registry, word: str | None, app: str | None = None) -> Path:
    """Return the run folder that a person means: a path, or the name of a trained model.

    Args:
        registry: What is installed.
        word: What was typed (a run with a network for each fold stands for the one that was trained on
            everybody, where it has one); None for the one model that comes with the application.
        app: The application that is to use it; None where the folder says.

    Raises:
        UsageError: The model is of another application, or none was named and there is not just one.
        CheckpointError: It is neither.
        RunFolderError: The model is damaged.
    """
    if word is None:
        return _only(registry, app).folder
    if names_a_model(registry, word):
        model = get_model(registry, word)
        card = model.check()
        if app not in (None, model.app):
            raise UsageError(
                f"model '{word}' is of app '{model.app}', not '{app}': {card.knows}. Type {model.app} "
                f"instead of {app}"
            )
        return model.folder
    path, names = Path(word).expanduser(), registry.names("model")
    if names and len(path.parts) == 1 and not path.exists():
        raise CheckpointError(
            f"'{word}' is not a run folder, nor a trained model that comes along."
            f"{did_you_mean(word, names)} Models: {', '.join(names)}"
        )
    return with_final(path)


def card_of_run(path: Path) -> tuple[Path, ModelCard]:
    """Return the folder and the card of the network of a run, its weights known to be those of the card.

    Raises:
        UsageError: It has no card.
        RunFolderError: The card or the weights are damaged.
    """
    folder = with_final(path)
    if not (folder / CARD).is_file():
        raise UsageError(
            f"'{path}' has no card: a model that comes along has one (memcell models list), and a run that "
            "leaves each one out and was trained with --final"
        )
    card = ModelCard.read(folder / CARD)
    found = checksum(folder / WEIGHTS)
    if found != card.sha256:
        raise RunFolderError(
            f"'{folder / WEIGHTS}' is not what its card speaks of: its SHA-256 is {found[:12]}..., and the "
            f"card says {card.sha256[:12]}...; go on with the run to write both anew"
        )
    return folder, card


def with_final(path: Path) -> Path:
    """Return the run folder of the network that a folder has: below one with folds, that of everybody."""
    final = path / FINAL
    if (path / "folds.json").is_file() and (final / WEIGHTS).is_file():
        return check_inside(final, path)
    return path


def chosen_message(folder: Path) -> str:
    """Return what is said where nobody named the model that is used."""
    return f"model {folder.name}, which comes along; its card: memcell models show {folder.name}"


def _only(registry: Registry, app: str | None) -> TrainedModel:
    found = models_of(registry, app)
    if len(found) == 1:
        found[0].check()
        return found[0]
    more = (
        f"one of the models that come along, {', '.join(m.name for m in found)}"
        if found
        else f"no model of '{app}' comes along"
    )
    raise UsageError(f"which trained network? Type --model RUN, a run folder ({more})")


def _spec(entry: Entry) -> ModelSpec:
    assert isinstance(entry.spec, ModelSpec)
    return entry.spec


def card_as_toml(card: Mapping[str, Any], scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a card as `ModelCard.read` reads it back.

    Args:
        card: The texts and the limits.
        scores: A mapping for each data set: ``on``, and each score as value, low and high.
    """
    return {"format": FORMAT, **card, "scores": [dict(row) for row in scores]}
