"""``memcell bench NAME``: benchmarks, each brought by a package under the entry point ``memcell.bench``.

An entry point there is ``NAME = "module:click command"``; it is imported when NAME is typed.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

import click

from memcell.errors import PluginError, unknown

GROUP = "memcell.bench"


def benchmarks() -> dict[str, list[EntryPoint]]:
    """Return the entry points by name, each distribution's once."""
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        # an editable install can be found twice on the path; the first one is what gets imported
        found.setdefault(point.name, {}).setdefault(_distribution(point), point)
    return {name: list(found[name].values()) for name in sorted(found)}


class BenchGroup(click.Group):
    """A group with one command for each installed benchmark."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the benchmarks."""
        return list(benchmarks())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Import a benchmark.

        Raises:
            click.UsageError: There is none of that name.
            PluginError: It cannot be imported, is no command, or two distributions bring it.
        """
        known = benchmarks()
        if cmd_name not in known:
            raise click.UsageError(unknown("benchmark", cmd_name, known), ctx)
        points = known[cmd_name]
        if len(points) > 1:
            both = " and ".join(_distribution(p) for p in points)
            raise PluginError(f"benchmark '{cmd_name}' is brought by {both}; uninstall one of them")
        origin = f"benchmark '{cmd_name}' of {_distribution(points[0])} ('{points[0].value}')"
        try:
            found = points[0].load()
        # third-party code may raise anything on import, SystemExit included
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split())
            raise PluginError(
                f"{origin} could not be imported: {type(error).__name__}: {reason}"
            ) from error
        if not isinstance(found, click.Command):
            raise PluginError(f"{origin} is a {type(found).__name__}; a click command is expected")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of benchmarks without importing them."""
        rows = [
            (name, f"of {' and '.join(_distribution(p) for p in points)}")
            for name, points in benchmarks().items()
        ]
        if rows:
            with formatter.section("Benchmarks"):
                formatter.write_dl(rows)


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


bench = BenchGroup("bench", help="Measure speed; 'memcell bench NAME --help' says how.")
