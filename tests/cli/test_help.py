"""Help: what many need first, everything with ``--help-all``."""

from __future__ import annotations

import re

from click.testing import CliRunner

from memcell.cli.main import cli


def shown(*args: str) -> list[str]:
    """Return the flags that a command's help has a line for."""
    text = CliRunner().invoke(cli, list(args), terminal_width=80).output
    assert max(map(len, text.splitlines())) <= 80
    return re.findall(r"^  (?:-h, )?(--[\w.-]+)", text, re.MULTILINE)


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
