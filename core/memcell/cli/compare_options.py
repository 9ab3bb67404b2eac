"""The options of a comparison: those of a run, where a choice of a plugin may be several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from memcell.cli.app_command import Groups, chosen_plugin, option_groups, typed_values
from memcell.cli.brief import BriefOption
from memcell.cli.completion import Word
from memcell.cli.options import ChoiceOption, brief_choice, config_options, parameter_name
from memcell.compare.axes import Axis, named, split
from memcell.errors import MemcellError, UsageError
from memcell.plugins import Registry
from memcell.plugins.options import fields_of
from memcell.plugins.specs import AppSpec
from memcell.settings.run_config import DEFAULTS, merge_sections

#: Options of a run that a comparison decides itself.
_DECIDED = {"training__seed", "training__control", "training__against"}


class AxisOption(BriefOption):
    """An option that names one plugin of a kind, or several.

    Args:
        section: ``"cell"``, ``"sampler"``, ...
        names: What is installed.
        default: What is taken when nobody says.
    """

    def __init__(self, section: str, names: Iterable[str], default: str) -> None:
        self.section, known = section, tuple(names)
        super().__init__(
            [f"--{section}", parameter_name(section, "name")],
            type=Word(lambda: known, many=True),
            metavar="NAME,…",
            multiple=True,
            help=f"{', '.join(known)} (default: {default}).",
            **brief_choice(section, known, default),
        )


def compare_groups(
    app: AppSpec, args: list[str], base: Mapping[str, Any], registry: Registry
) -> Groups:
    """Return titles and options as those of a run, with the options of every plugin that was chosen.

    An option that several plugins of a kind have stands once.
    """
    groups = []
    for title, options in option_groups(app, args, base, registry, chosen_plugins):
        kept: list[click.Parameter] = []
        for option in options:
            if option.name in _DECIDED:
                continue
            if isinstance(option, ChoiceOption):
                kind = option.section
                kept.append(AxisOption(kind, registry.names(kind), DEFAULTS[kind]))
            else:
                kept.append(option)
        groups.append((title, kept))
    return groups


def chosen_plugins(
    kind: str, args: list[str], base: Mapping[str, Any], registry: Registry
) -> Groups:
    """Return the option groups of every plugin that ``--kind a,b`` names."""
    words = [w for text in typed_values(args, kind) for w in split(text, ",")]
    if not words and "name" in base.get(kind, {}):
        words = [str(base[kind]["name"])]
    if not words:
        return chosen_plugin(kind, args, base, registry)
    groups: Groups = []
    seen: set[str] = set()
    for name in dict.fromkeys(_name(word, kind) for word in words):
        config = registry.get(kind, name).config_type()
        options = config_options(kind, config, prefix=f"{kind}.", skip=seen)
        seen |= {f.name for f in fields_of(config)}
        groups.append((f"{kind} '{name}'", options))
    return groups


def _name(word: str, kind: str) -> str:
    try:
        return named(word, f"--{kind}").name
    except MemcellError as error:
        raise click.UsageError(str(error)) from None


def fixed_and_varied(
    base: Mapping[str, Any], typed: Mapping[str, Mapping[str, Any]], axes: Sequence[Axis]
) -> dict[str, Any]:
    """Return the sections that all runs share: those of the config file, with what was typed over them.

    Raises:
        UsageError: Something is varied and typed as one value too.
    """
    for axis in axes:
        kind, _, option = axis.name.partition(".")
        if option and option in typed.get(kind, {}):
            raise UsageError(
                f"--{axis.name} has one value, and --sweep varies it: type one of them"
            )
        for section in ("training", "network"):
            if axis.name in typed.get(section, {}):
                flag = axis.name.replace("_", "-")
                raise UsageError(f"--{flag} has one value, and --sweep varies it: type one of them")
    shared = {k: dict(v) if isinstance(v, Mapping) else v for k, v in base.items()}
    for axis in axes:
        if axis.name in DEFAULTS:
            chosen = {_name(value, axis.name) for value in axis.values}
            # options of a plugin that is not among them say nothing about those that are
            if shared.get(axis.name, {}).pop("name", None) not in chosen:
                shared[axis.name] = {}
    return merge_sections(shared, typed)


def with_whole_paths(shared: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Return the sections with the path of a data set made absolute: workers may run elsewhere."""
    data = dict(shared.get("data", {}))
    for key in ("name", "path"):
        word = data.get(key)
        named = key == "name" and word in registry.names("dataset")
        if isinstance(word, str) and word and not named:
            known = Path(word).exists() or any(c in word for c in "*?[")
            data[key] = str(Path(word).absolute()) if known else word
    return {**shared, "data": data} if data else dict(shared)
