"""Help: what many need first, everything with ``--help-all``."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner

from memcell.cli.brief import first_sentence
from memcell.cli.main import cli
from memcell.plugins import default_registry


def shown(*args: str) -> list[str]:
    """Return the flags that a command's help has a line for."""
    text = CliRunner().invoke(cli, list(args), terminal_width=80).output
    assert max(map(len, text.splitlines())) <= 80
    return re.findall(r"^  (?:-h, )?(--[\w.-]+)", text, re.MULTILINE)


#: Lines of a screen, and of those that have most to choose.
SCREEN = 40


def commands(command: click.Command, path: tuple[str, ...], above: click.Context | None):
    """Yield the words of every command."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command, info_name="memcell", parent=above)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*path, name), context)


def test_every_help_fits_one_screen() -> None:
    long = []
    for path in commands(cli, (), None):
        text = CliRunner().invoke(cli, [*path, "--help"], terminal_width=80).output
        lines = text.splitlines()
        assert lines[0].startswith(f"Usage: {' '.join(('cli', *path))} ["), path
        if len(lines) > SCREEN or max(map(len, lines)) > 80:
            long.append((" ".join(path), len(lines), max(map(len, lines))))
    assert long == []


@pytest.mark.parametrize("app", default_registry().names("app"))
def test_a_default_is_that_of_the_app(app) -> None:
    """An app may have defaults of its own: of sleep a window has 240 steps."""
    brief, every = (
        CliRunner().invoke(cli, ["train", app, option], terminal_width=80).output
        for option in ("--help", "--help-all")
    )
    said = re.findall(r"^  --([\w-]+) .*\(default: ([\d.]+)\)", brief, re.MULTILINE)
    assert len(said) > 4
    whole = {part.split()[0]: " ".join(part.split()) for part in every.split("\n  --")[1:]}
    assert [flag for flag, n in said if not whole[flag].endswith(f"default: {n})")] == []


def test_an_option_without_a_brief_has_its_first_sentence() -> None:
    assert first_sentence("How long; few need it. Really.") == "How long."
    assert first_sentence("With 3.5 s of it") == "With 3.5 s of it"


def test_help_has_what_many_need() -> None:
    flags = shown("train", "microsleep", "--help")
    assert {"--data", "--policy", "--epochs", "--hidden-size", "--help-all"} <= set(flags)
    assert len(flags) < 40
    assert "--optimizer.beta1" not in flags


def test_help_all_has_every_option() -> None:
    every = shown("train", "microsleep", "--help-all")
    assert {"--optimizer.beta1", "--min-updates", "--split-seed"} <= set(every)
    assert set(shown("train", "microsleep", "--help")) < set(every)


def test_options_of_a_named_plugin_are_in_its_help() -> None:
    assert "--policy.steps" in shown("train", "memory", "--policy", "burn_in", "--help")
    assert "--policy.steps" in shown("compare", "memory", "--policy", "carry,burn_in", "--help")


def test_advanced_options_are_understood() -> None:
    done = CliRunner().invoke(cli, ["train", "memory", "--min-update", "3"])
    assert done.exit_code == 2
    assert "Did you mean --min-updates?" in done.output
