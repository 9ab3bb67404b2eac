"""The errors that a person is meant to read.

Every message says what was received, what was expected and what to type instead, and names the
file, channel, plugin or option. The command line prints the message alone and exits with
``exit_code``: 2 where the call was wrong, 1 where it was right and the work failed.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from memcell.escape import Lines


class MemcellError(Exception):
    """Work that was asked for correctly and could not be done."""

    exit_code = 1

    @property
    def text(self) -> str:
        """The message as it is printed: on one line, unless its breaks are meant (`memcell.escape.Lines`)."""
        first = self.args[0] if self.args else ""
        return first if isinstance(first, Lines) else str(self)


class UsageError(MemcellError):
    """A call that cannot be carried out as it was typed."""

    exit_code = 2


class ConfigError(UsageError):
    """An option or a setting with a value that it cannot take."""


class PluginError(MemcellError):
    """A plugin that failed to load, to build or to keep its contract."""


class IncompatibleError(UsageError):
    """Parts that do not fit each other; found before any training."""


class DiskError(MemcellError):
    """A disk that takes nothing more: full, over its quota, or not to be written."""


class DataError(MemcellError):
    """A recording, a label file or a data set that cannot be used."""


class Diverged(MemcellError):
    """Training whose loss is no longer a number."""


class CheckpointError(MemcellError):
    """A run folder or checkpoint that is missing, altered, or of another version."""


class RunFolderError(CheckpointError, DataError):
    """A file of a run, comparison or prediction that cannot be used as it is; the message names it."""

    exit_code = 2


class Unsupported(MemcellError):
    """This backend cannot run this cell, normalizer, window or machine; the eager loop can.

    The message names the operation or the circumstance.

    Attributes:
        node: The operation of the traced step that it is about, where it is about one.
    """

    def __init__(self, message: str, node: Any = None) -> None:
        super().__init__(message)
        self.node = node


def did_you_mean(received: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known word, or an empty string.

    >>> did_you_mean("lstn", ["lstm", "gru"])
    " Did you mean 'lstm'?"
    """
    near = get_close_matches(received, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def unknown(what: str, received: str, known: Iterable[str]) -> str:
    """Say that a name is not known, which one is near, and which there are."""
    names = sorted(known)
    listed = ", ".join(names) if names else "none"
    excerpt = received if len(received) <= 80 else f"{received[:77]}..."
    return f"unknown {what} '{excerpt}'.{did_you_mean(received, names)} There are: {listed}."


def raised_in(error: BaseException, module: str) -> str:
    """Return the last place in a module's top package that an error passed, as 'file.py, line 3'; else ''."""
    package = module.partition(":")[0].partition(".")[0]
    place = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package:
            place = f"{Path(frame.f_code.co_filename).name}, line {number}"
    return place
