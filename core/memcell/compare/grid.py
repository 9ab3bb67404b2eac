"""From axes and what is common to all runs to the settings of a comparison, checked all at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from memcell.compare.axes import BESIDE, Axis, NamedPlugin, named
from memcell.compare.fields import canonical, option_of, section_of
from memcell.errors import ConfigError, IncompatibleError, MemcellError, UsageError, unknown
from memcell.escape import Lines, line
from memcell.plugins import Registry
from memcell.plugins.options import fields_of
from memcell.settings.run_config import DEFAULTS, TUNE
from memcell.settings.source import SECTION as INIT

T = TypeVar("T")

#: Section name to its values, as in ``config.toml``.
Sections = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is varied, resolved.

    Args:
        base: What all runs share, without what is varied. The section of a varied kind has only the
            options that were given for it, without a name; each goes to those values that have it.
        axes: With values as they are written in ids and records; their product is the settings.
        sections: Axis and value to what the value sets: section to its values.
    """

    base: Mapping[str, Mapping[str, Any]]
    axes: tuple[Axis, ...]
    sections: Mapping[tuple[str, str], Sections] = field(repr=False)

    @property
    def settings(self) -> list[dict[str, str]]:
        """Axis name to value, the first axis slowest."""
        names = [axis.name for axis in self.axes]
        values = itertools.product(*(axis.values for axis in self.axes))
        return [dict(zip(names, each, strict=True)) for each in values]

    def of(self, setting: Mapping[str, str]) -> Sections:
        """Return all sections of a setting."""
        merged: Sections = {k: dict(v) for k, v in self.base.items()}
        for kind in (set(DEFAULTS) & set(setting)) | self.beside(setting):
            merged[kind] = {}
        for pair in setting.items():
            for name, values in self.sections[pair].items():
                merged[name] = {**merged.get(name, {}), **values}
        return merged

    def beside(self, setting: Mapping[str, str]) -> set[str]:
        """Return the kinds that another kind's value brings with it: the sampler of ``reset+reshuffle``."""
        own = {name.partition(".")[0] for name in setting}
        brought = {name for pair in setting.items() for name in self.sections[pair]}
        return (brought & set(DEFAULTS)) - own


def of_runs(
    app: str, base: Mapping[str, Mapping[str, Any]], registry: Registry
) -> dict[str, Mapping[str, Any]]:
    """Return the base with what a comparison decides itself.

    No control run, and no choice of settings: every run has those of the comparison. Seeds are set for each.

    Raises:
        UsageError: A choice of settings is asked for, or networks that go on from a model.
    """
    if INIT in base:
        raise UsageError(
            f"a comparison trains every network from the start: leave out section [{INIT}] of the config file"
        )
    training = {**base.get("training", {}), "control": "none"}
    training.pop("against", None)
    training.pop("seed", None)
    sections = {k: v for k, v in base.items() if isinstance(v, Mapping)}
    sections["training"] = training
    if any(field.name == TUNE for field in fields_of(registry.get("app", app).config_type())):
        tuning = sections.get(app, {}).get(TUNE, "none")
        if tuning != "none":
            raise UsageError(
                f"--tune {tuning}: the runs of a comparison have the settings that it compares, and none are "
                "chosen for them; leave it out, or type --tune none"
            )
        sections[app] = {**sections.get(app, {}), TUNE: "none"}
    return sections


def grid_of(
    app: str, base: Mapping[str, Mapping[str, Any]], axes: Sequence[Axis], registry: Registry
) -> Grid:
    """Resolve axes; they win over what the base says of the same thing.

    An axis of one value is no axis: it goes into the base. The option of a plugin that only some values
    of its kind have becomes part of those: ``policy=carry,burn_in`` with ``policy.steps=5,20`` is
    ``carry``, ``burn_in(steps=5)``, ``burn_in(steps=20)``.

    Raises:
        UsageError: Something is not known, is given twice or cannot be; all of it is listed.
    """
    return _Resolving(app, base, registry).grid(axes)


class _Resolving:
    def __init__(self, app: str, base: Mapping[str, Mapping[str, Any]], registry: Registry) -> None:
        self.app, self.registry = app, registry
        self.base: Sections = {k: dict(v) for k, v in base.items()}
        self.problems: list[MemcellError] = []
        self.kinds: dict[str, list[NamedPlugin]] = {}
        self.sections: dict[tuple[str, str], Sections] = {}

    def grid(self, axes: Sequence[Axis]) -> Grid:
        for axis in axes:
            if [a.name for a in axes].count(axis.name) > 1:
                self._note(
                    UsageError(f"'{axis.name}' is varied twice: give all its values at once")
                )
        self._raise()
        for axis in axes:
            if axis.name in DEFAULTS:
                self.kinds[axis.name] = [n for v in axis.values if (n := self._plugin(axis, v))]
        self._raise()
        self._no_kind_twice(axes)
        self._no_option_twice(axes)
        options = [a for a in axes if self._kind(a) is not None and not self._fold(a)]
        out = []
        for axis in axes:
            if axis.name in DEFAULTS:
                out.append(self._kind_axis(axis.name))
            elif axis in options:
                out.append(self._option_axis(axis))
            elif self._kind(axis) is None and (found := self._field_axis(axis)):
                out.append(found)
        for axis in out:
            self._once(axis)
        self._raise()
        varied = tuple(a for a in out if len(a.values) > 1)
        self._fix([a for a in out if len(a.values) == 1])
        return Grid(base=self.base, axes=varied, sections=self.sections)

    # --- plugins

    def _plugin(self, axis: Axis, text: str) -> NamedPlugin | None:
        def canonical(kind: str, one: NamedPlugin) -> NamedPlugin:
            options = tuple((k, self._option(kind, one.name, k, v)[1]) for k, v in one.options)
            beside = None if one.beside is None else canonical(BESIDE[kind], one.beside)
            return NamedPlugin(one.name, options, beside)

        return self._try(lambda: canonical(axis.name, named(text, f"--{axis.name}")))

    def _option(self, kind: str, plugin: str, option: str, text: str) -> tuple[Any, str]:
        found = option_of(kind, plugin, option, self.registry)
        if found is None:
            has = [f.name for f in fields_of(self.registry.get(kind, plugin).config_type())]
            raise ConfigError(f"{kind} '{plugin}': {unknown('option', option, has)}")
        return canonical(found, text, f"{kind} '{plugin}':")

    def _kind_axis(self, kind: str) -> Axis:
        given = self.base.pop(kind, {})
        used: set[str] = set()
        for one in self.kinds[kind]:
            fields = {f.name for f in fields_of(self.registry.get(kind, one.name).config_type())}
            own = {k: self._option(kind, one.name, k, v)[0] for k, v in one.options}
            used |= fields & set(given)
            shared = {k: v for k, v in given.items() if k in fields}
            values = {"name": one.name, **shared, **own}
            self.sections[kind, str(one)] = {kind: values}
            if one.beside is not None:
                other = BESIDE[kind]
                typed = {
                    k: self._option(other, one.beside.name, k, v)[0] for k, v in one.beside.options
                }
                self.sections[kind, str(one)][other] = {"name": one.beside.name, **typed}
        for option in set(given) - used:
            names = ", ".join(f"'{one.name}'" for one in self.kinds[kind])
            self._note(ConfigError(f"--{kind}.{option}: none of {kind} {names} has this option"))
        if given:
            self.base[kind] = given
        return Axis(kind, tuple(map(str, self.kinds[kind])))

    def _kind(self, axis: Axis) -> str | None:
        kind, _, option = axis.name.partition(".")
        return kind if option and kind in DEFAULTS else None

    def _chosen(self, kind: str) -> list[NamedPlugin]:
        return self.kinds.get(kind) or [
            NamedPlugin(str(self.base.get(kind, {}).get("name", DEFAULTS[kind])))
        ]

    def _fold(self, axis: Axis) -> bool:
        """Make an option part of the plugins that have it, where some do not; say whether."""
        kind, _, option = axis.name.partition(".")
        chosen = self._chosen(kind)
        have = [n for n in chosen if option_of(kind, n.name, option, self.registry)]
        if not have:
            names = ", ".join(f"'{n.name}'" for n in chosen)
            self._note(UsageError(f"--sweep {axis.name}: {kind} {names} has no option '{option}'"))
            return True
        if len(have) == len(chosen):
            return False
        out: list[NamedPlugin] = []
        for one in chosen:
            if one not in have:
                out.append(one)
                continue
            for text in axis.values:
                found = self._try(partial(self._option, kind, one.name, option, text))
                if found is not None:
                    options = (*one.options, (option, found[1]))
                    out.append(NamedPlugin(one.name, options, one.beside))
        self.kinds[kind] = out
        return True

    def _no_kind_twice(self, axes: Sequence[Axis]) -> None:
        """Note a sampler that a policy brings with it and that is varied as well."""
        varied = {axis.name.partition(".")[0] for axis in axes}
        for kind, chosen in self.kinds.items():
            other = BESIDE.get(kind, "")
            if other in varied and any(one.beside is not None for one in chosen):
                first = next(str(one) for one in chosen if one.beside is not None)
                self._note(
                    UsageError(
                        f"--{kind} {first} names a {other}, and {other} is varied: type one of them"
                    )
                )
        self._raise()

    def _no_option_twice(self, axes: Sequence[Axis]) -> None:
        """Note an option that stands in parentheses and is swept as well."""
        for axis in axes:
            kind, _, option = axis.name.partition(".")
            for one in self.kinds.get(kind, []) if option else []:
                if option in dict(one.options):
                    self._note(
                        UsageError(f"--{kind} {one} and --sweep {axis.name}: type one of them")
                    )
        self._raise()

    def _option_axis(self, axis: Axis) -> Axis:
        kind, _, option = axis.name.partition(".")
        self.base.get(kind, {}).pop(option, None)
        plugin = self._chosen(kind)[0].name
        return self._values(axis, kind, option, lambda t: self._option(kind, plugin, option, t))

    # --- fields of training and network

    def _field_axis(self, axis: Axis) -> Axis | None:
        found = self._try(lambda: section_of(axis.name, self.app, self.registry))
        if found is None:
            return None
        section, info = found
        self.base.get(section, {}).pop(axis.name, None)
        where = f"--sweep {axis.name}:"
        return self._values(axis, section, axis.name, lambda t: canonical(info, t, where))

    def _values(
        self, axis: Axis, section: str, key: str, read: Callable[[str], tuple[Any, str]]
    ) -> Axis:
        written = []
        for text in axis.values:
            found = self._try(partial(read, text))
            if found is not None:
                written.append(found[1])
                self.sections[axis.name, found[1]] = {section: {key: found[0]}}
        return Axis(axis.name, tuple(written))

    # --- all

    def _once(self, axis: Axis) -> None:
        for value in dict.fromkeys(axis.values):
            if axis.values.count(value) > 1:
                self._note(UsageError(f"'{axis.name}' has the value '{value}' twice"))

    def _fix(self, axes: Sequence[Axis]) -> None:
        """Put axes of one value into the base, kinds before their options."""
        for axis in sorted(axes, key=lambda a: "." in a.name):
            for name, values in self.sections.pop((axis.name, axis.values[0])).items():
                self.base[name] = {**self.base.get(name, {}), **values}
                # the sections of a kind that is varied are its values' own
                for one in self.kinds.get(name, []):
                    if section := self.sections.get((name, str(one))):
                        section[name] = {**section[name], **values}

    def _try(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except MemcellError as error:
            self._note(error)
            return None

    def _note(self, error: MemcellError) -> None:
        if str(error) not in map(str, self.problems):
            self.problems.append(error)

    def _raise(self) -> None:
        raise_all(self.problems)


def raise_all(problems: Sequence[MemcellError]) -> None:
    """Raise all problems as one error, where there are any."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise IncompatibleError(Lines("\n".join(dict.fromkeys(line(p) for p in problems))))
