"""Training that goes on from a trained model: what is taken from it, what is refused, who it has seen.

The network begins with the weights of that model, and its features are made and scaled as there: before the
first update it *is* the model. So whatever makes features and network is the model's, and what is typed
otherwise is refused; how it is trained is today's. A run has the model's file as a copy of its own, and
whoever the model was trained on (or one that it went on from itself) may be trained on again, and is tested
on by nobody after it. A run that trains on everybody tests on nobody, and says whose scores those of its
cross-validation are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from memcell.applications.app import App, Task
from memcell.applications.models import (
    WEIGHTS,
    checksum,
    names_a_model,
    run_folder_of,
)
from memcell.applications.trained_on import BEFORE, spelled, trained_on
from memcell.errors import CheckpointError, ConfigError, MemcellError, UsageError
from memcell.inference.model_facts import ModelFacts, read_facts
from memcell.plugins import Registry
from memcell.plugins.options import fields_of, to_mapping
from memcell.plugins.options.values import check
from memcell.runs.run_folder import RunFolder, open_run
from memcell.sequences.targets import Values
from memcell.settings.run_config import RunConfig, merge_sections, resolve
from memcell.settings.source import SourceModel
from memcell.training.checkpoint import read_head
from memcell.training.fits import builder
from memcell.training.initial import compare_form

Sections = Mapping[str, Mapping[str, Any]]

#: Options of the network that its weights have the form of.
_FORM = ("hidden_size", "layers", "skip")
#: Plugins that have weights of their own, or say which there are.
PARTS = ("cell", "normalizer", "encoder", "head")
#: Plugins that are taken where none is typed.
_HABITS = ("policy", "gradient")
_MOST_NAMES = 5
_NO_ESTIMATE = (
    "the scores say how well the network follows these labels, and nothing of people whom no network "
    "has seen"
)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A trained model with what is needed to go on from it.

    Args:
        model: The model, its file found.
        config: Of its run.
        facts: Of its weights.
    """

    model: SourceModel
    config: RunConfig
    facts: ModelFacts

    @classmethod
    def open(cls, registry: Registry, word: str, app: str) -> Source:
        """Open what a person typed: the name of a model that comes along, a run folder, a file of weights.

        Raises:
            UsageError: It is of another app, or has a network for each fold.
            CheckpointError: It is none of these, or has no trained network.
            RunFolderError: It is damaged.
        """
        folder, config = open_run(app, _folder_of(registry, word, app), registry)
        if not folder.model.is_file():
            raise CheckpointError(
                f"run '{folder.path}' has no trained network yet; finish it with 'memcell train {app} "
                f"--resume {folder.path}'"
            )
        facts = read_facts(folder.model, read_head(folder.model).meta)
        named = names_a_model(registry, word)
        model = SourceModel(
            model=word if named else str(folder.path.absolute()),
            sha256=checksum(folder.model),
            file=folder.model,
        )
        return cls(model=model, config=config, facts=facts)

    def sections(self) -> dict[str, dict[str, Any]]:
        """Return the options that are taken from the model where they are not typed, and ``[init]``."""
        of_run: Mapping[str, Any] = self.config.sections()
        kinds = ("network", *PARTS, *_HABITS)
        taken = {kind: dict(of_run[kind]) for kind in kinds if kind in of_run}
        taken["training"] = {"time_steps": self.config.training.time_steps}
        taken[self.config.app] = self._of_app()
        taken["init"] = dict(self.model.section())
        return taken

    def under(self, typed: Sections) -> dict[str, Any]:
        """Return what was typed over what is taken from the model; of another plugin none of its options."""
        kept = self.sections()
        for kind in _HABITS:
            if typed.get(kind, {}).get("name", kept[kind]["name"]) != kept[kind]["name"]:
                del kept[kind]
        return merge_sections(kept, typed)

    def check_typed(self, typed: Sections, registry: Registry) -> None:
        """Refuse options that were typed and would make other features, or a network of another form.

        Args:
            typed: Sections without those taken from the model.
            registry: What is installed.

        Raises:
            UsageError: Names the first, with what the model has.
        """
        app = self.config.app
        for kind in PARTS:
            name = self.config.choices[kind].name
            self._same(kind, typed.get(kind, {}).get("name", name), name)
        own = resolve(app, self.sections(), registry)
        fixed = self._of_app() if hasattr(type(self.config.app_config), "of_model") else {}
        fields = {field.name: field for field in fields_of(type(own.app_config))}
        for name, value in typed.get(app, {}).items():
            if name in fixed and name in fields:
                here = check(fields[name], fields[name].now(value))
                self._same(name, here, getattr(own.app_config, name))
        config = resolve(app, self.under(typed), registry)
        for name in _FORM:
            here, its = getattr(config.network, name), getattr(own.network, name)
            if name != "skip" or "none" in (
                here,
                its,
            ):  # a path that is trained has the same weights
                self._same(name, here, its)
        for kind in PARTS:
            theirs = to_mapping(own.choices[kind].config)
            for name, value in to_mapping(config.choices[kind].config).items():
                self._same(f"{kind}.{name}", value, theirs.get(name))

    def _same(self, name: str, here: Any, its: Any) -> None:
        if here != its:
            raise UsageError(
                f"--{name.replace('_', '-')} {_word(here)} does not fit model {self.model}, which has "
                f"{_word(its)}: leave it out to go on from the model, or leave out --init"
            )

    def _of_app(self) -> dict[str, Any]:
        config = self.config.app_config
        of_model = getattr(type(config), "of_model", None)
        if of_model is None:
            return {k: v for k, v in to_mapping(config).items() if k != "data"}
        return dict(of_model(self.facts.task))


def _folder_of(registry: Registry, word: str, app: str) -> Path:
    if not word:
        raise UsageError(
            "--init got nothing: type a run folder, or the name of a model that comes along"
        )
    path = Path(word).expanduser()
    if not path.is_file():
        return run_folder_of(registry, word, app)
    if path.name != WEIGHTS:
        raise CheckpointError(
            f"'{word}' is no trained model: type a run folder, its {WEIGHTS}, or the name of a model that "
            "comes along"
        )
    if not RunFolder(path.parent).config.is_file():
        raise CheckpointError(
            f"'{word}' lies without the config.toml of its run, so nothing says what network it is of: put "
            "both into one folder"
        )
    return path.parent


def found(config: RunConfig, registry: Registry) -> RunConfig:
    """Return a config whose model to go on from has been looked for, where it names one.

    Raises:
        CheckpointError: It is not there, or another is.
        UsageError: It is of another app.
    """
    if config.init is None or config.init.file is not None:
        return config
    named = config.init
    source = Source.open(registry, named.model, config.app)
    if source.model.sha256 != named.sha256:
        raise CheckpointError(
            f"config names model {named}, and '{named.model}' has the SHA-256 "
            f"{source.model.sha256[:12]}...: it was changed; type --init to go on from the one that is there"
        )
    return dataclasses.replace(config, init=source.model)


def facts_of(model: SourceModel) -> Mapping[str, Any]:
    """Return what the app said of the data that a model was trained on.

    Raises:
        RunFolderError: Its file is missing or damaged.
    """
    if model.file is None:
        raise ConfigError(f"model {model} was not looked for")
    return _facts(model.file, model.sha256).task


@lru_cache(maxsize=4)
def _facts(file: Path, sha256: str) -> ModelFacts:
    """Return the facts of a file; kept, for every fold asks for them."""
    return read_facts(file, read_head(file).meta)


def check_form(config: RunConfig, registry: Registry, app: App, task: Task) -> None:
    """Refuse a model of another form than the network of a config, before anything is made.

    Args:
        config: Names the model, or none.
        registry: What is installed.
        app: The app of the run.
        task: Its data.

    Raises:
        UsageError: Says what differs.
    """
    model = config.init
    if model is None or model.file is None:
        return
    facts, n_features = _facts(model.file, model.sha256), task.train[0].n_features
    for what, its, here in (
        ("features a step", facts.n_features, n_features),
        (f"outputs a step ({facts.target.kind})", facts.n_classes, task.target.n_outputs),
    ):
        if its != here:
            raise UsageError(
                f"model {model} has {its} {what}, and what it would go on with has {here}: type the options "
                "and the data of a model of its kind, or leave out --init"
            )
    build = builder(config, registry, app, n_features, task.target, task.facts)
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            network = build()
    except MemcellError:
        raise
    except (
        Exception
    ):  # whatever a plugin does with numbers that are not there; compared again with them
        return
    compare_form(model, read_head(model.file).tensors, network)


def gone_on(task: Task, config: RunConfig) -> Task:
    """Return a task whose model says what it went on from and who was trained on before.

    Raises:
        UsageError: That model was trained on somebody who would be tested.
    """
    if config.init is None:
        return task
    before = facts_of(config.init)
    task = _same_target(task, config.init)
    people = sorted(trained_on(before))
    subjects = task.facts.get("subjects")
    known = subjects if isinstance(subjects, Mapping) else {}
    check_tested(config.init, people, known.get("test", ()))
    as_there = hasattr(type(config.app_config), "of_model")
    made = "; features are made and scaled as there" if as_there else ""
    notes = [f"gone on from model {config.init}{made}"]
    notes += _seen_again(task, set(map(spelled, people)))
    facts = {
        **task.facts,
        "init": [
            *_lineage(before),
            {"model": config.init.name, "sha256": config.init.sha256},
        ],
    }
    if known or people:
        facts["subjects"] = {**known, BEFORE: people}
    return dataclasses.replace(task, facts=facts, notes=(*notes, *task.notes))


def _seen_again(task: Task, people: set[str]) -> list[str]:
    """Return what must be said where people of a model are trained on again.

    Args:
        task: Tests on nobody of them.
        people: Of the model, as names are compared.
    """
    again = sorted(who for who in trained_on(task.facts) if spelled(who) in people)
    if not again:
        return []
    left_out = {s.subject for s in (*task.valid, *(s for fold in task.inner for s in fold.valid))}
    judged = sorted(who for who in left_out if spelled(who) in people)
    were = f"{_few(again)} {'was' if len(again) == 1 else 'were'} trained on by that model already"
    if not judged:
        return [
            f"{were}, and {'is' if len(again) == 1 else 'are'} trained on again: no score is of them"
        ]
    if task.test:
        return [
            f"{were}: what cross-validation or validation says of {_few(judged)} is too good, and what it "
            "chose rests on it"
        ]
    if len(judged) == len(left_out):
        return [f"{were}: {_NO_ESTIMATE}"]
    return [
        f"{were}: the scores are of {_few(judged)} too, and so too good for people whom no network has seen"
    ]


def nobody_new(task: Task) -> str:
    """Return a line that every score is of people whom the model before had seen; empty where not so."""
    subjects = task.facts.get("subjects")
    before = set(map(spelled, subjects.get(BEFORE, ()))) if isinstance(subjects, Mapping) else set()
    left_out = {s.subject for fold in task.inner for s in fold.valid}
    if task.test or not before or not left_out or not all(spelled(w) in before for w in left_out):
        return ""
    return f"All of them were trained on by the model before: {_NO_ESTIMATE}."


def _same_target(task: Task, model: SourceModel) -> Task:
    """Return a task with targets of the kind and at the scale of a model.

    Raises:
        UsageError: They are of another kind.
    """
    assert model.file is not None
    its = _facts(model.file, model.sha256).target
    if its.kind != task.target.kind:
        raise UsageError(
            f"model {model} was trained on targets that are {its.kind}, and these are {task.target.kind}: go "
            "on from a model of the same kind, or leave out --init"
        )
    if isinstance(its, Values) and isinstance(task.target, Values):
        kept = dataclasses.replace(task.target, centre=its.centre, spread=its.spread)
        return dataclasses.replace(task, target=kept)
    return task


def check_folds(tested: Iterable[str], config: RunConfig) -> None:
    """Refuse folds in one of which somebody would be tested whom the model to go on from was trained on.

    Args:
        tested: Who is held out in turn.
        config: Names the model.

    Raises:
        UsageError: Names who.
    """
    if config.init is not None:
        check_tested(config.init, sorted(trained_on(facts_of(config.init))), tested)


def check_tested(model: SourceModel, people: list[str], tested: Any) -> None:
    """Refuse to test on somebody whom a model was trained on, however the name is spelled.

    Raises:
        UsageError: Names who.
    """
    seen = set(map(spelled, people))
    if both := sorted(who for who in tested if spelled(who) in seen):
        raise UsageError(
            f"model {model} was trained with {_few(both)}, who would be tested on now: test on "
            "others, or on nobody (--split none, which trains on everybody for use), or say who is who with "
            "--data.subjects TABLE where these are other people"
        )


def _lineage(facts: Mapping[str, Any]) -> list[Any]:
    before = facts.get("init")
    return list(before) if isinstance(before, list) else []


def _few(names: list[str]) -> str:
    more = ", ..." if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _word(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
