"""Command-line options made from config dataclasses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from memcell.cli.brief import BriefOption, shown
from memcell.cli.completion import Word
from memcell.plugins.options import FieldInfo, fields_of, topics


class ConfigOption(click.Option):
    """An option that stands for one field of one section.

    Args:
        section: The section of ``config.toml`` that it sets, also one below another (``"probe.order"``).
        field: The field.
        prefix: Put before the flag (``"cell."``), empty for the app's, training's and network's.
        default: Shown as the default where it differs from the field's.

    Attributes:
        advanced: ``--help`` leaves it out.
        brief: What ``--help`` says of it; empty for the first sentence of its help.
        effective: Its default.
        topic: The heading that it stands under there; empty for that of its section.
    """

    def __init__(
        self, section: str, field: FieldInfo, prefix: str = "", default: Any = None
    ) -> None:
        self.section, self.field = section, field
        self.advanced, self.brief, self.topic = field.advanced, field.brief, field.topic
        flag = f"--{prefix}{field.flag}"
        switch = field.type is bool and not field.many
        if switch:
            flag += f"/--{prefix}no-{field.flag}"
        self.effective = field.default if default is None else default
        super().__init__(
            [flag, parameter_name(section, field.name)],
            default=None,
            type=None if switch else Word(lambda: field.choices, field.many),
            metavar=None if switch else _metavar(field),
            help=_help(field, self.effective),
            callback=_told_of_former_words if field.former_words else None,
        )


class FormerOption(ConfigOption):
    """An option under the name that it had in a version before: understood, told the new name, not shown.

    Args:
        option: The option that it is now.
    """

    def __init__(self, option: ConfigOption) -> None:
        super().__init__(option.section, option.field)
        field = option.field
        was = field.formerly.replace("_", "-")
        click.Option.__init__(
            self,
            [f"--{was}", parameter_name(option.section, field.formerly)],
            metavar=option.metavar,
            hidden=True,
            callback=_told_of_new_name,
        )


def _told_of_former_words(context: click.Context, param: click.Parameter, value: Any) -> Any:
    assert isinstance(param, ConfigOption)
    now = param.field.now(value)
    if now != value:
        flag = param.field.flag
        click.echo(f"note: '--{flag} {value}' is now '--{flag} {now}'", err=True)
    return now


def _told_of_new_name(context: click.Context, param: click.Parameter, value: Any) -> Any:
    assert isinstance(param, ConfigOption)
    if value is None:
        return None
    now = param.field.now(value)
    click.echo(f"note: '{param.opts[0]} {value}' is now '--{param.field.flag} {now}'", err=True)
    return now


#: Which plugin kinds ``--help`` shows; the others stand in ``--help-all``.
_CHOSEN_BY_MANY = ("cell", "policy")
#: Letters of names that fit there.
_MOST_LETTERS = 40


def brief_choice(section: str, names: Iterable[str], default: str) -> dict[str, Any]:
    """Return what ``--help`` says of an option that names a plugin: brief, topic, advanced."""
    others = [name for name in names if name != default]
    shown: list[str] = []
    while others and len(", ".join([default, *shown, others[0]])) <= _MOST_LETTERS:
        shown.append(others.pop(0))
    more = ", ..." if others else ""
    return {
        "brief": f"{', '.join([default, *shown])}{more}",
        "topic": topics.NETWORK,
        "advanced": section not in _CHOSEN_BY_MANY,
    }


class ChoiceOption(BriefOption):
    """An option that names the plugin of a section.

    Args:
        section: ``"cell"``, ``"sampler"``, ...
        names: What is installed.
        default: What is taken when nobody says.
    """

    def __init__(self, section: str, names: Iterable[str], default: str) -> None:
        self.section, known = section, tuple(names)
        super().__init__(
            [f"--{section}", parameter_name(section, "name")],
            default=None,
            type=Word(lambda: known),
            metavar="NAME",
            help=f"{', '.join(known)} (default: {default}).",
            **brief_choice(section, known, default),
        )


def parameter_name(section: str, field: str) -> str:
    """Return click's name of an option, from which `sections` finds its way back."""
    return f"{section}__{field}".lower().replace(".", "__")


def config_options(
    section: str,
    config: type[Any],
    prefix: str = "",
    skip: Iterable[str] = (),
    usual: Mapping[str, Any] | None = None,
) -> list[click.Parameter]:
    """Return the options of a config dataclass.

    Args:
        section: The section of ``config.toml`` that they set.
        config: The dataclass.
        prefix: Put before the flags.
        skip: Fields that are left out.
        usual: Defaults that an app has of its own, shown in place of the fields'.
    """
    left_out = set(skip)
    options = [
        ConfigOption(section, field, prefix, default=(usual or {}).get(field.name))
        for field in fields_of(config)
        if field.name not in left_out
    ]
    former = [FormerOption(option) for option in options if option.field.formerly and not prefix]
    return [*options, *former]


def sections(
    params: Iterable[click.Parameter], values: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return what was typed, as the sections of a config file."""
    found: dict[str, dict[str, Any]] = {}
    for param in params:
        if param.name is None or values.get(param.name) is None:
            continue
        if isinstance(param, ConfigOption):
            section, _, below = param.section.partition(".")
            into = found.setdefault(section, {})
            into = into.setdefault(below, {}) if below else into
            if not (isinstance(param, FormerOption) and param.field.name in into):
                into[param.field.name] = values[param.name]
        elif isinstance(param, ChoiceOption):
            found.setdefault(param.section, {})["name"] = values[param.name]
    return found


def _metavar(field: FieldInfo) -> str:
    word = {int: "N", float: "X", str: "WORD", bool: "yes|no"}[field.type]
    word = "PATH" if field.kind is Path else word
    return f"{word},…" if field.many else word


def _help(field: FieldInfo, default: Any) -> str:
    facts = [f for f in (field.unit, field.bounds) if f]
    facts.append(f"default: {shown(default)}")
    return f"{field.help} ({'; '.join(facts)})"
