"""Commands whose options depend on what was chosen: the app's, training's, and the plugins'.

The choices (``--cell NAME``, ``--data NAME``, a config file) are found in what was typed first, so that
the options and the help of exactly the chosen plugins stand beside the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from memcell.applications.datasets import find_dataset
from memcell.cli.brief import OPTIONS, BriefCommand, BriefOption, Titled
from memcell.cli.completion import PLACE
from memcell.cli.options import (
    ChoiceOption,
    ConfigOption,
    config_options,
    parameter_name,
    sections,
)
from memcell.cli.terminal import echo
from memcell.errors import unknown
from memcell.plugins import Registry, default_registry
from memcell.plugins.options import topics
from memcell.plugins.specs import AppSpec
from memcell.settings.options import NetworkConfig, TrainingConfig
from memcell.settings.run_config import (
    DEFAULTS,
    RunConfig,
    engine_defaults,
    merge_sections,
    option_names,
    own_words,
    read_toml,
    resolve,
    routed,
    takes_dataset,
    upgraded,
)
from memcell.settings.source import SECTION as INIT


class AppGroup(click.Group):
    """A group with one command for each installed app.

    Args:
        build: Makes the command of an app.
        help: What the commands do.
    """

    def __init__(self, name: str, build: Callable[[AppSpec], click.Command], help: str) -> None:
        super().__init__(name, help=help)
        self.build = build

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the apps."""
        return default_registry().names("app")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Return the command of an app.

        Raises:
            click.UsageError: There is no such app.
        """
        registry = default_registry()
        if cmd_name not in registry.names("app"):
            raise click.UsageError(unknown("app", cmd_name, registry.names("app")), ctx)
        spec = registry.get("app", cmd_name).spec
        assert isinstance(spec, AppSpec)
        return self.build(spec)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of apps."""
        with formatter.section("Apps"):
            rows = [(e.spec.name, e.spec.summary) for e in default_registry().entries("app")]
            formatter.write_dl(rows)


class ConfiguredCommand(BriefCommand):
    """A command of an app with all options of a run.

    Args:
        app: The app.
        run: Called with the resolved config and the other parameters.
        own: The command's own parameters.
        help: What it does.
    """

    def __init__(
        self,
        app: AppSpec,
        run: Callable[..., Any] | None,
        own: list[click.Parameter],
        help: str,
    ) -> None:
        self.app = app
        self.groups: list[tuple[str, list[click.Parameter]]] = []
        config = BriefOption(
            ["--config"],
            metavar="FILE",
            type=PLACE,
            topic=topics.RUNNING,
            brief="Begin from this config file.",
            help="Begin from this config file (as a run folder has one).",
        )
        super().__init__(app.name, callback=run, params=[*own, config], help=help)
        self.own: list[click.Parameter] = list(self.params)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Add the options of what was chosen, then parse."""
        args = renamed_flags(args)
        file = _typed(args, "config")
        base = upgraded(read_toml(Path(file))) if file else {}
        ctx.meta["memcell.base"] = base
        word = _typed(args, INIT) if any(p.name == INIT for p in self.own) else None
        if word is not None:
            from memcell.runs.source import Source  # torch, where a model is read

            ctx.meta["memcell.source"] = source = Source.open(
                default_registry(), word, self.app.name
            )
            base = merge_sections(base, source.sections())
        self.groups = self.option_groups(args, base)
        self.params = [*self.own, *(p for _, group in self.groups for p in group)]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(self._no_such(error.option_name), ctx) from None

    def option_groups(
        self, args: list[str], base: Mapping[str, Any]
    ) -> list[tuple[str, list[click.Parameter]]]:
        """Return titles and options of what was chosen."""
        return option_groups(self.app, args, base, default_registry())

    def given(self, ctx: click.Context) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Return the sections of the config file, and those that were typed."""
        typed = sections(self.params, ctx.params)
        app = typed.get(self.app.name, {})
        own = default_registry().get("app", self.app.name).config_type()
        if "data" in app and takes_dataset(own()):
            typed["data"] = {**typed.get("data", {}), "name": app.pop("data")}
        base = dict(ctx.meta["memcell.base"])
        training = typed.get("training", {})
        if "epochs" in training and "min_updates" not in training:
            # epochs that are typed are what is done, whatever the file says of updates
            base["training"] = {**base.get("training", {})}
            base["training"].pop("min_updates", None)
        return base, typed

    def invoke(self, ctx: click.Context) -> Any:
        """Resolve the config and run."""
        base, typed = self.given(ctx)
        merged = merge_sections(base, typed)
        source = ctx.meta.get("memcell.source")
        if source is not None:
            base.pop(INIT, None)
            registry = default_registry()
            asked = {k: v for k, v in merged.items() if isinstance(v, Mapping) and k != INIT}
            app_config = registry.get("app", self.app.name).config_type()
            asked = dict(routed(self.app.name, app_config, asked, registry))
            source.check_typed(asked, registry)
            merged = {**_head(merged), **source.under(asked)}
        if "typed" in base:  # a run's config says which of its options were typed
            merged["typed"] = sorted({*base["typed"], *option_names(typed)})

        def config(extra: Mapping[str, Any] | None = None) -> RunConfig:
            return resolve(self.app.name, {**merged, **(extra or {})}, default_registry())

        names = {p.name for p in self.own} - {"config"}
        own = {name: value for name, value in ctx.params.items() if name in names}
        assert self.callback is not None
        return ctx.invoke(self.callback, config=config, typed=typed, **own)

    def titled(self, ctx: click.Context) -> Sequence[Titled]:
        """Return the command's own options, then those of what was chosen."""
        own = self.get_help_option(ctx)
        return [(OPTIONS, [*self.own, *([] if own is None else [own])]), *self.groups]

    def _no_such(self, option: str) -> str:
        flags = [o for p in self.params for o in [*p.opts, *p.secondary_opts] if o.startswith("-")]
        near = get_close_matches(option, flags, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        section, _, rest = option.lstrip("-").partition(".")
        named = rest.partition(".")[0]
        if section == "probe" and named in default_registry().names("probe"):
            section = f"probe.{named}"
        if rest and section.partition(".")[0] in (*DEFAULTS, "data", "probe"):
            mine = [f for f in flags if f.startswith(f"--{section}.")]
            if not mine and section.startswith("probe"):
                other = named if section != "probe" else "NAME"
                return (
                    f"no such option: {option}: its probe is not switched on; add --probe {other}."
                )
            near = get_close_matches(option, mine, n=1, cutoff=0.8)
            hint = f" Did you mean {near[0]}?" if near else ""
            title = (
                next(t for t, g in self.groups if any(f in g_.opts for g_ in g for f in mine))
                if mine
                else f"the chosen {section}"
            )
            listed = f"its options are: {', '.join(mine)}." if mine else "it has no options."
            return f"no such option: {option}: {title} does not have it; {listed}{hint}"
        return f"no such option: {option}.{hint}"


def _head(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands before the sections of a config file."""
    return {k: v for k, v in sections.items() if not isinstance(v, Mapping)}


#: Titles and options.
Groups = list[tuple[str, list[click.Parameter]]]


def chosen_plugin(
    kind: str, args: list[str], base: Mapping[str, Any], registry: Registry
) -> Groups:
    """Return the option group of the plugin that ``--kind NAME`` names."""
    named = _typed(args, kind) or base.get(kind, {}).get("name")
    return [_plugin_group(registry, kind, named or DEFAULTS[kind], kind, bool(named))]


def option_groups(
    app: AppSpec,
    args: list[str],
    base: Mapping[str, Any],
    registry: Registry,
    chosen: Callable[[str, list[str], Mapping[str, Any], Registry], Groups] = chosen_plugin,
) -> Groups:
    """Return titles and options: the app's, training's, the network's, and the chosen plugins'.

    Args:
        app: The app.
        args: What was typed.
        base: Sections of the config file.
        registry: What is installed.
        chosen: Returns the groups of the plugins of a kind that were chosen.
    """
    app_config = registry.get("app", app.name).config_type()
    usual = engine_defaults(app_config())
    groups: list[tuple[str, list[click.Parameter]]] = [
        (f"{app.name}", config_options(app.name, app_config)),
        ("Training", config_options("training", TrainingConfig, usual=usual.get("training"))),
        ("Network", config_options("network", NetworkConfig, usual=usual.get("network"))),
    ]
    given, base = base, merge_sections(usual, base)
    for option in groups[1][1]:
        if isinstance(option, click.Option) and option.name == parameter_name("training", "probe"):
            option.help = f"{option.help} Installed: {', '.join(registry.names('probe'))}."
    owned = {kind: words for kind in DEFAULTS if (words := own_words(app_config, kind)) is not None}
    choices: list[click.Parameter] = [
        ChoiceOption(kind, registry.names(kind), usual.get(kind, {}).get("name", default))
        for kind, default in DEFAULTS.items()
        if kind not in owned
    ]
    for option in groups[0][1]:
        if isinstance(option, ConfigOption) and owned.get(option.field.name):
            kind = option.field.name
            added = ", ".join(n for n in registry.names(kind) if n not in owned[kind])
            option.help = f"{option.help} Or the {kind} that stands behind it: {added}."
    groups.insert(1, ("Memory and optimizer (each with options of its own)", choices))
    usual_config = app_config()
    if takes_dataset(usual_config):
        default = usual_config.data
        named = _typed(args, "data") or base.get("data", {}).get("name")
        name, _ = find_dataset(registry, named or default, {})
        groups.append(_plugin_group(registry, "dataset", name, "data", bool(named)))
    for kind in DEFAULTS:
        typed_here = args
        if kind in owned and not (owned[kind] and _typed(args, kind) in registry.names(kind)):
            typed_here = _without(args, kind)  # a word of the app's own option
        of_kind = chosen(kind, typed_here, base, registry)
        if not (_typed(typed_here, kind) or given.get(kind, {}).get("name")):
            for option in (option for _, group in of_kind for option in group):
                if isinstance(option, ConfigOption):
                    option.advanced = True
        groups += of_kind
    typed = _typed(args, "probe")
    probes = base.get("training", {}).get("probe", ()) if typed is None else typed.split(",")
    for name in dict.fromkeys(word.strip() for word in probes):
        config = registry.get("probe", name).config_type()
        section = f"probe.{name}"
        groups.append((f"probe '{name}'", config_options(section, config, prefix=f"{section}.")))
    return groups


def _plugin_group(
    registry: Registry, kind: str, name: str, section: str, named: bool
) -> tuple[str, list[click.Parameter]]:
    """Return the options of a plugin; of one that nobody named they are advanced."""
    config = registry.get(kind, name).config_type()
    options = config_options(section, config, prefix=f"{section}.")
    for option in options:
        if isinstance(option, ConfigOption) and not named:
            option.advanced = True
    return f"{kind} '{name}'", options


#: Flags of version 0.1 and what they are called now.
OLD_FLAGS = {
    "--k1": "--gradient.k1",
    "--length-sd": "--gradient.length-sd",
    "--short-share": "--gradient.short-share",
}


def renamed_flags(args: Sequence[str]) -> list[str]:
    """Return what was typed with flags of version 0.1 under their new names, and say them."""
    new = []
    for arg in args:
        flag, equals, value = arg.partition("=")
        if flag in OLD_FLAGS:
            echo(f"note: {flag} is now {OLD_FLAGS[flag]}", err=True)
            flag = OLD_FLAGS[flag]
        new.append(f"{flag}{equals}{value}")
    return new


def typed_values(args: list[str], flag: str) -> list[str]:
    """Return every value typed for ``--flag``, before anything is parsed."""
    found = []
    for i, arg in enumerate(args):
        if arg == f"--{flag}" and i + 1 < len(args):
            found.append(args[i + 1])
        elif arg.startswith(f"--{flag}="):
            found.append(arg.partition("=")[2])
    return found


def _without(args: list[str], flag: str) -> list[str]:
    """Return what was typed without ``--flag``."""
    return [arg for arg in args if arg != f"--{flag}" and not arg.startswith(f"--{flag}=")]


def _typed(args: list[str], flag: str) -> str | None:
    found = typed_values(args, flag)
    return found[-1] if found else None
