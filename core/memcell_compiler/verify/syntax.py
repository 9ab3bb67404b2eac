"""The C that programs are written in, read: tokens, expressions and statements of the few kinds there are.

Nothing here knows how programs are written; what is not understood is refused, and so is the program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from memcell_compiler.verify.memory import Unverified

#: Nodes are tuples: a kind, then its parts.
Node = tuple[Any, ...]

_TOKENS = re.compile(
    r"\s+|/\*.*?\*/|(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?L?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<mark>->|\+\+|\+=|==|!=|<=|>=|&&|\|\||[-+*/%&!?:;,.(){}\[\]<>=])",
    re.S,
)
_TYPES = ("long", "real", "struct", "size_t", "uint8_t", "uint64_t")
_LEVELS = (
    ("||",),
    ("&&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("&",),
    ("+", "-"),
    ("*", "/", "%"),
)


@dataclass(frozen=True)
class Function:
    """A function: name, names of its parameters, statements."""

    name: str
    parameters: tuple[str, ...]
    body: list[Node]


def read(source: str) -> dict[str, Function]:
    """Return the functions of a source.

    Raises:
        Unverified: It is not understood.
    """
    lines = (line for line in source.splitlines() if not line.lstrip().startswith("#pragma"))
    parser = _Parser(_tokens("\n".join(lines)))
    found = {}
    while parser.kind != "end":
        function = parser.function()
        found[function.name] = function
    return found


def expression(source: str) -> Node:
    """Return an expression."""
    return _Parser(_tokens(source)).expression()


def by_columns(body: list[Node], name: str) -> bool:
    """Whether a loop's body can run for all columns at once."""
    if len(body) == 1 and body[0][0] == "block":
        body = body[0][1]
    inside = {name}
    added: set[str] = set()
    for node in body:
        if (
            node[0] == "declare"
            and node[3] is None
            and node[4] is not None
            and node[1] in ("real", "long")
        ):
            inside.add(node[2])
            continue
        if node[0] == "do" and node[1][0] == "cast" and node[1][1] == "void":
            continue
        if node[0] != "assign" or node[3][0] == "struct":
            return False
        _, how, left, value = node
        if how == "=" and _holds(value, left):  # the larger of what several columns may have
            return False
        if left[0] == "index" and _mentions(left[2], inside):
            continue
        if left[0] == "name" and left[1] not in inside and how == "+=":
            added.add(left[1])
            continue
        return False
    return not any(_mentions(part, added) for node in body for part in _read(node))


def _read(node: Node) -> list[Node]:
    """Return the expressions that a statement reads."""
    if node[0] == "do":
        return []
    if node[0] == "declare":
        return [node[4]]
    _, _, left, value = node
    return [value, left[2]] if left[0] == "index" else [value]


def _mentions(node: Any, names: set[str]) -> bool:
    if isinstance(node, tuple) and len(node) == 2 and node[0] == "name":
        return node[1] in names
    return isinstance(node, tuple | list) and any(_mentions(part, names) for part in node)


def _holds(node: Any, part: Node) -> bool:
    """Whether an expression is a part of another."""
    return node == part or (isinstance(node, tuple | list) and any(_holds(n, part) for n in node))


def _tokens(source: str) -> list[tuple[str, str]]:
    source = re.sub(r"\bstatic\b|__attribute__\(\(\w+(\(\w+\))?\)\)", "", source)
    found, at = [], 0
    while at < len(source):
        match = _TOKENS.match(source, at)
        if match is None:
            raise Unverified(f"generated code that is not understood: {source[at : at + 40]!r}")
        at = match.end()
        if match.lastgroup:
            found.append((match.lastgroup, match.group()))
    return [*found, ("end", "")]


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.at = tokens, 0

    @property
    def kind(self) -> str:
        return self.tokens[self.at][0]

    @property
    def text(self) -> str:
        return self.tokens[self.at][1]

    def ahead(self, n: int) -> str:
        return self.tokens[min(self.at + n, len(self.tokens) - 1)][1]

    def take(self, expected: str | None = None) -> str:
        text = self.text
        if expected is not None and text != expected:
            near = " ".join(t for _, t in self.tokens[max(0, self.at - 8) : self.at + 4])
            raise Unverified(f"generated code that is not understood near: {near}")
        self.at += 1
        return text

    def skip(self, text: str) -> bool:
        if self.text == text:
            self.at += 1
            return True
        return False

    # --- declarations ---------------------------------------------------------------------------

    def is_type(self) -> bool:
        return self.text in ("const", "void", *_TYPES)

    def type(self) -> str:
        """Return a type's name with a star for each pointer."""
        name = ""
        while self.is_type():
            word = self.take()
            if word == "struct":
                word = self.take()
            name = word if word != "const" else name
        return name + self.stars()

    def stars(self) -> str:
        stars = ""
        while self.text in ("*", "const"):
            stars += "*" if self.take() == "*" else ""
        return stars

    def function(self) -> Function:
        self.type()
        name = self.take()
        self.take("(")
        parameters = []
        while not self.skip(")"):
            self.type()
            parameters.append(self.take())
            self.skip(",")
        return Function(name, tuple(parameters), self.block())

    def declaration(self) -> list[Node]:
        base = self.type()
        plain = base.rstrip("*")
        found: list[Node] = []
        kind = base
        while True:
            name = self.take()
            size = value = None
            if self.skip("["):
                size = self.expression()
                self.take("]")
            if self.skip("="):
                value = self.expression()
            found.append(("declare", kind, name, size, value))
            if not self.skip(","):
                return found
            kind = plain + self.stars()

    # --- statements -----------------------------------------------------------------------------

    def block(self) -> list[Node]:
        self.take("{")
        found: list[Node] = []
        while not self.skip("}"):
            found += self.statement()
        return found

    def statement(self) -> list[Node]:
        if self.text == "{":
            return [("block", self.block())]
        if self.text == "for":
            return [self.loop()]
        if self.skip("if"):
            self.take("(")
            condition = self.expression()
            self.take(")")
            body = self.statement()
            return [("if", condition, body, self.statement() if self.skip("else") else [])]
        if self.skip("return"):
            value = self.expression()
            self.take(";")
            return [("return", value)]
        found = self.declaration() if self.is_type() else [self.simple()]
        self.take(";")
        return found

    def loop(self) -> Node:
        self.take("for")
        self.take("(")
        begin = self.declaration()
        self.take(";")
        condition = self.expression()
        self.take(";")
        step = self.simple()
        self.take(")")
        return ("for", begin, condition, step, self.statement())

    def simple(self) -> Node:
        left = self.expression()
        if self.text in ("=", "+="):
            return ("assign", self.take(), left, self.expression())
        return ("do", left)

    # --- expressions ----------------------------------------------------------------------------

    def expression(self) -> Node:
        condition = self.binary(0)
        if self.skip("?"):
            yes = self.expression()
            self.take(":")
            return ("choose", condition, yes, self.expression())
        return condition

    def binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.text in _LEVELS[level]:
            left = ("binary", self.take(), left, self.binary(level + 1))
        return left

    def unary(self) -> Node:
        if self.text in ("-", "!", "&"):
            return ("unary", self.take(), self.unary())
        if self.text == "(" and self.ahead(1) in ("const", "void", *_TYPES):
            self.take("(")
            kind = self.type()
            self.take(")")
            if self.text == "{":
                self.take("{")
                parts = [self.expression()]
                while self.skip(","):
                    parts.append(self.expression())
                self.take("}")
                return ("struct", parts)
            return ("cast", kind, self.unary())
        return self.postfix()

    def postfix(self) -> Node:
        if self.skip("("):
            found = self.expression()
            self.take(")")
        elif self.kind in ("number", "name"):
            found = (self.kind, self.take())
        else:
            self.take("an expression")
        while True:
            if self.skip("["):
                found = ("index", found, self.expression())
                self.take("]")
            elif self.skip("->"):
                found = ("member", found, self.take())
            elif self.skip("++"):
                found = ("next", found)
            elif self.text == "(":
                found = ("call", found, self.arguments())
            else:
                return found

    def arguments(self) -> list[Node]:
        self.take("(")
        found: list[Node] = []
        while not self.skip(")"):
            if self.is_type():  # sizeof
                found.append(("type", self.type()))
            else:
                found.append(self.expression())
            self.skip(",")
        return found
