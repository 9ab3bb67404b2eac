"""Random cells tried in processes of their own, so that one that dies ends no other."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from memcell.testing.random_cells.building import quick_builds
from memcell.testing.random_cells.drawing import RandomCell, draw
from memcell.testing.random_cells.shrinking import shrunk
from memcell.testing.random_cells.trial import TrialOutcome, tried

#: Number of a cell, what came of it, and a script that shows what is wrong.
Tried = tuple[int, TrialOutcome, str]

#: Cells of a process: what it has loaded it cannot unload.
_SHARE = 250
_DIED = TrialOutcome("raised", "the process died")


def outcomes(first: int, count: int, jobs: int, shrink: bool) -> Iterator[Tried]:
    """Try cells in processes that are begun anew now and then.

    Args:
        first: Number of the first cell.
        count: How many.
        jobs: Processes at a time.
        shrink: Make failing cells smaller.
    """
    shares = [range(i, min(i + _SHARE, first + count)) for i in range(first, first + count, _SHARE)]
    # not "fork": a child forked after a parallel region waits for threads that it does not have
    context: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    if sys.platform == "linux":
        context.set_forkserver_preload([tried.__module__])
    running: dict[Connection, tuple[Any, list[int]]] = {}
    while shares or running:
        while shares and len(running) < jobs:
            share = list(shares.pop(0))
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(theirs, share, shrink), daemon=True)
            process.start()
            theirs.close()
            running[ours] = process, share
        for ready in wait(list(running)):
            assert isinstance(ready, Connection)
            process, left = running[ready]
            try:
                found = ready.recv()
                left.pop(0)
                yield found
            except EOFError:
                process.join()
                del running[ready]
                if left:
                    yield left[0], _DIED, draw(left[0]).script()
                    shares.insert(0, range(left[0] + 1, left[-1] + 1))


def _work(pipe: Connection, share: Sequence[int], shrink: bool) -> None:
    torch.set_num_threads(1)
    with quick_builds():
        for seed in share:
            drawn = draw(seed)
            outcome = tried(drawn)
            if outcome.wrong and shrink:
                drawn = shrunk(drawn, partial(_fails, kind=outcome.kind))
            pipe.send((seed, outcome, drawn.script() if outcome.wrong else ""))
    pipe.close()


def _fails(drawn: RandomCell, kind: str) -> bool:
    try:
        return tried(replace(drawn)).kind == kind
    except Exception:  # the smaller cell is none
        return False
