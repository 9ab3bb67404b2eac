"""The windows that a program is run over to be verified, and the comparison of what it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from memcell_compiler.ir.ir import Value, ancestors, pieces
from memcell_compiler.ir.program import Program
from memcell_compiler.verify.meaning import Expected, MaskValues, Meaning
from memcell_compiler.verify.memory import (
    Buffer,
    Packed,
    Pointer,
    Span,
    Unverified,
    Weight,
    noise,
)
from memcell_compiler.verify.syntax import read
from memcell_compiler.verify.translation import environment, translated

_LANES = 3  # odd, and so is every thread's share: the ring divides by odd numbers only
_KINDS = {"w": "other", "k": "other", "p": "pointers", "packed": "pointer", "scratch": "pointer"}


@dataclass(frozen=True)
class _Settings:
    """How a program is called: as `runner.Runner` calls a program."""

    steps: int
    lanes: int
    threads: int
    block: int
    chunk: int
    masked: bool
    ring: bool = False
    split: bool = False
    aliased: bool = False
    last_first: bool = False


def _all_settings(program: Program, mixes: bool) -> list[_Settings]:
    lanes, ring = _LANES, program.name == "inference"
    if mixes:
        return [
            _Settings(3, lanes, 1, lanes, 2, True, ring),
            _Settings(2, lanes, 3, 1, 1, True, ring),
            _Settings(2, lanes, 3, 1, 2, False, ring, last_first=True),
        ]
    found = [
        _Settings(3, lanes, 1, 2, 1, True, ring),
        _Settings(3, lanes, 1, lanes, 2, False, ring, aliased=not ring),
        _Settings(2, lanes, 2, 2, 2, True, ring, last_first=True),
    ]
    return [*found, _Settings(2, 1, 2, 1, 1, False, True, split=True)] if ring else found


def verify(
    program: Program, source: str, arrays: Sequence[str], mixes: bool, output_state: int | None
) -> None:
    """Run what was written for a program and compare it with what the program means.

    Args:
        program: What is computed.
        source: In C.
        arrays: Names of the arrays that it is handed, in order.
        mixes: Lanes meet.
        output_state: The part of the state that may lie where the output does.

    Raises:
        Unverified: It is something else, or not understood.
    """
    try:
        with np.errstate(over="ignore"):
            names = _names(program.name, source)
            for settings in _all_settings(program, mixes):
                _WindowRun(program, names, arrays, settings, output_state).check()
    except Unverified as e:
        raise Unverified(
            f"its {program.name} loop did not pass verification: {e}; please report it"
        ) from e
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        NameError,
        SyntaxError,
    ) as e:
        what = f"{type(e).__name__}: {e}"
        raise Unverified(
            f"its {program.name} loop could not be verified: {what}; please report it"
        ) from e


def _names(name: str, source: str) -> dict[str, Any]:
    """Return what a program's functions are in Python, and what they find by name."""
    functions, names = read(source), environment()
    loops = (f"{name}_loop", name)
    for function in (f"{name}_pack", f"{name}_sizes", *loops):
        translated(functions[function], names, _KINDS, function in loops)
    return names


class _WindowRun:
    def __init__(
        self,
        program: Program,
        names: dict[str, Any],
        arrays: Sequence[str],
        settings: _Settings,
        output_state: int | None,
    ) -> None:
        self.program, self.names, self.settings = program, names, settings
        self.alias = output_state if settings.aliased and not program.backward else None
        self.masks = self._masks()
        self.given: dict[str, Any] = {}
        self.buffers: dict[str, Buffer] = {}
        values = _all_values(program)
        self._make_given(values)
        for name in arrays:
            self.buffers[name] = self._buffer(name)
        self.arrays = arrays
        tables = [
            self.given[program.given[v.table].array.name] for v in values if v.table is not None
        ]
        rows = min([settings.lanes, *(t.size // t.columns for t in tables)])
        names["rows"] = rows

    # --- what it is handed ----------------------------------------------------------------------

    def _masks(self) -> MaskValues:
        settings = self.settings
        returned = [-1] * (settings.steps + 1)
        returned[settings.steps] = 0
        if not settings.masked:
            return MaskValues(None, None, returned)
        resets, valid = np.zeros((2, settings.steps, settings.lanes), bool)
        resets[1, 0] = valid[:] = True
        valid[settings.steps - 1, settings.lanes - 1] = False
        returned[1] = 1
        return MaskValues(resets, valid, returned)

    def _make_given(self, values: list[Value]) -> None:
        settings, program = self.settings, self.program
        columns = {v.matrix.leaf: v.matrix.columns for v in values if v.matrix is not None}
        columns |= {v.table: int(v.name) for v in values if v.table is not None}
        states = {s.before for s in program.states}
        for i, (value, place) in enumerate(program.given.items()):
            array = place.array
            if not array.steps:
                wide = columns.get(value, array.width)
                self.given[array.name] = Weight(array.name, array.width // wide, wide, i + 1)
            elif value not in states and array.name not in self.given:
                lead = (settings.steps, settings.lanes) if array.rows else (settings.steps,)
                self.given[array.name] = noise(1000 + i, *lead, array.width)
        for i, state in enumerate(program.states):
            size = (settings.lanes, state.width)
            if program.backward:
                self.given[f"{state.name}_returned"] = noise(3000 + i, 2, *size)
            else:
                self.given[f"{state.name}_history"] = noise(2000 + i, *size)
                self.given[f"{state.name}_initial"] = noise(3000 + i, *size)

    def _buffer(self, name: str) -> Buffer:
        settings, program = self.settings, self.program
        given = self.given.get(name)
        if isinstance(given, Weight):
            return given
        for i, state in enumerate(program.states):
            size = settings.lanes * state.width
            if given is not None and name == f"{state.name}_history":
                buffer = Buffer(
                    name,
                    noise(4000 + i, (2 if settings.ring else settings.steps + 1) * size),
                    False,
                )
                buffer.write(Span(0, size), given.reshape(-1), name)
                return buffer
            if name == f"{state.name}_returned" and not program.backward:
                return Buffer(name, noise(5000 + i, 2 * size), False)
            if name == f"{state.name}_first":
                return Buffer(name, noise(6000 + i, size), False)
            if name == f"{state.name}_initial" and program.backward:
                return Buffer(name, np.zeros(size, np.uint64), True)
        for added in program.added:
            if added.name == name:
                rows = sum(t.width for t in added.outer.args) if added.outer else 1
                return Buffer(
                    name, np.zeros(settings.threads * rows * added.width, np.uint64), True
                )
        if given is not None:
            return Buffer(name, given.copy(), True)
        for i, (_, place) in enumerate(program.stores):
            if place.array.name == name:
                lead = settings.steps * (settings.lanes if place.array.rows else 1)
                return Buffer(name, noise(7000 + i, lead * place.array.width), False)
        raise Unverified(f"it asks for an array {name}, which nothing says anything of")

    def _window(self) -> SimpleNamespace:
        settings, masks = self.settings, self.masks

        def flags(found: Any) -> Pointer | None:
            return None if found is None else Pointer(Buffer("flags", np.asarray(found), True))

        resets, valid = masks.resets, masks.valid
        return SimpleNamespace(
            steps=settings.steps,
            lanes=settings.lanes,
            threads=settings.threads,
            block=settings.block,
            chunk=settings.chunk,
            ring=int(settings.ring),
            phase=0,
            split=int(settings.split),
            resets=flags(resets),
            any_reset=flags([0] * settings.steps if resets is None else resets.any(1)),
            valid=flags(valid),
            all_valid=flags([1] * settings.steps if valid is None else valid.all(1)),
            returned=flags(masks.returned),
            kernels=None,
            shared=None,
        )

    # --- the run --------------------------------------------------------------------------------

    def check(self) -> None:
        """Run, and compare."""
        settings, program = self.settings, self.program
        expected = Meaning(program, self.given, settings.lanes, self.names).run(
            settings.steps, self.masks
        )
        each = [self.buffers]
        own = settings.split  # all compute every number: what they write is each one's own
        each += [
            {n: _copied(b) for n, b in self.buffers.items()} if own else self.buffers
            for _ in range(settings.threads - 1)
        ]
        self._go([self._pointers(b) for b in each])
        for buffers in each if settings.split else each[:1]:
            self._compare(expected, buffers)

    def _pointers(self, buffers: dict[str, Buffer]) -> list[Pointer]:
        found = [Pointer(buffers[name]) for name in self.arrays]
        if self.alias is not None and "y" in self.arrays:
            state = self.program.states[self.alias]
            history = buffers[f"{state.name}_history"]
            found[self.arrays.index("y")] = Pointer(history, self.settings.lanes * state.width)
        return found

    def _go(self, pointers: list[list[Pointer]]) -> None:
        name, names, settings = self.program.name, self.names, self.settings
        pack, sizes, main = (names[n] for n in (f"{name}_pack", f"{name}_sizes", name))
        window, packed = self._window(), Packed()
        pack(None, pointers[0], Pointer(packed))
        window.shared = Pointer(Buffer("shared memory", noise(8, sizes(window, 1)), False))
        scratch = [
            Buffer("scratch", noise(10 + i, sizes(window, 0)), False)
            for i in range(settings.threads)
        ]
        threads = [
            main(window, p, Pointer(packed), Pointer(s), i)
            for i, (p, s) in enumerate(zip(pointers, scratch, strict=True))
        ]
        order = threads[::-1] if settings.last_first else threads
        going = [True]
        while any(going):
            going = [next(thread, self) is None for thread in order]
            if any(going) and not all(going):
                raise Unverified("threads wait for others that are done")

    # --- the comparison -------------------------------------------------------------------------

    def _compare(self, expected: Expected, buffers: dict[str, Buffer]) -> None:
        for what, buffer, at, numbers in self._expected_places(expected, buffers):
            at = at.slice if isinstance(at, Span) else at
            if not np.all(buffer.written[at]):
                raise Unverified(f"{what} is not written")
            if not np.array_equal(buffer.data[at], numbers):
                raise Unverified(f"{what} is not what it should be")

    def _expected_places(
        self, expected: Expected, buffers: dict[str, Buffer]
    ) -> Iterator[tuple[str, Buffer, Any, Any]]:
        """Yield (what, where, at which places, the numbers that must be there)."""
        settings, program = self.settings, self.program
        widths = {place.array.name: place.array for _, place in program.stores}
        for name, parts in expected.stored.items():
            if name == "y" and self.alias is not None:
                continue  # it is the state
            if name not in buffers:
                raise Unverified(f"{name} is never written")
            array = widths[name]
            for (t, offset), numbers in parts.items():
                lead = settings.lanes if array.rows else 1
                at = (t * lead + np.arange(lead))[:, None] * array.width + offset
                at = at + np.arange(numbers.shape[-1])
                yield (
                    f"{name} (columns from {offset})",
                    buffers[name],
                    at,
                    numbers.reshape(at.shape),
                )
        for state in program.states:
            size, numbers = settings.lanes * state.width, expected.states[state.name]
            whole = Span(0, size)
            if program.backward:
                at, first = f"{state.name}_first", numbers[-1].reshape(-1)
                yield at, buffers[at], whole, first
                if self.masks.resets is not None:
                    at = f"{state.name}_initial"
                    yield at, buffers[at], whole, expected.initial[state.name].reshape(-1)
                continue
            history = f"{state.name}_history"
            steps = [settings.steps] if settings.ring else range(settings.steps + 1)
            for t in steps:
                entry = (t & 1 if settings.ring else t) * size
                yield f"{history} ({t})", buffers[history], whole + entry, numbers[t].reshape(-1)
            for i, kept in expected.returned[state.name].items():
                name = f"{state.name}_returned"
                yield name, buffers[name], whole + i * size, kept.reshape(-1)
        for name, total in expected.sums.items():
            found = buffers[name].data.reshape(settings.threads, -1).sum(0, dtype=np.uint64)
            yield name, Buffer(name, found, True), Span(0, len(found)), total.reshape(-1)


def _all_values(program: Program) -> list[Value]:
    """Return all that a program computes."""
    tiles = [t for t, _ in program.stores] + [s.after for s in program.states]
    tiles += [a.tiles for a in program.added]
    roots = [piece.value for several in tiles for piece in pieces(several)]
    roots += [a.outer for a in program.added if a.outer]
    return [v for v in ancestors(roots, set(program.given)) if v not in program.given]


def _copied(buffer: Buffer) -> Buffer:
    if isinstance(buffer, Weight):
        return buffer
    copy = Buffer(buffer.name, buffer.data.copy(), False)
    copy.written[:] = buffer.written
    return copy
