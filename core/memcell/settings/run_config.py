"""The resolved config of a run: which parts, with which options; loadable from ``config.toml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memcell.applications.datasets import find_dataset
from memcell.errors import ConfigError, RunFolderError, unknown
from memcell.files.reading import parse_toml
from memcell.plugins import Registry
from memcell.plugins.options import fields_of, from_mapping, to_mapping
from memcell.settings.options import NetworkConfig, TrainingConfig
from memcell.settings.source import SECTION as INIT
from memcell.settings.source import SourceModel
from memcell.version import __version__

#: Sections that choose a plugin, and what is chosen when nobody says.
DEFAULTS = {
    "cell": "lstm",
    "normalizer": "none",
    "sampler": "stream",
    "policy": "carry",
    "optimizer": "adam",
    "gradient": "window",
    "encoder": "none",
    "head": "linear",
}
#: Sections that stand in a config only where they choose another plugin than the default: files of runs
#: without them mean the default, as those of versions before there was a choice do.
UNSAID = ("encoder", "head")
#: What stands before the sections of a config file.
_HEAD = {"memcell", "app", "typed"}
#: The option of an app by which settings are chosen in cross-validation inside the training people.
TUNE = "tune"
#: Options that stood in ``[training]`` until version 0.1 and are a gradient mode's own.
_MOVED = ("k1", "length_sd", "short_share")

Section = dict[str, Any]
Sections = Mapping[str, Mapping[str, Any]]
#: Sections that an app may have defaults of its own for.
_ENGINE_SECTIONS = ("training", "network", *DEFAULTS)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A plugin by name with its options."""

    name: str
    config: Any


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that says what a run does.

    Args:
        app: Name of the app.
        app_config: Its config.
        dataset: The chosen data set with its options, or None for an app without one.
        training: How it is trained.
        network: Its size.
        choices: The plugin of each kind of `DEFAULTS`.
        probes: What measures while it trains.
        typed: Options that somebody gave, as ``SECTION.OPTION``: a choice of settings leaves them alone.
        init: The trained model that training goes on from; None where it begins anew.
    """

    app: str
    app_config: Any
    dataset: Choice | None
    training: TrainingConfig
    network: NetworkConfig
    choices: Mapping[str, Choice]
    probes: tuple[Choice, ...] = ()
    typed: tuple[str, ...] = ()
    init: SourceModel | None = None

    def around(self) -> dict[str, str]:
        """Return the encoder and the head by kind, those that are not the default."""
        return {
            kind: choice.name
            for kind, choice in self.choices.items()
            if kind in UNSAID and choice.name != DEFAULTS[kind]
        }

    def sections(self) -> dict[str, Section | str | list[str]]:
        """Return the config as the sections of a TOML file."""
        out: dict[str, Section | str | list[str]] = {"memcell": __version__, "app": self.app}
        if getattr(self.app_config, TUNE, "none") != "none":
            out["typed"] = list(self.typed)
        out[self.app] = to_mapping(self.app_config)
        if self.dataset is not None:
            # one place says which data set: its own section, with its options
            out[self.app] = {k: v for k, v in to_mapping(self.app_config).items() if k != "data"}
            out["data"] = {"name": self.dataset.name, **to_mapping(self.dataset.config)}
        out["training"] = to_mapping(self.training)
        out["network"] = to_mapping(self.network)
        for kind, choice in self.choices.items():
            if kind in UNSAID and kind not in self.around():
                continue
            out[kind] = {"name": choice.name, **to_mapping(choice.config)}
        if self.probes:
            out["probe"] = {probe.name: to_mapping(probe.config) for probe in self.probes}
        if self.init is not None:
            out[INIT] = dict(self.init.section())
        return out


def resolve(app: str, sections: Mapping[str, Any], registry: Registry) -> RunConfig:
    """Build a config from sections, filling in defaults.

    Args:
        app: Name of the app.
        sections: Section name to its values, as in ``config.toml``.
        registry: What is installed.

    Raises:
        ConfigError: A section, name or value is wrong; says which and what is expected.
    """
    sections = upgraded(sections)
    typed = sections.get("typed")
    given = sections
    known = {*_HEAD, app, "data", "training", "network", "probe", INIT, *DEFAULTS}
    for name, section in sections.items():
        if name not in known:
            raise ConfigError(unknown("section", name, known - _HEAD))
        if name not in _HEAD and not isinstance(section, Mapping):
            raise ConfigError(f"section [{name}] expected, got {name} = {section!r}")
    if typed is not None and not (
        isinstance(typed, list | tuple) and all(isinstance(name, str) for name in typed)
    ):
        raise ConfigError(f"'typed' must be a list of SECTION.OPTION, got {typed!r}")
    entry = registry.get("app", app)
    sections = routed(app, entry.config_type(), sections, registry)
    values = dict(sections.get(app, {}))
    if "memcell" in sections and any(f.name == TUNE for f in fields_of(entry.config_type())):
        values.setdefault(TUNE, "none")  # a run of a version that had no such choice
    app_config = entry.config(values)
    if "memcell" not in sections:  # what a run wrote is complete, and means what it meant then
        sections = _with_defaults(engine_defaults(app_config), sections)
    dataset = None
    if takes_dataset(app_config):
        values = dict(sections.get("data", {}))
        name, values = find_dataset(registry, values.pop("name", app_config.data), values)
        dataset = _chosen(registry, "dataset", name, values)
    choices = {}
    for kind, default in DEFAULTS.items():
        values = dict(sections.get(kind, {}))
        choices[kind] = _chosen(registry, kind, values.pop("name", default), values)
    of_training = dict(sections.get("training", {}))
    if "epochs" in of_training:  # epochs that somebody asks for are what is done
        of_training.setdefault("min_updates", 0)
    training = from_mapping(TrainingConfig, of_training, "[training]")
    # an app's config may take what it was not told from how the network is trained
    follow = getattr(app_config, "following", None)
    if follow is not None:
        app_config = follow(training)
    return RunConfig(
        app=app,
        app_config=app_config,
        dataset=dataset,
        training=training,
        network=from_mapping(NetworkConfig, sections.get("network", {}), "[network]"),
        choices=choices,
        probes=chosen_probes(registry, training.probe, sections.get("probe", {})),
        typed=tuple(option_names(given) if typed is None else typed),
        init=SourceModel.of(sections[INIT]) if INIT in sections else None,
    )


def own_words(app_config: type[Any], kind: str) -> tuple[str, ...] | None:
    """Return the words of an app's own option that is called like a kind of plugin, None where it has none.

    EEG applications have an ``encoder``, which treats each step by itself, of their own. An option that takes
    any word has no words: all are its own then, and the plugin is chosen in a config file.

    Args:
        app_config: The app's config.
        kind: The kind.
    """
    return next((f.choices for f in fields_of(app_config) if f.name == kind), None)


def routed(
    app: str, config: type[Any], sections: Mapping[str, Any], registry: Registry
) -> Mapping[str, Any]:
    """Return sections in which an app's own option names none of the engine's plugins.

    Where an app has an option of its own that is called like a kind (``--encoder``), a name that is not among
    its words is that of a plugin: it goes to the plugin's section.

    Args:
        app: Name of the app.
        config: The type of its config.
        sections: As in `resolve`.
        registry: What is installed.

    Raises:
        ConfigError: It is neither; names both lists.
    """
    for kind in DEFAULTS:
        words = own_words(config, kind)
        values = sections.get(app, {})
        name = values.get(kind) if isinstance(values, Mapping) else None
        if not words or not isinstance(name, str) or name in words:
            continue
        if name not in registry.names(kind):
            names = registry.names(kind)
            more = (
                f" Several are compared with --sweep {kind}={','.join(names)}."
                if "," in name
                else ""
            )
            raise ConfigError(unknown(kind, name, {*words, *names}) + more)
        own = {k: v for k, v in values.items() if k != kind}
        plugin = {**sections.get(kind, {}), "name": name}
        sections = {**sections, app: own, kind: plugin}
    return sections


def takes_dataset(app_config: Any) -> bool:
    """Whether an app's option ``data`` names a data set; one that is a path belongs to the app itself.

    Args:
        app_config: The app's config.
    """
    return any(f.name == "data" and f.kind is not Path for f in fields_of(type(app_config)))


def has_folder(app_config: Any) -> bool:
    """Whether an app's option ``data`` is the path of a folder that the app itself reads.

    Args:
        app_config: The app's config.
    """
    return any(f.name == "data" and f.kind is Path for f in fields_of(type(app_config)))


def option_names(sections: Mapping[str, Any]) -> list[str]:
    """Return the options that sections hold, as ``SECTION.OPTION``, in order of their names."""
    return sorted(
        f"{section}.{name}"
        for section, values in sections.items()
        if section not in {*_HEAD, INIT} and isinstance(values, Mapping)
        for name in values
    )


def engine_defaults(app_config: Any) -> Sections:
    """Return the defaults of the engine's options that an app has of its own, by section.

    Args:
        app_config: The app's config. It may have ``engine_defaults()``, which returns names and values of
            options by section: ``{"network": {"skip": "linear"}, "optimizer": {"name": "adamw"}}``. They may
            depend on the app's own options. What is typed wins; a config file of a run has all options, so
            that nothing of another version's defaults enters it.

    Raises:
        ConfigError: A section that has no such options.
    """
    offered = getattr(app_config, "engine_defaults", None)
    found: Sections = {} if offered is None else offered()
    for name in found:
        if name not in _ENGINE_SECTIONS:
            raise ConfigError(
                f"engine_defaults of {type(app_config).__name__}: "
                f"{unknown('section', name, _ENGINE_SECTIONS)}"
            )
    return found


def _with_defaults(defaults: Sections, typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return sections with an app's defaults below what was typed."""
    merged = dict(typed)
    for name, values in defaults.items():
        own = dict(typed.get(name, {}))
        usual = values.get("name", DEFAULTS.get(name))
        if own.get("name", usual) != usual:  # options of a plugin that is not the chosen one
            continue
        config = {"training": TrainingConfig, "network": NetworkConfig}.get(name)
        former = {f.name: f.formerly for f in fields_of(config)} if config is not None else {}
        kept = {k: v for k, v in values.items() if former.get(k) not in own}
        merged[name] = {**kept, **own}
    return merged


def upgraded(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return sections as today's version writes them: those of version 0.1 had no ``[gradient]``.

    There its name was ``gradient`` of ``[training]``, where the options of all modes stood beside it; those
    of other modes than the chosen one had no effect.
    """
    new = dict(sections)
    training = new.get("training")
    if not isinstance(training, Mapping):
        return new
    new["training"] = kept = dict(training)
    old = {name: kept.pop(name) for name in _MOVED if name in kept}
    name = kept.pop("gradient", None)
    own = {"tbptt": ("k1",), "random_length": ("length_sd", "short_share")}.get(str(name), ())
    if name is not None and "gradient" not in new:
        new["gradient"] = {"name": name, **{k: v for k, v in old.items() if k in own}}
    return new


def merge_sections(base: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return sections with the values of others over them, however deep they lie."""
    merged = {name: dict(v) if isinstance(v, Mapping) else v for name, v in base.items()}
    for name, value in typed.items():
        old = merged.get(name)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            merged[name] = merge_sections(old, value)
        else:
            merged[name] = value
    return merged


def chosen_probes(
    registry: Registry, names: Sequence[str], options: Mapping[str, Any]
) -> tuple[Choice, ...]:
    """Return the probes of a run with their options.

    Args:
        registry: What is installed.
        names: The probes, in the order in which they measure.
        options: Probe to its options.

    Raises:
        ConfigError: Options of a probe that is not among them, or wrong ones.
        UsageError: There is no such probe.
    """
    unused = [name for name in options if name not in names]
    if unused:
        raise ConfigError(
            f"section [probe.{unused[0]}] has options of a probe that is not chosen: add it to --probe, or "
            "leave them out"
        )
    chosen = []
    for name in dict.fromkeys(names):
        values = options.get(name, {})
        if not isinstance(values, Mapping):
            raise ConfigError(f"section [probe.{name}] expected, got {values!r}")
        chosen.append(_chosen(registry, "probe", name, values))
    return tuple(chosen)


def _chosen(registry: Registry, kind: str, name: Any, values: Mapping[str, Any]) -> Choice:
    if not isinstance(name, str):
        raise ConfigError(f"the name of a {kind} must be a word, got {name!r}")
    return Choice(name=name, config=registry.get(kind, name).config(values))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a config file.

    Raises:
        ConfigError: It is missing or not TOML; names the file and the place.
    """
    try:
        # a person's own: also a pipe, as a shell makes it of <(…)
        return parse_toml(path.read_bytes(), path)
    except FileNotFoundError:
        raise ConfigError(f"config file '{path}' does not exist") from None
    except OSError as error:
        raise ConfigError(f"config file '{path}' cannot be read: {error.strerror}") from None
    except RunFolderError as error:
        raise ConfigError(f"config file {error}") from None
