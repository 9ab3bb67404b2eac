"""What a function's code looks up: globals, attributes, imports."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

_GLOBAL = frozenset(("LOAD_GLOBAL", "LOAD_NAME"))
_ATTRIBUTE = frozenset(("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"))
#: What lets a function do more than its names say.
_OPAQUE = frozenset(
    (
        "STORE_GLOBAL",
        "DELETE_GLOBAL",
        "STORE_NAME",
        "IMPORT_STAR",
        "LOAD_BUILD_CLASS",
        "LOAD_CLASSDEREF",
        "LOAD_LOCALS",
        "LOAD_FROM_DICT_OR_GLOBALS",
        "LOAD_FROM_DICT_OR_DEREF",
        "MATCH_CLASS",  # takes attributes by words
    )
)


@dataclass(frozen=True)
class Lookups:
    """What code looks up, that of functions defined in it included.

    Args:
        chains: Globals, each with the attributes that are taken of it at once: ``("torch", "tanh")``.
        imports: Modules that are imported, each with a name taken from it (None: the module itself).
        attributes: Every attribute that is read or called, of whatever object.
        words: Strings that stand in it, which may name attributes.
        opaque: It does what names do not show: it writes globals or defines classes.
    """

    chains: tuple[tuple[str, ...], ...]
    imports: tuple[tuple[str, str | None], ...]
    attributes: frozenset[str]
    words: frozenset[str]
    opaque: bool


@lru_cache(maxsize=4096)
def lookups(code: CodeType) -> Lookups:
    """Return what code looks up."""
    chains: dict[tuple[str, ...], None] = {}
    imports: dict[tuple[str, str | None], None] = {}
    attributes, words, opaque = set[str](), set[str](), False
    chain: list[str] = []
    module = ""
    constants: list[object] = [None, None]
    for op in dis.get_instructions(code):
        if op.opname == "EXTENDED_ARG":
            continue
        if op.opname in _ATTRIBUTE:
            attributes.add(op.argval)
            if chain:
                chain.append(op.argval)
            continue
        if chain:
            chains[tuple(chain)] = None
            chain = []
        if op.opname in _GLOBAL:
            chain = [op.argval]
        elif op.opname == "IMPORT_NAME":
            module = op.argval
            imports[module, None] = None
            opaque = opaque or constants[-2] != 0  # relative to a package
        elif op.opname == "IMPORT_FROM":
            imports.pop((module, None), None)
            imports[module, op.argval] = None
        elif op.opname in _OPAQUE:
            opaque = True
        elif op.opname == "LOAD_CONST":
            constants.append(op.argval)
    for constant in code.co_consts:
        if isinstance(constant, str):
            words.add(constant)
        elif isinstance(constant, CodeType):
            inner = lookups(constant)
            chains |= dict.fromkeys(inner.chains)
            imports |= dict.fromkeys(inner.imports)
            attributes |= inner.attributes
            words |= inner.words
            opaque = opaque or inner.opaque
    return Lookups(tuple(chains), tuple(imports), frozenset(attributes), frozenset(words), opaque)


def facts(code: CodeType) -> Iterator[object]:
    """Yield what makes code what it is, without where it was written. Constants come by themselves."""
    yield code.co_name
    yield code.co_code
    yield code.co_names
    yield code.co_varnames
    yield code.co_freevars
    yield code.co_cellvars
    yield (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    yield code.co_exceptiontable
