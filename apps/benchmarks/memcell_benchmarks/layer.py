"""What `memcell.nn.Recurrent` costs beside its arithmetic: importing it, a process's first window, each call.

``python -m memcell_benchmarks.layer`` prints:

* ``import memcell`` and whether torch came with it;
* the first ``rnn(x)`` of a process, the making of ``rnn`` with it, with an empty cache of generated code and
  with a filled one, once torch and memcell are imported;
* a call ``rnn(x, state)`` beside the call of the generated loop that it ends in, with its arguments ready:
  the difference is what the layer's checks, masks and states take;
* a window of training through the layer beside the same through the trainer's layers.

Times of calls are of this process's CPU, the smallest of several rounds. Others are of the wall, with those
of the CPU, the compiler's among them, in brackets: on a busy machine these say more.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

_CLOCK = """
import os, sys, time
def now():
    return time.perf_counter(), sum(os.times()[:4])
"""
_IMPORT = f"""{_CLOCK}
start = now()
import memcell
print(*(b - a for a, b in zip(start, now())), int("torch" in sys.modules))
"""
_FIRST = f"""{_CLOCK}
import torch
import memcell.nn
x = torch.randn(100, 16, 64)
start = now()
rnn = memcell.nn.Recurrent("lstm", 64, 128, num_layers=2)
rnn(x)
print(*(b - a for a, b in zip(start, now())))
"""


class Overhead(NamedTuple):
    """Microseconds of a call.

    Args:
        bare: Of the generated loop alone.
        whole: Of the layer.
    """

    bare: float
    whole: float


class Seconds(NamedTuple):
    """Seconds that something took.

    Args:
        wall: By the clock on the wall.
        cpu: Of the CPU, by the process and those that it started.
    """

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s ({self.cpu:.2f})"


def import_seconds() -> tuple[Seconds, bool]:
    """Return how long ``import memcell`` takes in a fresh process, and whether it loads torch."""
    found = [_printed(_IMPORT) for _ in range(5)]
    quickest = min(found)
    return Seconds(*quickest[:2]), any(torch for *_, torch in found)


def first_window_seconds() -> tuple[Seconds, Seconds]:
    """Return how long the first window of a process takes, without generated code in a cache and with it."""
    with tempfile.TemporaryDirectory() as folder:
        cold = Seconds(*_printed(_FIRST, folder))
        return cold, min(Seconds(*_printed(_FIRST, folder)) for _ in range(3))


def overhead(layers: int, steps: int, lanes: int, trains: bool) -> Overhead:
    """Return what a call costs beside the generated loop.

    Args:
        layers: Number of layers.
        steps: T.
        lanes: B.
        trains: With a gradient rather than without.
    """
    import torch

    from memcell.backends import StepMasks
    from memcell.nn import Recurrent
    from memcell.recurrent.window_call import WindowCall
    from memcell_compiler.backend import NativeBackend

    rnn = Recurrent("lstm", 8, 16, layers)
    x = torch.randn(steps, lanes, 8)
    state = rnn(x)[1].detach()
    initial = rnn.initial_state(lanes)
    no = torch.zeros(steps, lanes, dtype=torch.bool)
    masks, native = StepMasks.of(no, ~no, state.age), NativeBackend()
    parts = [(layer.cell, layer.norms) for layer in rnn.stack.each]

    def bare() -> None:
        y = x
        for i, (cell, norms) in enumerate(parts):
            call = WindowCall(
                cell, norms, y, state.layers[i], initial.layers[i], masks, (steps,), trains
            )
            y = native.run(call).outputs

    def whole() -> None:
        rnn(x, state)

    with torch.set_grad_enabled(trains):
        # in turn, so that a busy moment of the machine falls on both
        both = [(_microseconds(bare), _microseconds(whole)) for _ in range(100)]
    return Overhead(*(min(times) for times in zip(*both, strict=True)))


def beside_the_trainer(steps: int = 128, lanes: int = 32, hidden: int = 64) -> tuple[float, float]:
    """Return milliseconds of forward and backward through the layer, and through the trainer's layers.

    Args:
        steps: T.
        lanes: B.
        hidden: H.
    """
    import torch

    from memcell.backends import StepMasks
    from memcell.nn import Recurrent

    rnn = Recurrent("lstm", 16, hidden)
    x = torch.randn(steps, lanes, 16)
    state = rnn(x)[1].detach()
    initial = rnn.initial_state(lanes).layers
    no = torch.zeros(steps, lanes, dtype=torch.bool)

    def layer() -> None:
        rnn(x, state)[0].sum().backward()

    def trainers() -> None:
        masks = StepMasks.of(no, ~no, state.age)
        rnn.stack(x, state.layers, initial, masks, (steps,), True)[0].sum().backward()

    both = [(_microseconds(layer, 3) / 1e3, _microseconds(trainers, 3) / 1e3) for _ in range(15)]
    return min(a for a, _ in both), min(b for _, b in both)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls-only", action="store_true", help="Leave the other processes out.")
    if not parser.parse_args(arguments).calls_only:
        seconds, torch_too = import_seconds()
        print(f"import memcell: {seconds}, {'with' if torch_too else 'without'} torch")
        cold, warm = first_window_seconds()
        print(
            f"first layer of a process, made and run: {cold} with an empty cache, {warm} after that"
        )
    for trains in (True, False):
        found = []
        for layers in (1, 2):
            cost = overhead(layers, 1, 1, trains)
            found.append(
                f"{cost.whole:.0f} us of {layers} layer{'s'[: layers - 1]}, "
                f"{cost.whole - cost.bare:.0f} more than generated code"
            )
        print(f"rnn(x, state) {'in training' if trains else 'at inference'}: {'; '.join(found)}")
    own, trainers = beside_the_trainer()
    print(
        f"a window of training, T128 B32 H64: {own:.2f} ms, through the trainer's layers {trainers:.2f} ms"
    )


def _printed(script: str, cache: str | None = None) -> list[float]:
    places = {} if cache is None else {"XDG_CACHE_HOME": cache}
    # as installed: compiled modules are kept
    kept = {"PYTHONDONTWRITEBYTECODE": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **kept, **places},
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(word) for word in done.stdout.split()]


def _microseconds(call: Callable[[], None], calls: int = 20) -> float:
    call()
    start = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - start) / calls * 1e6


if __name__ == "__main__":
    main()
