"""``memcell``: commands found by name and imported only when they are typed."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from memcell.cli.completion import PLACE
from memcell.cli.log import Log
from memcell.cli.terminal import echo, guarded, hushed
from memcell.errors import MemcellError, UsageError, raised_in, unknown
from memcell.escape import Lines, line
from memcell.version import __version__

#: Command to where it is and what it does; the help shows this line without importing the command.
COMMANDS = {
    "train": ("memcell.cli.train:train", "Train a network and its control run, and score both."),
    "compare": (
        "memcell.cli.compare:compare",
        "Compare settings with paired seeds and statistics.",
    ),
    "report": (
        "memcell.cli.report:report",
        "Make the report of a comparison, a run or a prediction again.",
    ),
    "evaluate": ("memcell.cli.evaluate:evaluate", "Score a trained run again."),
    "predict": ("memcell.cli.predict:predict", "Run a trained network over recordings."),
    "review": (
        "memcell.cli.review:review",
        "Correct what was found in a viewer, and read it back.",
    ),
    "labels": (
        "memcell.cli.labels:labels",
        "Convert label files; say how well two people agree.",
    ),
    "stream": ("memcell.cli.stream:stream", "Run a trained network live, step by step."),
    "models": ("memcell.cli.models:models", "List and show the trained models that come along."),
    "export": ("memcell.cli.export:export", "Write a trained network as an ONNX file."),
    "plugins": ("memcell.cli.plugins:plugins", "List and check what is installed."),
    "data": ("memcell.cli.data:data", "List, get, make and check data."),
    "doctor": (
        "memcell.cli.doctor:doctor",
        "Look at this machine: what works, what is missing.",
    ),
    "bench": ("memcell.cli.bench:bench", "Measure speed."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Raises:
            click.UsageError: There is none of that name.
        """
        if cmd_name not in COMMANDS:
            raise click.UsageError(unknown("command", cmd_name, COMMANDS), ctx)
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="memcell")
@click.option(
    "--quiet", "-q", is_flag=True, help="No notes and no progress: answers and errors only."
)
@click.option(
    "--verbose", "-v", is_flag=True, help="Say where notes come from, and what the command took."
)
@click.option(
    "--log",
    metavar="FILE",
    type=PLACE,
    help="Add what is printed to a file as well, with the time.",
)
@click.option("--traceback", is_flag=True, help="Show where an unexpected error was raised.")
def cli(**_: Any) -> None:
    """Train recurrent networks statefully, and measure what carrying memory did.

    Start with: memcell train microsleep. These options may stand after a command too.
    """


@dataclass(frozen=True)
class OutputOptions:
    """What is printed, and where: options that stand before a command or after it.

    Args:
        quiet: No notes, no progress.
        verbose: Notes with their place in the code; seconds and memory at the end; where errors were raised.
        traceback: Where an unexpected error was raised.
        log: A file that gets it too.
    """

    quiet: bool = False
    verbose: bool = False
    traceback: bool = False
    log: str | None = None

    @classmethod
    def taken_from(cls, typed: Sequence[str]) -> tuple[OutputOptions, list[str]]:
        """Return them, and what else was typed.

        Raises:
            UsageError: ``--log`` has no file.
        """
        flags = {"-q": "quiet", "--quiet": "quiet", "-v": "verbose", "--verbose": "verbose"}
        found: dict[str, Any] = {}
        rest: list[str] = []
        words = iter(typed)
        for word in words:
            if word == "--":
                rest += [word, *words]
            elif word in flags:
                found[flags[word]] = True
                if (
                    word == "--verbose" and "compare" in rest
                ):  # which has one of its own: lines of runs
                    rest.append(word)
            elif word.startswith("--log="):
                found["log"] = word.partition("=")[2]
            elif word == "--log":
                found["log"] = next(words, "")
            elif word == "--traceback":
                found["traceback"] = True
            else:
                rest.append(word)
        if found.get("log") == "":
            raise UsageError("--log got no file; type --log FILE")
        found.setdefault("traceback", found.get("verbose", False))
        return cls(**found), rest


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 typed wrongly, 130 interrupted."""
    sys.exit(run(args))


def run(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code; one clear line for anything that goes wrong."""
    typed = list(sys.argv[1:] if args is None else args)
    try:
        output, rest = OutputOptions.taken_from(typed)
        log = None if output.log is None else Log(Path(output.log), typed)
    except UsageError as error:
        with guarded():
            return _fail(error.text, error.exit_code)
    code, began = 1, time.monotonic()
    try:
        with guarded(log):
            code = _run(rest, output, log)
            if output.verbose and not output.quiet:
                echo(f"took {time.monotonic() - began:.1f} s{_memory()}", err=True)
    finally:
        if log is not None:
            log.end(code)
    return code


def _run(args: list[str], output: OutputOptions, log: Log | None) -> int:
    try:
        with warnings.catch_warnings(), hushed() if output.quiet else nullcontext():
            warnings.showwarning = partial(_note, with_place=output.verbose)
            result: Any = cli.main(args=args, prog_name="memcell", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", 130)
    except click.exceptions.NoArgsIsHelpError as error:
        echo(Lines(error.format_message()), err=True)
        return error.exit_code
    except click.ClickException as error:
        usage = getattr(error, "ctx", None)
        tail = f"\nTry '{usage.command_path} --help'." if usage is not None else ""
        return _fail(Lines(line(error.format_message()) + tail), error.exit_code)
    except MemcellError as error:
        return _fail(error.text, error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away; python would complain once more when flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"'{error.filename}': " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", 1)
    except Exception as error:
        if log is not None:
            log.failed(error)
        if output.traceback:
            raise
        reason = " ".join(str(error).split())
        whose = _plugin_of(error) or "this is a fault of memcell or of a plugin"
        hint = f"{whose}; 'memcell --traceback …' shows where"
        return _fail(f"{type(error).__name__}: {reason} ({hint})", 1)
    return result if isinstance(result, int) else 0


def _plugin_of(error: BaseException) -> str:
    """Say which plugin of another distribution raised an error, and in which line; empty where none did."""
    from memcell.plugins import default_registry

    try:
        entries = default_registry().entries()
    except Exception:  # the registry itself may be what failed; the first error is the one to say
        return ""
    for entry in entries:
        place = "" if entry.built_in else raised_in(error, entry.spec.factory)
        if place:
            return f"raised in {place}, of {entry.distribution}"
    return ""


def _note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    *_: object,
    with_place: bool,
) -> None:
    """Show a warning as a person reads it: with the place in the code that gave it only where wanted."""
    place = f" ({category.__name__}, {filename}:{lineno})" if with_place else ""
    echo(f"note: {message}{place}", err=True)


def _memory() -> str:
    """Return the most memory that the command used, in words; nothing where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return ""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = most / 2**20 if sys.platform == "darwin" else most / 2**10
    return f", {size:.0f} MiB of memory at most"


def _fail(message: str, code: int) -> int:
    text = f"memcell: {message}"
    echo(Lines(text) if isinstance(message, Lines) else text, err=True)
    return code
