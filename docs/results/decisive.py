"""The decisive experiment: does carrying state through mini-batches slow training, and is a moving lens why?

    python docs/results/decisive.py predict PLAN        # runs, and hours by the seconds measured so far
    python docs/results/decisive.py run PLAN OUT        # what is missing in OUT/runs.jsonl, one line a run
    python docs/results/decisive.py run PLAN OUT --kept docs/results/decisive/core.tsv   # or in a table

PLAN is one of ``docs/results/decisive-*.json``. Runs are taken in the plan's order:
block by block, and within a block seed by seed, so that whatever there is has complete seeds. A run that is
in the file is never made again; an unfinished last line is dropped. One process, one thread. The policies,
the sampler, the cells and the kernels are memcell's own; the loop around them is here, since a run takes
seconds.
"""

from __future__ import annotations

import argparse
import collections
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from decisive_data import Data
from decisive_plan import Setting, done, key, predict, settings_of, targets_of
from decisive_results import read
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from memcell.backends import Layer, RecurrentStack
from memcell.backends.subnormal import flushed
from memcell.files.atomic import write_atomic
from memcell.network.network import Network
from memcell.plugins import default_registry
from memcell.recurrent.initializers import initializer
from memcell.recurrent.policy import CarriedState, Memory
from memcell.recurrent.state import leaves
from memcell.sequences import Batch, TimeSeries
from memcell.sequences.time_series import UNLABELLED
from memcell.training.memory import RunMemory
from memcell_plugins.policies.configs import FixedLensConfig
from memcell_plugins.policies.fixed_lens import FixedLens

BEYOND = 1.5
#: Epochs from one look at the validation loss to the next, and those whose start states' drift is measured.
LOOK_EVERY, DRIFT_AT = 5, (2, 5, 10, 20, 40, 80, 160)
CLIP = 1.0
STARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "reset": ("reset", {}),
    "carry": ("carry", {}),
    "oracle": ("oracle", {}),
    "lens-copy-1": ("fixed_lens", {"by": "copy", "every": 1}),
    "lens-copy-10": ("fixed_lens", {"by": "copy", "every": 10}),
    "lens-copy-never": ("fixed_lens", {"by": "copy", "every": 0}),
    "lens-states-10": ("fixed_lens", {"by": "states", "every": 10}),
    "lens-states-never": ("fixed_lens", {"by": "states", "every": 0}),
    "exchanged": ("", {}),
}


class Exchanged(FixedLens):
    """Frozen after the first epoch, then exchanged: each window begins with another's state for ever.

    The same states stand still, so that a window can be known by its own, and they say nothing of its past.
    """

    def begin_epoch(self, memory: Memory) -> None:
        """Exchange what the first epoch kept."""
        super().begin_epoch(memory)
        if memory.epoch == 1:
            store, n = self.store, len(self.store.slot)
            rows = torch.randperm(n, generator=torch.Generator().manual_seed(0))
            store.parts = [part[:n][rows] for part in store.parts]
            store.age, store.update = store.age[:n][rows], store.update[:n][rows]


@dataclass
class Result:
    """What a run gave: one line of ``runs.jsonl``."""

    updates: int = 0
    reached: dict[str, int] = field(default_factory=dict)
    #: The same of the training loss under one inference for all starts: "0.03 carry", "0.03 reset", ...
    common: dict[str, int] = field(default_factory=dict)
    ended: str = ""
    seconds: float = 0.0
    per_epoch: int = 0
    looks: list[dict[str, float]] = field(default_factory=list)
    valid: dict[str, list[float]] = field(default_factory=dict)
    drift: list[dict[str, float]] = field(default_factory=list)


def _made(kind: str, name: str, *args: Any, **options: Any) -> Any:
    entry = default_registry().get(kind, name)
    return entry.build(*args, entry.config(options))


def _network(setting: Setting, policy: Any, n_features: int) -> Network:
    """Build the network; its weights depend on seed, cell and H alone."""
    torch.manual_seed(1000 + setting.seed)
    cell = _made("cell", setting.cell, n_features, setting.hidden)
    draw = {k: initializer(v, setting.hidden, None) for k, v in _INITIAL.items()}
    cell.reset_parameters(draw)
    stack = RecurrentStack([Layer(cell, None, "auto")])
    network = Network(nn.Identity(), stack, 2, policy.make_start(stack.initial_state(1)))
    nn.init.xavier_uniform_(network.readout.weight)
    nn.init.zeros_(network.readout.bias)
    return network.train()


_INITIAL = {"input": "glorot", "recurrent": "orthogonal"}


def _optimizer(setting: Setting, network: Network) -> torch.optim.Optimizer:
    if setting.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), lr=setting.rate, fused=True)
    return torch.optim.SGD(network.parameters(), lr=setting.rate, momentum=0.9, fused=True)


@torch.no_grad()
def losses(
    network: Network, series: list[TimeSeries], inference: str, time_steps: int
) -> list[float]:
    """Return each recording's mean loss, memory carried through it or restarted every T steps.

    At gaps it restarts in both.
    """
    network.eval()
    steps, lanes = max(s.n_steps for s in series), len(series)
    x = torch.zeros(steps, lanes, series[0].n_features)
    y = torch.full((steps, lanes), UNLABELLED)
    valid, resets = (torch.zeros(steps, lanes, dtype=torch.bool) for _ in range(2))
    for lane, one in enumerate(series):
        x[: one.n_steps, lane] = torch.from_numpy(np.asarray(one.features))
        y[: one.n_steps, lane] = torch.from_numpy(np.asarray(one.targets))
        valid[: one.n_steps, lane] = True
        resets[list(one.breaks), lane] = True
    resets[:: time_steps if inference == "reset" else steps] = True
    initial = network.initial_state(lanes)
    age = torch.zeros(lanes, dtype=torch.int64)
    out = network(x, CarriedState(initial, age), initial, resets, valid)
    network.train()
    each = _loss(out.logits, y, "none").view(steps, lanes).sum(0) / (y != UNLABELLED).sum(0)
    return [round(v, 6) for v in each.tolist()]


def _loss(logits: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
    return cross_entropy(
        logits.flatten(0, 1), y.flatten(), reduction=reduction, ignore_index=UNLABELLED
    )


def _flat(carried: CarriedState) -> Tensor:
    return torch.cat([part.flatten(1) for part in leaves(carried.state)], dim=1)


def moved(before: Tensor, after: Tensor) -> float:
    """Return the mean over lanes of ``|after - before| / |after|``."""
    return float(((after - before).norm(dim=1) / after.norm(dim=1).clamp_min(1e-12)).mean())


class Run:
    """One training, from its setting to its line."""

    def __init__(self, setting: Setting, data: Data, targets: Sequence[float]) -> None:
        self.setting, self.data, self.targets = setting, data, targets
        name, options = STARTS[setting.start]
        frozen = FixedLensConfig(by="states", every=0)
        self.policy = _made("policy", name, **options) if name else Exchanged(frozen)
        self.network = _network(setting, self.policy, data.n_features)
        self.memory = RunMemory(self.network, data.train, torch.Generator().manual_seed(0))
        self.optimizer = _optimizer(setting, self.network)
        self.oracle = _made("policy", "oracle")
        self.result = Result(per_epoch=len(data.batches))
        self.recent: collections.deque[float] = collections.deque(maxlen=len(data.batches))
        self.before: dict[int, Tensor] = {}

    def go(self) -> Result:
        """Train to the last target, by its own starts and under carry, or to the last epoch.

        Who is there by its own starts and not under carry goes on for `BEYOND` times its updates at most.
        """
        began, result, last = time.process_time(), self.result, str(self.targets[-1])
        for epoch in range(self.setting.epochs):
            self.memory.epoch = epoch
            self.policy.begin_epoch(self.memory)
            if not self._epoch(epoch):
                result.ended = "diverged"
                break
            self._look(epoch)
            own = result.reached.get(last)
            if own and (f"{last} carry" in result.common or result.updates >= BEYOND * own):
                result.ended = "target"
                break
        result.ended = result.ended or "epochs"
        if result.ended != "diverged":
            self._validate("end")
        result.seconds = round(time.process_time() - began, 3)
        return result

    def _epoch(self, epoch: int) -> bool:
        """Train an epoch; False where the loss is no number any more."""
        drifting = epoch + 1 in DRIFT_AT or epoch + 2 in DRIFT_AT
        found: list[tuple[float, float]] = []
        states: dict[int, Tensor] = {}
        for k, batch in enumerate(self.data.batches):
            going = not batch.starts[0].any() and bool((batch.window >= 0).all())
            measures = drifting and going and self.setting.start != "reset"
            anew = None
            if measures and k in self.before:
                anew = _flat(self.oracle.begin(batch, self.memory))
            carried, loss = self._update(batch)
            if not math.isfinite(loss):
                return False
            self.recent.append(loss)
            if measures:
                states[k] = _flat(carried)
            if anew is not None:
                found.append((moved(self.before[k], states[k]), moved(states[k], anew)))
            self._reach()
        if found:
            between, within = np.mean(found, axis=0).tolist()
            self.result.drift.append({"epoch": epoch + 1, "between": between, "within": within})
        self.before = states if epoch + 1 not in DRIFT_AT else {}
        return True

    def _update(self, batch: Batch) -> tuple[CarriedState, float]:
        policy, memory, network = self.policy, self.memory, self.network
        carried = policy.begin(batch, memory)
        out = network(
            batch.x,
            carried,
            policy.initial_state(batch, memory),
            policy.resets(batch, memory) | batch.starts,
            batch.valid,
            return_steps=policy.return_steps(batch),
            update_statistics=True,
        )
        policy.end(batch, out.states, memory)
        loss = _loss(out.logits, batch.y)
        self.optimizer.zero_grad(set_to_none=True)
        with flushed():
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), CLIP, foreach=True)
        self.optimizer.step()
        memory.update += 1
        self.result.updates += 1
        return carried, float(loss.detach())

    def _reach(self) -> None:
        """Note where the mean loss of as many updates as an epoch has is at a target for the first time."""
        if len(self.recent) < self.result.per_epoch:
            return
        mean = sum(self.recent) / len(self.recent)
        for target in self.targets:
            if mean <= target and str(target) not in self.result.reached:
                self.result.reached[str(target)] = self.result.updates
                self._validate(str(target))

    def _validate(self, at: str) -> None:
        for inference in ("carry", "reset"):
            self.result.valid[f"{at} {inference}"] = losses(
                self.network, self.data.valid, inference, self.data.time_steps
            )

    def _look(self, epoch: int) -> None:
        """Look at the training loss under both inferences; seldom at the validation loss too, and keep it."""
        result = self.result
        look = {"update": result.updates, "own": sum(self.recent) / len(self.recent)}
        for inference in ("carry", "reset"):
            loss = look[f"train_{inference}"] = float(
                np.mean(losses(self.network, self.data.train, inference, self.data.time_steps))
            )
            for target in self.targets:
                if loss <= target:
                    result.common.setdefault(f"{target} {inference}", result.updates)
        if (epoch + 1) % LOOK_EVERY == 0:
            for inference in ("carry", "reset"):
                found = losses(self.network, self.data.valid, inference, self.data.time_steps)
                look[f"valid_{inference}"] = float(np.mean(found))
            result.looks.append({k: round(float(v), 6) for k, v in look.items()})


def run(plan: dict[str, Any], out: Path, folder: Path, kept: Path | None = None) -> None:
    """Make what is missing.

    Args:
        plan: The plan.
        out: Folder of ``runs.jsonl``.
        folder: Real recordings.
        kept: A table of runs made before, which a folder without any begins with.
    """
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "runs.jsonl"
    if kept is not None and not path.exists():
        write_atomic(path, "".join(json.dumps(line) + "\n" for line in read(kept)))
    have = {key(line["setting"]) for line in done(path)}
    todo = [s for s in settings_of(plan) if s not in have]
    print(f"{len(have)} runs are there, {len(todo)} are missing", flush=True)
    cached: collections.OrderedDict[tuple[str, int, int], Data] = collections.OrderedDict()
    with path.open("a") as file:
        for i, setting in enumerate(todo):
            which = setting.data, setting.seed, setting.transitions
            if which not in cached:
                cached[which] = Data(setting, folder)
                if len(cached) > 8:
                    cached.popitem(last=False)
            result = Run(setting, cached[which], targets_of(plan)).go()
            line = {"setting": asdict(setting), **asdict(result)}
            file.write(json.dumps(line) + "\n")
            file.flush()
            if i % 50 == 0 or i + 1 == len(todo):
                print(f"{time.strftime('%H:%M:%S')} {i + 1}/{len(todo)} {setting}", flush=True)


def main(argv: list[str] | None = None) -> None:
    """Run or predict."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("command", choices=("predict", "run"))
    parser.add_argument("plan", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=Path("runs/decisive"))
    parser.add_argument(
        "--recordings",
        type=Path,
        default=Path("../shared/data"),
        help="holds sleep-edf and dreams-sleep",
    )
    parser.add_argument(
        "--kept", type=Path, help="a .tsv of runs made before, which a new folder begins with"
    )
    typed = parser.parse_args(argv)
    plan = json.loads(typed.plan.read_text())
    if typed.command == "run":
        run(plan, typed.out, typed.recordings, typed.kept)
        return
    measured = [line for p in sorted(typed.out.rglob("runs.jsonl")) for line in done(p)]
    print(predict(plan, measured))


if __name__ == "__main__":
    sys.exit(main())
