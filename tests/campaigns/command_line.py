"""The command line that campaigns share: a folder to work in, and the counts at the end."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Campaign:
    """A campaign that has begun.

    Args:
        options: What was typed.
        folder: To work in. Caches are in it too, so that a campaign reads and leaves none of the person's.
        began: When, on the monotonic clock.
    """

    options: Any
    folder: Path
    began: float

    def ended(self, counted: str, wrong: int, called: str = "not as they should be") -> int:
        """Print the counts and the time; return the exit code."""
        print(f"{counted}, {wrong} {called}, {time.monotonic() - self.began:.0f} s")
        return int(wrong > 0)


@contextmanager
def begun(
    doc: str | None, add: Callable[[argparse.ArgumentParser], object] = lambda parser: None
) -> Iterator[Campaign]:
    """Read the command line of a campaign and make its folder.

    Args:
        doc: The module's docstring; its first line is the description.
        add: Adds options to those that all campaigns have.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    add(parser)
    parser.add_argument(
        "--work", type=Path, metavar="FOLDER",
        help="where to work; the folder stays (default: a temporary one, which does not)",
    )  # fmt: skip
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(options.work or temporary).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        yield Campaign(options, folder, time.monotonic())
