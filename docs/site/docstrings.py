"""Extensions of griffe: what docstrings of this project mean beyond Google's sections."""

from __future__ import annotations

import re
from typing import Any

import griffe

#: Lines of a doctest, from its first prompt up to an empty line.
_DOCTEST = re.compile(r"^(?P<indent> *)>>> .*(?:\n(?P=indent)\S.*)*", re.MULTILINE)
#: A paragraph that announces a literal block as reStructuredText does.
_LITERAL = re.compile(r"::$", re.MULTILINE)


def as_markdown(text: str) -> str:
    """Return a docstring with its doctests fenced and its literal blocks announced by one colon."""

    def fenced(found: re.Match[str]) -> str:
        indent = found["indent"]
        return f"{indent}```pycon\n{found[0]}\n{indent}```"

    return _LITERAL.sub(":", _DOCTEST.sub(fenced, text))


class Markdown(griffe.Extension):
    """Docstrings in which Markdown takes nothing for what it is not."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the text of one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


class NamedTuples(griffe.Extension):
    """The constructor of a NamedTuple, so that its docstring may describe the fields."""

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        """Add ``__init__`` to a class that derives from ``NamedTuple`` itself."""
        if not any(str(base).rpartition(".")[2] == "NamedTuple" for base in cls.bases):
            return
        fields = [
            griffe.Parameter(
                member.name,
                annotation=member.annotation,
                kind=griffe.ParameterKind.positional_or_keyword,
                default=member.value,
            )
            for member in cls.members.values()
            if isinstance(member, griffe.Attribute) and member.annotation is not None
        ]
        this = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
        init = griffe.Function("__init__", parameters=griffe.Parameters(this, *fields))
        cls.set_member("__init__", init)
