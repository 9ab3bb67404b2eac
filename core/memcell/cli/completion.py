"""What a shell offers for a value that is being typed: names that are known here, else files.

`click` writes the shell's part: ``eval "$(_MEMCELL_COMPLETE=bash_source memcell)"``, ``zsh_source``,
``fish_source``. Only names are looked up, so a key stroke imports neither torch nor MNE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem


class Word(click.ParamType):  # type: ignore[type-arg]  # generic in newer click alone
    """A text of which some values are known by name; the text itself is taken as it is.

    Args:
        names: The known values, looked up when somebody asks.
        many: Several, with commas between them: the last one is being typed.
    """

    name = "text"

    def __init__(self, names: Callable[[], Iterable[str]] = tuple, many: bool = False) -> None:
        self._names, self._many = names, many

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the names that begin so; a shell that is given none offers files."""
        before = incomplete[: incomplete.rfind(",") + 1] if self._many else ""
        typed = incomplete.removeprefix(before)
        named = [CompletionItem(before + n) for n in self._names() if n.startswith(typed)]
        return named or [CompletionItem(incomplete, type="file")]


#: A file or folder.
PLACE = Word()


def trained() -> list[str]:
    """Return the names of the trained models that come along."""
    from memcell.applications.models import models_of
    from memcell.plugins import default_registry

    return [model.name for model in models_of(default_registry())]


#: A run's folder, or the name of a model that comes along.
TRAINED = Word(trained)
