"""Times cells against nn.LSTM in one run: ``python tests/core/native/timing.py --cells lstm,gru``.

Forward and backward (or ``--inference``) over T=128 steps, in rounds that take turns; the least of the
rounds counts. One thread: processor time of this process, which other work on the machine disturbs less.
The C library is told to keep its memory (or page faults decide), for everyone alike.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import time

import torch

from memcell.backends import StepMasks
from memcell.backends.eager import unroll_eager
from memcell.plugins import default_registry
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.window_call import WindowCall
from memcell_compiler.runtime.unroll import unroll_native

FEATURES = 16
WAYS = {"native": unroll_native, "eager": unroll_eager}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def build(cell, norm, hidden):
    """``lstm97-`` is lstm97 without gate recurrence."""
    registry = default_registry()
    entry = registry.get("cell", cell.rstrip("-"))
    made = entry.build(
        FEATURES, hidden, entry.config({"gate_recurrence": False} if cell.endswith("-") else {})
    )
    for p in made.parameters():
        torch.nn.init.normal_(p, std=hidden**-0.5)
    if norm == "none":
        return made, SiteNorms(made.norm_sites, None)
    site = registry.get("normalizer", norm)
    return made, SiteNorms(made.norm_sites, lambda width: site.build(width, site.config({})))


def window(way, cell, norms, x, gradient, inference):
    steps, lanes, _ = x.shape
    no = torch.zeros(steps, lanes, dtype=torch.bool)
    masks = StepMasks.of(no, ~no, torch.zeros(lanes, dtype=torch.int64))
    state = cell.initial_state(lanes)
    parameters = [*cell.parameters(), *norms.parameters()]

    call = WindowCall(cell, norms, x, state, state, masks, (steps,), not inference)

    def run():
        if inference:
            with torch.no_grad():
                way(call)
            return
        out, _ = way(call)
        torch.autograd.grad(out, parameters, gradient, allow_unused=True)

    return run


def reference(x, hidden, gradient, inference):
    lstm = torch.nn.LSTM(FEATURES, hidden)
    state = (torch.zeros(1, x.shape[1], hidden),) * 2

    def run():
        if inference:
            with torch.no_grad():
                lstm(x, state)
            return
        torch.autograd.grad(lstm(x, state)[0], list(lstm.parameters()), gradient)

    return run


def seconds(run, clock, target=0.1):
    start = clock()
    run()
    count = max(1, int(target / max(clock() - start, 1e-6)))
    start = clock()
    for _ in range(count):
        run()
    return (clock() - start) / count


def main():
    parser = argparse.ArgumentParser()
    for name, default in (("cells", "lstm"), ("norms", "none"), ("ways", "native")):
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--hidden", default="64,128,256")
    parser.add_argument("--lanes", default="32,128")
    for name, default in (("steps", 128), ("threads", 1), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--inference", action="store_true")
    asked = parser.parse_args()
    library = ctypes.CDLL(None)
    library.mallopt(M_MMAP_THRESHOLD, 1 << 30)
    library.mallopt(M_TRIM_THRESHOLD, 1 << 30)
    torch.set_num_threads(asked.threads)
    clock = time.process_time if asked.threads == 1 else time.perf_counter
    sizes = itertools.product(asked.hidden.split(","), asked.lanes.split(","))
    for hidden, lanes in ((int(h), int(b)) for h, b in sizes):
        torch.manual_seed(0)
        x = torch.randn(asked.steps, lanes, FEATURES)
        gradient = torch.randn(asked.steps, lanes, hidden) / lanes
        runs = {"nn.LSTM": reference(x, hidden, gradient, asked.inference)}
        for cell, norm, way in itertools.product(
            asked.cells.split(","), asked.norms.split(","), asked.ways.split(",")
        ):
            made = build(cell, norm, hidden)
            runs[f"{cell} {norm} {way}"] = window(WAYS[way], *made, x, gradient, asked.inference)
        for run in runs.values():
            run()
        times = {name: [] for name in runs}
        for _ in range(asked.rounds):
            for name, run in runs.items():
                times[name].append(seconds(run, clock))
        least = min(times.pop("nn.LSTM"))
        print(f"H={hidden} B={lanes}: nn.LSTM {least * 1e3:.2f} ms")
        for name, found in times.items():
            print(f"  {name}: {min(found) * 1e3:.2f} ms, {min(found) / least:.2f} of nn.LSTM")


if __name__ == "__main__":
    main()
