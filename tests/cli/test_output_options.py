"""``--quiet``, ``--verbose`` and ``--log``: before a command or after it."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings

import click
import pytest

from memcell.cli import main
from memcell.cli.main import run


@pytest.fixture
def command(monkeypatch):
    """A command that answers, warns and may fail: ``memcell probe-it --fail``."""

    @click.command()
    @click.option("--fail", is_flag=True)
    def it(fail):
        click.echo("the answer")
        warnings.warn("by the way", stacklevel=1)
        click.echo("half a ", nl=False)
        click.echo("line\n")
        if fail:
            raise KeyError("inside")

    monkeypatch.setattr(main.cli, "get_command", lambda ctx, name: it)


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize("place", ["before", "after"])
def test_quiet_leaves_answers_and_errors(capsys, place):
    run(["-q", "it"] if place == "before" else ["it", "--quiet"])
    shown = capsys.readouterr()
    assert shown.out.startswith("the answer\n")
    assert shown.err == ""
    assert run(["it", "--fail", "-q"]) == 1
    assert capsys.readouterr().err.startswith("memcell: KeyError: 'inside'")


@pytest.mark.usefixtures("command")
def test_verbose_says_where_a_note_comes_from_and_what_it_took(capsys):
    run(["it", "-v"])
    err = capsys.readouterr().err
    assert re.search(r"note: by the way \(UserWarning, .*test_output_options\.py:\d+\)\n", err)
    assert re.search(r"took \d+\.\d s, \d+ MiB of memory at most\n$", err)
    with pytest.raises(KeyError):
        run(["it", "--fail", "-v"])


@pytest.mark.usefixtures("command")
def test_a_log_has_every_line_with_its_time_and_the_end(tmp_path, capsys):
    log = tmp_path / "a.log"
    run(["it", "--log", str(log)])
    assert "the answer" in capsys.readouterr().out
    run([f"--log={log}", "it", "--fail", "--quiet"])
    lines = log.read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in lines)
    kinds = [line.split()[1] for line in lines]
    assert kinds[:6] == ["began", "out", "err", "out", "out", "ended"]
    texts = [line.split(" ", 2)[2].removeprefix("  ") for line in lines]
    assert "half a line" in [text.strip() for text in texts]
    # the second time: notes though nothing was shown, and where the error was raised though nobody asked
    assert "note: by the way" in " ".join(texts[kinds.index("ended") :])
    assert kinds.count("trace") > 3
    assert texts[-1].startswith("with 1 after")


def test_a_log_that_cannot_be_written_is_refused_before_anything_runs(capsys, tmp_path):
    assert run(["models", "list", "--log", str(tmp_path / "no" / "a.log")]) == 2
    shown = capsys.readouterr()
    assert "cannot be written (No such file or directory)" in shown.err
    assert shown.out == ""
    assert run(["models", "list", "--log"]) == 2


def test_nothing_after_two_dashes_is_taken():
    output, rest = main.OutputOptions.taken_from(["predict", "x", "--", "-q", "--log"])
    assert not output.quiet
    assert rest == ["predict", "x", "--", "-q", "--log"]


def test_a_wrong_value_is_refused_before_torch_is_loaded():
    typed = (
        ["train", "memory", "--epochs", "foo"],
        ["compare", "memory", "--policy", "carry,reset", "--epochs", "foo"],
        ["predict", "microsleep", "x", "--model", "y", "--reference", "m9"],
    )
    script = (
        "import sys; from memcell.cli.main import run; "
        f"print(*(run(words) for words in {typed}), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "2 2 2 False\n"
