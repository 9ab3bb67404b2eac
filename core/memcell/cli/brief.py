"""Help on one screen: what many need, a line each, by what a person wants; ``--help-all`` has all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from memcell.plugins.options import topics

#: Where a context keeps that all options are to be shown.
_ALL = "memcell.help.all"
#: Columns that names may take before their text goes to the next line.
_WIDEST = 26

#: The heading of a command's own options.
OPTIONS = "Options"

#: A heading and its options.
Titled = tuple[str, Sequence[click.Parameter]]


class BriefOption(click.Option):
    """An option of a command with `--help` on one screen.

    Args:
        brief: What ``--help`` says of it, in a line, ``{default}`` in it for the default; empty for the first
            sentence of ``help``.
        topic: The heading that it stands under there.
        advanced: It stands in ``--help-all`` alone.
    """

    def __init__(
        self, *args: Any, brief: str = "", topic: str = "", advanced: bool = False, **kwargs: Any
    ) -> None:
        self.brief, self.topic, self.advanced = brief, topic, advanced
        super().__init__(*args, **kwargs)


class BriefCommand(click.Command):
    """A command whose ``--help`` fits one screen."""

    def __init__(self, name: str | None, **kwargs: Any) -> None:
        params = [*kwargs.pop("params", ()), help_all()]
        super().__init__(name, params=params, **kwargs)

    def titled(self, ctx: click.Context) -> Sequence[Titled]:
        """Return all options by sections, as ``--help-all`` shows them."""
        own = self.get_help_option(ctx)
        options = [p for p in self.params if isinstance(p, click.Option)]
        return [(OPTIONS, [*options, *([] if own is None else [own])])]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options that many need, or all of them."""
        if not ctx.meta.get(_ALL):
            _write_brief(ctx, formatter, self.titled(ctx))
            return
        for title, group in self.titled(ctx):
            if records := [r for p in group if (r := p.get_help_record(ctx)) is not None]:
                with formatter.section(title):
                    formatter.write_dl(records)


def help_all() -> click.Option:
    """Return ``--help-all``."""
    return BriefOption(
        ["--help-all"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_show_all,
        topic=topics.RUNNING,
        brief="Every option, in full.",
        help="Show every option, those of plugins at their defaults included.",
    )


def _show_all(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.meta[_ALL] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def _write_brief(
    ctx: click.Context, formatter: click.HelpFormatter, titled: Sequence[Titled]
) -> None:
    by_topic: dict[str, list[tuple[str, str]]] = {topic: [] for topic in topics.ALL}
    left_out = 0
    for title, group in titled:
        for param in group:
            if not isinstance(param, click.Option) or param.hidden:
                continue
            if getattr(param, "advanced", False):
                left_out += 1
                continue
            own = topics.RUNNING if title == OPTIONS else title
            topic = getattr(param, "topic", "") or own
            by_topic.setdefault(topic, []).append((_names(param), _brief(param)))
    by_topic[topics.RUNNING] = by_topic.pop(topics.RUNNING)  # the last
    found = {topic: rows for topic, rows in by_topic.items() if rows}
    if len(found) == 1:
        found = {OPTIONS: next(iter(found.values()))}
    width = max(len(names) for rows in found.values() for names, _ in rows)
    for topic, rows in found.items():
        with formatter.section(topic):
            # a column as wide under every heading
            first, *rest = rows
            padded = (first[0].ljust(min(width, _WIDEST)), first[1])
            formatter.write_dl([padded, *rest], col_max=_WIDEST)
    if left_out:
        formatter.write_paragraph()
        formatter.write(f"{left_out} more options: {ctx.command_path} --help-all\n")


def _names(param: click.Option) -> str:
    if param.name == "help":
        return "-h, --help"
    value = param.metavar or ("" if param.is_flag else str(param.type.name).upper())
    if isinstance(param.type, click.Choice):
        value = param.metavar or "WORD"
    flags = ", ".join(sorted(param.opts, key=len))
    return f"{flags} {value}".strip()


def _brief(param: click.Option) -> str:
    brief = str(getattr(param, "brief", ""))
    return brief.replace("{default}", shown(_default(param))) or first_sentence(param.help or "")


def _default(param: click.Option) -> Any:
    """Return what is taken when nobody types an option: of one of a config, what the app makes of it."""
    return getattr(param, "effective", param.default)


def shown(value: Any) -> str:
    """Return a default as help shows it.

    >>> shown(0.003), shown(600.0), shown((1, 2)), shown(True), shown("")
    ('0.003', '600', '1,2', 'yes', 'none')
    """
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def first_sentence(text: str) -> str:
    """Return the beginning of a help: up to its first full stop, semicolon or colon.

    >>> first_sentence("Steps of a window: what one backward pass sees. Few need it.")
    'Steps of a window.'
    """
    ends = [at for sign in (". ", "; ", ": ") if (at := text.find(sign)) > 0]
    return f"{text[: min(ends)]}." if ends else text
