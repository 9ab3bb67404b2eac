"""What a program must leave in memory, and the buffers where pieces must lie side by side.

A product reads rows that lie as a whole; what is stored must be an elementwise value, which then writes
itself to every place that wants it. What is neither gets a copy.
"""

from __future__ import annotations

from dataclasses import dataclass

from memcell_compiler.ir.ir import ColumnRange, Op, Operand, Tiles, Value, ancestors
from memcell_compiler.ir.program import Array, Program, StorePlace
from memcell_compiler.passes.partition import is_given

#: Copies come after everything else that is computed.
_LAST = 1_000_000
#: What reads tiles that lie side by side.
_JOINING = (Op.MATMUL, Op.OUTER, Op.SCATTER, Op.LOOKUP)


@dataclass(frozen=True)
class Join:
    """Pieces that must lie side by side in memory.

    Args:
        name: In C.
        width: Columns.
        keep: ``"block"``: for a step; ``"chunk"``: for a chunk of steps; ``"shared"``: for all threads.
        panels: It lies as a packed right factor: all rows of a panel of columns, then the next panel.
    """

    name: str
    width: int
    keep: str
    panels: bool = False


#: Where a value is stored: columns of an array or of a join, or of the next state by name.
Target = StorePlace | tuple[str, int]


class StorageRequests:
    """What a program leaves in memory.

    Args:
        program: What is computed.

    Attributes:
        roots: Values that must be computed.
        targets: Where values are stored, by value.
        late_stores: Products that go straight to an array, a chunk of steps at a time.
        after: Products that are a part of the next state, by its name.
        joins: Buffers of tiles that must lie side by side.
        values: All that is computed, in order.
    """

    def __init__(self, program: Program) -> None:
        self.program, self.given = program, program.given
        self.joins: dict[tuple[Tiles, str], Join] = {}
        self.targets: dict[Value, list[Target]] = {}
        self.late_stores: dict[Value, StorePlace] = {}
        self.after: dict[str, Value] = {}
        self.roots: list[Value] = []
        self._made: list[Value] = []
        self._gather_roots()
        self._filled: dict[str, list[Value]] = {}
        self._add_joins(self._computed())
        for value, places in self.targets.items():
            for at in places:
                if isinstance(at, StorePlace):
                    self._filled.setdefault(at.array.name, []).append(value)
        self.values = self._computed()

    def _computed(self) -> list[Value]:
        return [v for v in ancestors(self.roots, set(self.given)) if v not in self.given]

    def _gather_roots(self) -> None:
        program = self.program
        readers: dict[Value, int] = {}
        reached = [
            t.value for tiles, _ in program.stores for t in tiles if isinstance(t, ColumnRange)
        ]
        reached += [t.value for s in program.states for t in s.after if isinstance(t, ColumnRange)]
        for added in program.added:
            reached += [added.outer] if added.outer else []
            reached += [t.value for t in added.tiles if isinstance(t, ColumnRange)]
        for value in reached:
            readers[value] = readers.get(value, 0) + 1
        for value in ancestors(reached, set(self.given)):
            if value not in self.given:
                for operand in value.operands():
                    readers[operand] = readers.get(operand, 0) + 1
        for tiles, place in program.stores:
            first = tiles[0]
            if (
                program.backward
                and len(tiles) == 1
                and isinstance(first, ColumnRange)
                and first.whole
                and first.value.op is Op.MATMUL
                and first.value.onto is None
                and first.value not in self.given
                and readers[first.value] == 1
                and place.array.rows
            ):
                self.late_stores[first.value] = place
                self.roots.append(first.value)
                continue
            self._store(tiles, place)
        for state in program.states:
            tile = state.after[0]
            if (
                program.backward
                and len(state.after) == 1
                and isinstance(tile, ColumnRange)
                and tile.whole
                and tile.value.op is Op.MATMUL
                and tile.value not in self.after.values()
                and tile.value not in self.given
            ):
                self.after[state.name] = tile.value
                self.roots.append(tile.value)
                continue
            self._store_at(state.after, f"{state.name}_out", 0)
        for added in program.added:
            if added.outer is not None:
                self.roots.append(added.outer)
            for tile in added.tiles:
                if isinstance(tile, ColumnRange):
                    self.roots.append(tile.value)

    def _store(self, tiles: Tiles, place: StorePlace) -> None:
        at = place.offset
        for tile in tiles:
            value = self._storable(tile, place.array.rows)
            self.targets.setdefault(value, []).append(StorePlace(place.array, at))
            at += tile.width

    def _store_at(self, tiles: Tiles, name: str, at: int) -> None:
        for tile in tiles:
            value = self._storable(tile, True)
            self.targets.setdefault(value, []).append((name, at))
            at += tile.width

    def _storable(self, tile: Operand, rows: bool) -> Value:
        """Return the elementwise value that a tile is, or a copy of it."""
        if (
            isinstance(tile, ColumnRange)
            and tile.whole
            and tile.value.op is Op.POINT
            and tile.value.rows == rows
            and tile.value not in self.given
            and not is_given(tile.value)
        ):
            self.roots.append(tile.value)
            return tile.value
        for made in self._made:
            if made.args == (tile,) and made.rows == rows:
                return made
        order = _LAST + len(self._made)
        value = Value(Op.POINT, tile.width, rows, "copy", (tile,), order=order)
        self._made.append(value)
        self.roots.append(value)
        return value

    def fills(self, value: Value) -> list[Value]:
        """Return what is written into the joins that a value reads."""
        factors = [value.args, value.right] if value.op in _JOINING else []
        names = {
            join.name
            for tiles in factors
            for keep in ("block", "chunk", "shared")
            if (join := self.joins.get((tiles, keep))) is not None
        }
        return [v for name in sorted(names) for v in self._filled[name]]

    def join(self, tiles: Tiles, keep: str) -> Join | None:
        """Return where tiles lie side by side, or None where they are read as they lie."""
        return self.joins.get((tiles, keep))

    def _add_joins(self, values: list[Value]) -> None:
        outers = [v for v in values if v.op is Op.OUTER]
        self._paneled = {v.right for v in outers if fills_panels(v.right)}
        self._paneled -= {v.args for v in outers}
        for value in values:
            late = value.op is Op.OUTER or value in self.late_stores
            if value.op is Op.MATMUL:
                self._join(value.args, "chunk" if late else "block")
            elif value.op is Op.OUTER:
                self._join(value.args, "chunk")
                self._join(value.right, "chunk")
            elif value.op is Op.SCATTER:
                self._join(value.args, "shared")
                self._join(value.right, "shared")
            elif value.op is Op.LOOKUP and not _is_scatter(value.right):
                self._join(value.right, "shared")
        # what is kept for a chunk serves a step too
        for tiles, keep in list(self.joins):
            if keep == "block" and (tiles, "chunk") in self.joins:
                dropped = self.joins.pop((tiles, "block"))
                for places in self.targets.values():
                    places[:] = [
                        p
                        for p in places
                        if not (isinstance(p, StorePlace) and p.array.name == dropped.name)
                    ]
                self.joins[tiles, "block"] = self.joins[tiles, "chunk"]

    def _join(self, tiles: Tiles, keep: str) -> None:
        if (tiles, keep) in self.joins:
            return
        first = tiles[0]
        if len(tiles) == 1 and isinstance(first, ColumnRange):
            if keep == "block" and self.lies(first):
                return
            carried = {s.before for s in self.program.states}
            if first.sizes:
                carried = {first.value}
            if keep == "chunk" and first.value.rows and first.value in {*self.given} - carried:
                return
        width = sum(t.width for t in tiles)
        panels = keep == "chunk" and tiles in self._paneled
        join = Join(f"join{len(self.joins)}", width, keep, panels)
        self.joins[tiles, keep] = join
        self._store(tiles, StorePlace(Array(join.name, width, True)))

    def lies(self, piece: ColumnRange) -> bool:
        """Whether a piece is read from memory as it is, row by row."""
        value = piece.value
        return value.rows and not piece.sizes and (value in self.given or value.op is Op.MATMUL)


def fills_panels(tiles: Tiles) -> bool:
    """Whether tiles can lie in panels on every target: a panel is at most 64 columns."""
    return all(t.width % 64 == 0 for t in tiles)


def _is_scatter(tiles: Tiles) -> bool:
    tile = tiles[0]
    if len(tiles) > 1 or not isinstance(tile, ColumnRange):
        return False
    return tile.whole and tile.value.op is Op.SCATTER
