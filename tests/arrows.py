"""The rooms of the source, lowest first, and the imports between them, read from the syntax trees.

``python tests/arrows.py`` prints every import that points upwards and every circle of rooms; it exits with 1
where there are any. An import counts wherever it stands: at the top, in a function, for type checkers alone.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
#: The folder that each package lies in.
PACKAGES = {
    "memcell": ROOT / "core",
    "memcell_compiler": ROOT / "core",
    "memcell_plugins": ROOT / "plugins",
    "memcell_data": ROOT / "data",
    "memcell_eeg": ROOT / "data",
    "memcell_microsleep": ROOT / "apps/microsleep",
    "memcell_sleep": ROOT / "apps/sleep",
    "memcell_memory_tasks": ROOT / "apps/memory_tasks",
    "memcell_sequences": ROOT / "apps/sequences",
    "memcell_benchmarks": ROOT / "apps/benchmarks",
}
#: Rooms, the ground floor first. A room imports rooms of the lines before its own; rooms of one line do not
#: know each other. A package that is listed by its name alone stands for those of its modules that are in no
#: room of their own.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("memcell.escape", "memcell.version", "memcell.old_paths"),
    ("memcell.errors", "memcell.old_methods"),
    ("memcell.progress", "memcell.interrupt", "memcell.threads"),
    ("memcell.files", "memcell.statistics"),
    ("memcell.plugins",),
    ("memcell.jobs", "memcell.reports"),
    ("memcell.sequences",),
    ("memcell.recurrent",),
    ("memcell_compiler.c", "memcell_compiler.trace"),
    ("memcell_compiler.build", "memcell_compiler.identity", "memcell_compiler.ir"),
    ("memcell_compiler.passes", "memcell_compiler.verify"),
    ("memcell_compiler.emit",),
    ("memcell_compiler.runtime",),
    ("memcell_compiler",),
    ("memcell.backends",),
    ("memcell.network",),
    ("memcell.applications",),
    ("memcell.settings",),
    ("memcell.inference",),
    ("memcell.training",),
    ("memcell.nn",),
    ("memcell.probes",),
    ("memcell.runs",),
    ("memcell.compare",),
    ("memcell.testing",),
    ("memcell.cli",),
    ("memcell",),
    ("memcell_plugins",),
    ("memcell_data.content", "memcell_data.native"),
    ("memcell_data.channels", "memcell_data.units"),
    ("memcell_data.channel_lookup",),
    ("memcell_data.recording",),
    ("memcell_data.renaming",),
    ("memcell_data.quality", "memcell_data.tables"),
    ("memcell_data.formats",),
    ("memcell_data.labels",),
    ("memcell_data.subjects",),
    ("memcell_data.datasets",),
    ("memcell_data.checks", "memcell_data.labelling"),
    ("memcell_data",),
    ("memcell_eeg.left_out", "memcell_eeg.store"),
    ("memcell_eeg.config",),
    ("memcell_eeg.signal", "memcell_eeg.targets"),
    ("memcell_eeg.task",),
    ("memcell_eeg.features",),
    ("memcell_eeg.splits", "memcell_eeg.decisions"),
    ("memcell_eeg.scores",),
    ("memcell_eeg.baselines", "memcell_eeg.cache"),
    ("memcell_eeg.advice",),
    ("memcell_eeg.preparation", "memcell_eeg.export"),
    ("memcell_eeg.prediction",),
    ("memcell_eeg.live",),
    ("memcell_eeg.reports",),
    ("memcell_eeg.detector",),
    ("memcell_eeg",),
    ("memcell_microsleep",),
    ("memcell_sleep",),
    ("memcell_memory_tasks",),
    ("memcell_sequences",),
    ("memcell_benchmarks",),
)


class Import(NamedTuple):
    """One import of one module by another."""

    importer: str
    imported: str
    line: int


def modules(packages: Mapping[str, Path] = PACKAGES) -> dict[str, Path]:
    """Return the file of every module of the packages, by dotted name."""
    found = {}
    for package, folder in packages.items():
        for path in sorted((folder / package).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(files: Mapping[str, Path]) -> Iterator[Import]:
    """Yield the imports of these modules among each other."""
    packages = {module.partition(".")[0] for module in files}
    for module, path in files.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                if node.level:
                    raise ValueError(f"{path}, line {node.lineno}: imports name their package")
                base = node.module or ""
                both = [(base, f"{base}.{alias.name}") for alias in node.names]
                names = [whole if whole in files else part for part, whole in both]
            for name in names:
                if name.partition(".")[0] in packages:
                    yield Import(module, name, node.lineno)


def room_of(module: str, floors: Sequence[Sequence[str]] = FLOORS) -> str:
    """Return the room that a module is in: the longest listed name that it begins with."""
    rooms = [room for floor in floors for room in floor]
    within = [room for room in rooms if module == room or module.startswith(room + ".")]
    if not within:
        raise ValueError(f"{module} is in no room: list it in {__file__}")
    return max(within, key=len)


def upwards(found: Sequence[Import], floors: Sequence[Sequence[str]] = FLOORS) -> list[str]:
    """Return a line for every import of a room on the same floor or above."""
    floor_of = {room: floor for floor, rooms in enumerate(floors) for room in rooms}
    lines = []
    for one in found:
        ours, theirs = room_of(one.importer, floors), room_of(one.imported, floors)
        if ours != theirs and floor_of[theirs] >= floor_of[ours]:
            where = f"{one.importer}, line {one.line}, imports {one.imported}"
            lines.append(f"{where}: {theirs} does not stand below {ours}")
    return sorted(set(lines))


def circles(found: Sequence[Import], floors: Sequence[Sequence[str]] | None = FLOORS) -> list[str]:
    """Return a line for every circle of rooms; of modules, where ``floors`` is None."""
    name = (lambda module: module) if floors is None else (lambda module: room_of(module, floors))
    arrows: dict[str, set[str]] = defaultdict(set)
    for one in found:
        if name(one.importer) != name(one.imported):
            arrows[name(one.importer)].add(name(one.imported))
    return [_around(ring, arrows) for ring in _rings(arrows)]


def _rings(arrows: Mapping[str, set[str]]) -> list[set[str]]:
    """Return the strongly connected sets of more than one node: those that reach each other."""
    left, rings = set(arrows), []
    while left:
        node = left.pop()
        ring = {other for other in _reached(node, arrows) if node in _reached(other, arrows)}
        if len(ring) > 1:
            rings.append(ring)
        left -= ring
    return rings


def _reached(node: str, arrows: Mapping[str, set[str]]) -> set[str]:
    seen, ahead = set(), [node]
    while ahead:
        for other in arrows.get(ahead.pop(), ()):
            if other not in seen:
                seen.add(other)
                ahead.append(other)
    return seen


def _around(ring: set[str], arrows: Mapping[str, set[str]]) -> str:
    """Return the shortest way from one node of a ring back to it, as ``a -> b -> a``."""
    start = min(ring)
    ways = [[start]]
    for way in ways:
        for other in sorted(arrows[way[-1]] & ring):
            if other == start:
                return " -> ".join([*way, start])
            if other not in way:
                ways.append([*way, other])
    raise AssertionError(f"{ring} is no ring")


def main() -> int:
    """Print what points upwards and what goes round."""
    found = list(imports(modules()))
    wrong = [*upwards(found), *(f"circle: {line}" for line in circles(found))]
    print("\n".join(wrong) or f"{len(found)} imports, all of them downwards")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
