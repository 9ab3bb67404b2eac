"""``memcell plugins``: what is installed, where it comes from, and whether it keeps its contract."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from itertools import groupby, zip_longest
from typing import IO, TYPE_CHECKING, Any

import click

from memcell.cli.own_output import own_output
from memcell.cli.terminal import echo
from memcell.errors import MemcellError, UsageError, unknown
from memcell.escape import Lines
from memcell.plugins import Entry, Registry, default_registry
from memcell.plugins.loader import OWN_DISTRIBUTION, Selection
from memcell.plugins.options import fields_of
from memcell.plugins.specs import KINDS
from memcell.progress import progress

if TYPE_CHECKING:
    from memcell.testing.failure import Finding


@click.command()
@click.argument("name", required=False)
@click.option(
    "--kind",
    metavar="KIND",
    type=click.Choice([k.kind for k in KINDS]),
    help=f"Only plugins of this kind: {', '.join(k.kind for k in KINDS)}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for other programs.")
@click.option("--check", is_flag=True, help="Import every plugin and run its conformance checks.")
@click.option(
    "--expect",
    metavar="KIND.NAME.CHECK=REASON",
    multiple=True,
    help="With --check: a check that a plugin fails on purpose, and why. Repeatable.",
)
@click.option("--markdown", is_flag=True, help="Print the reference page of everything installed.")
def plugins(
    name: str | None,
    kind: str | None,
    as_json: bool,
    check: bool,
    expect: tuple[str, ...],
    markdown: bool,
) -> int:
    """List plugins, or show NAME with its options.

    Status is "ok" (its modules are there; none is imported), "duplicate of …" or "failed: …"; with
    --check, the result of the conformance checks, and for a cell which way its time loop runs; that way's
    numbers are among the checks. The exit code is 1 when a plugin could not be loaded or failed a check. A
    failure that the plugin declares (expected_failures of its spec), or that --expect names, is none; to
    pass then is one.

    MEMCELL_LOAD_PLUGINS in the environment says what is loaded: empty, the built-in plugins only;
    distributions with commas, those too.
    """
    # As JSON the output is for a program, and a plugin may print when it is imported.
    with own_output() if as_json else nullcontext(sys.stdout) as output:
        return _plugins(name, kind, as_json, check, _expected(expect, check), markdown, output)


#: Columns of a screen.
COLUMNS = 80
#: Kind of what could not be loaded.
NOT_LOADED = "-"

#: ``(kind, name)`` to check to the reason why it fails.
Expected = dict[tuple[str, str], dict[str, str]]


def _expected(typed: tuple[str, ...], check: bool) -> Expected:
    """Return the failures that were typed as expected.

    Raises:
        UsageError: One is not of the form KIND.NAME.CHECK=REASON.
    """
    if typed and not check:
        raise UsageError("--expect is about checks: add --check")
    found: Expected = {}
    for text in typed:
        where, _, reason = text.partition("=")
        parts = where.split(".")
        if len(parts) != 3 or not reason.strip():
            raise UsageError(
                f"--expect got '{text}'; expected KIND.NAME.CHECK=REASON, such as "
                "'cell.mine.gradients_are_right=cuts its gradient, as the paper does'"
            )
        found.setdefault((parts[0], parts[1]), {})[parts[2]] = reason.strip()
    return found


def _plugins(
    name: str | None,
    kind: str | None,
    as_json: bool,
    check: bool,
    expected: Expected,
    markdown: bool,
    output: IO[str],
) -> int:
    registry = default_registry()
    if markdown:
        from memcell.cli.reference import reference

        echo(Lines(reference(registry)), nl=False)
        return 0
    chosen = [e for e in registry.entries(kind) if name is None or e.spec.name == name]
    if name is not None and not chosen:
        if kind is None and name in {k.kind for k in KINDS}:
            raise UsageError(
                f"'{name}' is a kind of plugin: memcell plugins --kind {name} lists them."
            )
        raise UsageError(registry.unknown(kind, name))
    known = {(e.spec.kind, e.spec.name) for e in chosen}
    for stranger in expected.keys() - known:
        raise UsageError(unknown("plugin", ".".join(stranger), map(".".join, known)))
    rows = _checked(chosen, expected) if check else [_row(entry) for entry in chosen]
    if name is None:
        rows += _failures(registry)
    if as_json:
        if name is not None:
            for row, entry in zip(rows, chosen, strict=True):
                try:
                    row["options"] = _options(entry)
                except MemcellError as error:
                    row["options"], row["status"] = [], f"failed: {error}"
        click.echo(json.dumps(rows, indent=2), file=output)
    elif name is not None and not check:
        for entry in chosen:
            _show(entry)
    else:
        if check:
            _print_checks(rows)
        else:
            _print_list(rows)
            echo("note: nothing was imported; 'memcell plugins --check' tries each of them")
        if selection := str(Selection.of_environment()):
            echo(f"note: {selection}")
    return int(any(row["status"] not in ("ok", "") for row in rows))


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "kind": entry.spec.kind,
        "name": entry.spec.name,
        "distribution": entry.distribution,
        "version": entry.version,
        "status": plugin_status(entry),
        "summary": entry.spec.summary,
        "reference": entry.spec.reference,
    }


def plugin_status(entry: Entry) -> str:
    """Return ``"ok"``, or what is wrong with a plugin as far as can be told without importing it."""
    if entry.conflict:
        return f"duplicate of {entry.conflict}"
    missing = entry.missing()
    return f"failed: there is no module '{missing}'" if missing else "ok"


def _checked(entries: list[Entry], expected: Expected) -> list[dict[str, Any]]:
    """Return the rows of plugins with what their checks found."""
    from memcell.testing import check_plugin

    rows = []
    # generated code is compiled once a machine: the first time takes a minute, and that is to be seen
    with progress("checking plugins", len(entries)) as bar:
        for entry in entries:
            row = _row(entry)
            rows.append(row)
            if not entry.conflict:
                bar.advance(0, f"{entry.spec.kind} {entry.spec.name}")
                own = expected.get((entry.spec.kind, entry.spec.name), {})
                findings = check_plugin(entry, own)
                row["checks"] = len(findings)
                meant = [f"{f.check} ({f.expected})" for f in findings if f.expected]
                if meant:
                    row["expected failures"] = meant
                bad = [f"{f.check}: {f.reason}" for f in findings if not f.ok]
                if bad:
                    row["status"] = "failed: " + "; ".join(bad)
                    row["failures"] = _by_reason(findings)
                if entry.spec.kind == "cell":
                    row["runs"] = _way(entry)
            bar.advance()
    return rows


def _by_reason(findings: Iterable[Finding]) -> list[str]:
    """Return a line for each reason, with the checks that gave it: one fault makes many checks raise."""
    checks: dict[str, list[str]] = {}
    for finding in findings:
        if not finding.ok:
            checks.setdefault(finding.reason, []).append(finding.check)
    lines = []
    for reason, names in checks.items():
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        lines.append(f"{', '.join(names[:3])}{more}: {reason}")
    return lines


def _way(entry: Entry) -> str:
    """Say which way a cell's time loop runs, and why."""
    from memcell.backends import Layer

    try:
        return Layer(entry.build(3, 4, entry.config({})), None).runs
    except Exception as error:  # already reported by the checks
        return f"not at all ({type(error).__name__})"


def _failures(registry: Registry) -> list[dict[str, Any]]:
    return [
        {
            "kind": NOT_LOADED,
            "name": failure.plugin,
            "distribution": failure.distribution,
            "version": failure.version,
            "status": f"failed: {failure.reason}",
            "summary": "",
            "reference": "",
        }
        for failure in registry.failures
    ]


def _print_list(rows: list[dict[str, Any]]) -> None:
    """Print the plugins of each kind under its name, and what is wrong with any."""
    width = max((len(row["name"]) for row in rows), default=0) + 2
    for kind, group in groupby(rows, key=lambda row: row["kind"]):
        echo("not loaded" if kind == NOT_LOADED else kind)
        for row in group:
            status = "" if row["status"] == "ok" else row["status"]
            text = " ".join(x for x in (status or row["summary"], _origin(row)) if x)
            lines = textwrap.wrap(text, max(40, COLUMNS - width - 2), break_on_hyphens=False)
            for name, line in zip_longest([row["name"]], lines or [""], fillvalue=""):
                echo(f"  {name:<{width}}{line}".rstrip())


def _print_checks(rows: list[dict[str, Any]]) -> None:
    """Print a line for each plugin, and below all of them what failed."""
    columns = ["kind", "name", "checks", "status", "runs"]
    # what failed checks say is a line each below the table
    brief = [{**row, "status": "failed, see below"} if "failures" in row else row for row in rows]
    table = [[str(row.get(c, "")) for c in columns] for row in brief]
    widths = [max(len(line[i]) for line in [columns, *table]) for i in range(len(columns))]
    # one failed plugin must not push the last column of the others off the screen
    widths = [min(w, 40) for w in widths]
    for line in [columns, *table]:
        cells = [f"{c:<{w}}" for c, w in zip(line, widths, strict=True)]
        echo("  ".join(cells).rstrip())
    for row in rows:
        for failure in row.get("failures", ()):
            echo(f"failed: {failure}")
        for meant in row.get("expected failures", ()):
            echo(f"note: {row['kind']} '{row['name']}' fails on purpose: {meant}")


def _origin(row: Mapping[str, Any]) -> str:
    """Return which distribution a plugin is of, in brackets; empty for one that comes with memcell."""
    own = row["distribution"] == OWN_DISTRIBUTION
    return "" if own else f"({row['distribution']} {row['version']})"


def _options(entry: Entry) -> list[dict[str, Any]]:
    fields = fields_of(entry.config_type())
    return [
        {"name": f.flag, "default": f.default, "unit": f.unit, "bounds": f.bounds, "help": f.help}
        for f in fields
    ]


def _show(entry: Entry) -> None:
    spec = entry.spec
    echo(f"{spec.kind} {spec.name}, of {entry.distribution} {entry.version}")
    echo(f"  {spec.summary}")
    if spec.reference:
        echo(f"  {spec.reference}")
    for key, value in entry.capabilities(entry.config({})).items():
        echo(f"  {key}: {value}")
    from memcell.cli.reference import option_prefix

    for option in _options(entry):
        facts = ", ".join(x for x in (option["unit"], option["bounds"]) if x)
        tail = f" ({facts})" if facts else ""
        echo(
            f"  --{option_prefix(spec)}{option['name']} [{option['default']}]  {option['help']}{tail}"
        )
