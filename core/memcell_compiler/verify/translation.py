"""C that has been read, as Python that runs on `machine`.

A loop over columns whose body only computes and stores runs for all columns at once; every other loop as it
stands. Threads are generators that stop where threads meet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from memcell_compiler.verify import machine, memory, ring
from memcell_compiler.verify.memory import Unverified
from memcell_compiler.verify.syntax import Function, Node, by_columns

_LONG, _REAL, _FLAG, _POINTER, _OTHER = "long", "real", "flag", "pointer", "other"
_CALLS = {
    "memset", "memcpy", "copy_rows", "add_rows", "choose_rows", "move_rows",
    "combine", "multiply", "pack",
}  # fmt: skip
_IGNORED = ("fetch_row", "fetch_row_alone", "read_ahead", "flush_end")
_MEMBERS = {"kernels": _OTHER, "shared": _POINTER, "resets": "flags", "any_reset": "flags"}
_MEMBERS |= {"valid": "flags", "all_valid": "flags", "returned": "flags"}
_COMPARED = {"<": "less({0}, {1})", ">": "less({1}, {0})", "<=": "~less({1}, {0})"}
_COMPARED |= {">=": "~less({0}, {1})", "==": "({0} == {1})", "!=": "({0} != {1})"}


def environment() -> dict[str, Any]:
    """Return what translated code finds by name.

    An index made of a real number is one of ``rows``, which is set there before it runs.
    """
    found = {name: getattr(machine, name) for name in (*_CALLS, "combine_shared", "packed_size")}
    found |= {
        name: getattr(memory, name) for name in ("Buffer", "Columns", "Span", "load", "store")
    }
    found |= {name: getattr(ring, name) for name in ("constant", "divided", "less")}
    found |= {
        "m_max": ring.largest,
        "m_min": ring.smallest,
        "np": np,
        "Pointer": memory.Pointer,
        "PANEL": memory.PANEL,
        "uint64": np.uint64,
        "real_of": lambda n: np.asarray(n, np.int64).astype(np.uint64)[()],
        "rows": 1,
        "index_of": lambda x: (x % np.uint64(found["rows"])).astype(np.int64),
        "flag": lambda pointer, i: int(pointer.buffer.data[pointer.at + i]),
        "fresh": lambda name, n: memory.Pointer(memory.Buffer(name, memory.noise(99, n), False)),
        "total": lambda x, n: np.broadcast_to(x, (n,)).sum(dtype=np.uint64),
    }
    return found


def translated(
    function: Function, names: dict[str, Any], kinds: dict[str, str], meets: bool
) -> Any:
    """Return a Python function of a C function.

    Args:
        function: As it was read.
        names: What it finds by name.
        kinds: Of its parameters, what is not ``long``.
        meets: It is a generator, which stops where threads meet.
    """
    writer = _Writer(kinds)
    for parameter in function.parameters:
        writer.scopes[0][parameter] = (parameter, kinds.get(parameter, _LONG))
    writer.statements(function.body)
    names |= {n: ring.function(n) for n in writer.functions - {*names}}
    head = f"def {function.name}({', '.join(function.parameters)}):"
    stop = ["    if False: yield"] if meets else []
    code = "\n".join([head, *stop, *(f"    {line}" for line in writer.lines)])
    exec(compile(code, f"<{function.name}, to be verified>", "exec"), names)
    return names[function.name]


def formula(node: Node, kinds: dict[str, str], names: dict[str, Any]) -> Callable[..., Any]:
    """Return a Python function of an expression of real variables."""
    writer = _Writer(kinds)
    for name in kinds:
        writer.scopes[0][name] = (name, _REAL)
    code = f"lambda {', '.join(kinds)}: {writer.real(node)}"
    names |= {n: ring.function(n) for n in writer.functions - {*names}}
    found: Callable[..., Any] = eval(code, names)
    return found


class _Writer:
    def __init__(self, kinds: dict[str, str]) -> None:
        self.kinds = kinds
        self.lines: list[str] = []
        self.depth = 0
        self.scopes: list[dict[str, tuple[str, str]]] = [{}]
        self.count = 0
        #: Elementwise functions, of which nothing is known.
        self.functions: set[str] = set()
        #: In a loop that runs for all columns at once: names that differ from column to column.
        self.columns: set[str] | None = None

    # --- names ----------------------------------------------------------------------------------

    def declare(self, name: str, kind: str) -> str:
        self.count += 1
        own = f"{name}_{self.count}"
        self.scopes[-1][name] = own, kind
        return own

    def find(self, name: str) -> tuple[str, str] | None:
        return next((s[name] for s in reversed(self.scopes) if name in s), None)

    def emit(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    # --- statements -----------------------------------------------------------------------------

    def statements(self, body: list[Node]) -> None:
        self.scopes.append({})
        before = len(self.lines)
        for node in body:
            getattr(self, f"do_{node[0]}")(*node[1:])
        if len(self.lines) == before:
            self.emit("pass")
        self.scopes.pop()

    def inner(self, body: list[Node]) -> None:
        self.depth += 1
        self.statements(body)
        self.depth -= 1

    def do_block(self, body: list[Node]) -> None:
        self.statements(body)

    def do_return(self, value: Node) -> None:
        self.emit(f"return {self.long(value)}")

    def do_declare(self, kind: str, name: str, size: Node | None, value: Node | None) -> None:
        if kind == "segment":
            own = self.declare(name, "segments")
            self.emit(f"{own} = []")
        elif size is not None:
            own = self.declare(name, _POINTER)
            self.emit(f"{own} = fresh({name!r}, {self.long(size)})")
        elif value is not None:
            if kind == "real":
                code, what = self.real(value), _REAL
            elif kind == "long":
                code, what = self.long(value), _LONG
            else:
                code, what = self.expression(value)
            own = self.declare(name, what)
            self.emit(f"{own} = {code}")
            if self.columns is not None:
                self.columns.add(name)
        else:
            self.declare(name, {"real": _REAL, "long": _LONG}.get(kind, _POINTER))

    def do_if(self, condition: Node, yes: list[Node], no: list[Node]) -> None:
        self.emit(f"if {self.expression(condition)[0]}:")
        self.inner(yes)
        if no:
            self.emit("else:")
            self.inner(no)

    def do_for(self, begin: list[Node], condition: Node, step: Node, body: list[Node]) -> None:
        self.scopes.append({})
        for node in begin:
            getattr(self, f"do_{node[0]}")(*node[1:])
        counts = condition[0] == "binary" and condition[2][0] == "name"
        name = str(condition[2][1]) if counts else ""
        once = (
            condition[0] == "binary"
            and condition[1] == "<"
            and step == ("do", ("next", ("name", name)))
        )
        if once and by_columns(body, name):
            own, _ = self.find(name) or ("", "")
            last = self.long(condition[3])
            self.emit(f"columns_ = Columns({last} - {own})")
            self.emit("if columns_.count > 0:")
            self.depth += 1
            self.emit(f"{own} = Span({own}, columns_.count)")
            self.columns = {name}
            self.statements(body)
            self.columns = None
            self.depth -= 1
        else:
            self.emit(f"while {self.expression(condition)[0]}:")
            self.inner([*body, step])
        self.scopes.pop()

    def do_assign(self, how: str, left: Node, value: Node) -> None:
        if value[0] == "struct":
            parts = ", ".join(self.expression(part)[0] for part in value[1])
            own, _ = self.find(left[1][1]) or ("", "")
            self.emit(f"{own}.append(({parts}))")
            if left[2][0] == "next":
                self.emit(f"{self.long(left[2][1])} += 1")
            return
        if left[0] == "name":
            own, kind = self._known(left[1])
            if kind == _REAL:
                code = self.real(value)
                if how == "+=" and self.columns is not None and left[1] not in self.columns:
                    self.emit(f"{own} = {own} + total({code}, columns_.count)")
                    return
            else:
                code = self.expression(value)[0]
            self.emit(f"{own} = {own} + {code}" if how == "+=" else f"{own} = {code}")
            return
        if left[0] != "index":
            raise Unverified("generated code assigns to something that is not understood")
        pointer, index = self.expression(left[1])[0], self.long(left[2])
        what = repr(_words(left[1]))
        at = "columns_." if self.columns is not None else ""
        code = self.real(value)
        if how == "+=" and self.columns is not None:
            self.emit(f"columns_.add({pointer}, {index}, {code}, {what})")
            return
        if how == "+=":
            code = f"load({pointer}, {index}, {what}) + {code}"
        self.emit(f"{at}store({pointer}, {index}, {code}, {what})")

    def do_do(self, node: Node) -> None:
        if node[0] == "cast" and node[1] == "void":
            return
        if node[0] == "next":
            self.emit(f"{self.long(node[1])} += 1")
            return
        if node[0] != "call":
            raise Unverified("a statement of generated code that is not understood")
        name = self.called(node[1])
        if name in _IGNORED:
            return
        if name == "meet":
            self.emit("yield")
            return
        arguments = ", ".join(self.expression(a)[0] for a in node[2])
        if name == "combine_shared":
            self.emit(f"yield from combine_shared({arguments})")
        elif name.endswith("_loop"):
            self.emit(f"yield from {name}({arguments})")
        elif name in _CALLS:
            self.emit(f"{name}({arguments})")
        else:
            raise Unverified(f"generated code calls {name}, which verification does not know")

    # --- expressions ----------------------------------------------------------------------------

    def _known(self, name: str) -> tuple[str, str]:
        found = self.find(name)
        if found is None:
            raise Unverified(f"generated code uses {name}, which verification does not know")
        return found

    def called(self, node: Node) -> str:
        """Return the name of what is called, a kernel or a function of the runtime."""
        if node[0] == "member":
            self.expression(node[1])
            return str(node[2])
        return str(node[1])

    def long(self, node: Node) -> str:
        code, kind = self.expression(node)
        if kind not in (_LONG, "flags"):
            raise Unverified("generated code counts with something that is no whole number")
        return code

    def real(self, node: Node) -> str:
        code, kind = self.expression(node)
        if kind == _REAL:
            return code
        if kind in (_LONG, _FLAG):
            return f"real_of({code})"
        raise Unverified("generated code computes with something that is no number")

    def expression(self, node: Node) -> tuple[str, str]:
        found: tuple[str, str] = getattr(self, f"of_{node[0]}")(*node[1:])
        return found

    def of_number(self, text: str) -> tuple[str, str]:
        if "." in text or "e" in text:
            return f"constant({text})", _REAL
        return text.rstrip("L"), _LONG

    def of_name(self, name: str) -> tuple[str, str]:
        if name == "PANEL":
            return name, _LONG
        if name in ("INFINITY", "ONE", "ZERO", "NAN"):
            value = {"INFINITY": "inf", "ONE": "1", "ZERO": "0", "NAN": "nan"}[name]
            return f"constant(float('{value}'))", _REAL
        return self._known(name)

    def of_cast(self, kind: str, node: Node) -> tuple[str, str]:
        code, have = self.expression(node)
        if kind == "real":
            return (code, _REAL) if have == _REAL else (f"real_of({code})", _REAL)
        if kind in ("long", "size_t"):
            return (f"index_of({code})", _LONG) if have == _REAL else (code, have)
        raise Unverified(f"generated code casts to {kind}")

    def of_unary(self, how: str, node: Node) -> tuple[str, str]:
        code, kind = self.expression(node)
        if how == "!":
            return f"(not {code})", _LONG
        if how == "-":
            return (f"(uint64(0) - {code})", kind) if kind == _REAL else (f"(-{code})", kind)
        raise Unverified(f"generated code takes an address ({how})")

    def of_binary(self, how: str, a: Node, b: Node) -> tuple[str, str]:
        (left, one), (right, other) = self.expression(a), self.expression(b)
        if how in ("&&", "||"):
            if _FLAG in (one, other):
                return f"({left} {how[0]} {right})", _FLAG
            return f"({left} {'and' if how == '&&' else 'or'} {right})", _LONG
        if _POINTER in (one, other):
            if how != "+":
                raise Unverified(f"generated code does {how} with an address")
            return (
                (f"({left} + {right})", _POINTER)
                if one == _POINTER
                else (f"({right} + {left})", _POINTER)
            )
        if "flags" in (one, other) and how == "+":
            return f"({left} + {right})", "flags"
        if _REAL in (one, other) or (_FLAG in (one, other) and how not in ("+", "-")):
            left = left if one == _REAL else f"real_of({left})"
            right = right if other == _REAL else f"real_of({right})"
            if how in _COMPARED:
                return f"({_COMPARED[how].format(left, right)})", _FLAG
            if how == "/":
                return f"divided({left}, {right})", _REAL
            return f"({left} {how} {right})", _REAL
        if _FLAG in (one, other):
            return f"(np.int64(1) * {left} {how} np.int64(1) * {right})", _LONG
        how = "//" if how == "/" else how
        return f"({left} {how} {right})", _LONG

    def of_choose(self, condition: Node, yes: Node, no: Node) -> tuple[str, str]:
        test, kind = self.expression(condition)
        (first, one), (second, other) = self.expression(yes), self.expression(no)
        if _REAL in (one, other):
            first = first if one == _REAL else f"real_of({first})"
            second = second if other == _REAL else f"real_of({second})"
            one = _REAL
        if kind == _FLAG:
            return f"np.where({test}, {first}, {second})", one
        return f"({first} if {test} else {second})", one

    def of_index(self, pointer: Node, index: Node) -> tuple[str, str]:
        base, kind = self.expression(pointer)
        at = self.long(index)
        if kind == "pointers":
            return f"{base}[{at}]", _POINTER
        if kind == "flags":
            return f"flag({base}, {at})", _LONG
        if kind != _POINTER:
            raise Unverified("generated code looks into something that is no array")
        loop = "columns_." if self.columns is not None else ""
        return f"{loop}load({base}, {at}, {_words(pointer)!r})", _REAL

    def of_member(self, owner: Node, name: str) -> tuple[str, str]:
        return f"{self.expression(owner)[0]}.{name}", _MEMBERS.get(name, _LONG)

    def of_call(self, called: Node, arguments: list[Node]) -> tuple[str, str]:
        name = self.called(called)
        if name == "sizeof":
            return "1", _LONG
        if name == "flush_begin":
            return "0", _LONG
        if name == "ALIGNED":
            return f"(({self.long(arguments[0])} + 15) // 16 * 16)", _LONG
        if name == "least":
            return f"min({self.long(arguments[0])}, {self.long(arguments[1])})", _LONG
        if name == "entry":
            at = self.long(arguments[1])
            return f"((({at} + w.phase) & 1) if w.ring else {at})", _LONG
        if name == "packed_size":
            return f"packed_size({', '.join(self.long(a) for a in arguments)})", _LONG
        if name == "m_max" and arguments[1] == ("number", "0"):
            return self.real(arguments[0]), _REAL  # a sum of squares that rounding made less than 0
        if name.startswith("m_"):
            self.functions.add(name)
            return f"{name}({', '.join(self.real(a) for a in arguments)})", _REAL
        raise Unverified(f"generated code calls {name}, which verification does not know")


def _words(pointer: Node) -> str:
    """Return how an array is called, for messages."""
    return str(pointer[1]) if pointer[0] == "name" else "an array"
