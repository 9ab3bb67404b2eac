"""A smaller cell that fails in the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from memcell.testing.random_cells.drawing import RandomCell, Statement


def shrunk(drawn: RandomCell, fails: Callable[[RandomCell], bool], tries: int = 60) -> RandomCell:
    """Leave out lines, states' ends and windows as long as a cell still fails.

    Args:
        drawn: A cell that fails.
        fails: Whether a cell does.
        tries: How often to ask.
    """
    changed = True
    while changed:
        changed = False
        for smaller in _smaller(drawn):
            if tries == 0:
                return drawn
            tries -= 1
            if fails(smaller):
                drawn, changed = smaller, True
                break
    return drawn


def _smaller(drawn: RandomCell) -> list[RandomCell]:
    found = [replace(drawn, cases=(case,)) for case in drawn.cases if len(drawn.cases) > 1]
    if drawn.flow != 1:
        found.append(replace(drawn, flow=1.0))
    for i, end in enumerate(drawn.ends[1:], 1):
        own = f"s_{list(drawn.states)[i - 1]}"
        if end != own:
            ends = (*drawn.ends[:i], own, *drawn.ends[i + 1 :])
            found.append(replace(drawn, ends=ends).needed())
    for at in range(len(drawn.lines) - 1, -1, -1):
        line = drawn.lines[at]
        earlier = [*drawn.given, *(other.name for other in drawn.lines[:at])]
        alike = [n for n in earlier if drawn.width(n) == line.width]
        read = [n for n in alike if n in line.reads]
        if alike:
            found.append(_without(drawn, at, (read or alike)[-1]))
    return found


def _without(drawn: RandomCell, at: int, instead: str) -> RandomCell:
    gone = drawn.lines[at].name
    lines = tuple(
        Statement(line.name, line.code.replace(f"{{{gone}}}", f"{{{instead}}}"), line.width)
        for i, line in enumerate(drawn.lines)
        if i != at
    )
    ends = tuple(instead if end == gone else end for end in drawn.ends)
    return replace(drawn, lines=lines, ends=ends).needed()
