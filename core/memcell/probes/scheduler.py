"""Runs the probes of a training run: who measures when, within the budget, and where it is written.

Each probe has an equal share of the budget, a share of the training's counted work so far. It measures at
an update when what it has spent and may still spend fits into its share; so the interval follows from the
cost, and the same updates are probed however often the run was stopped. A probe that cannot afford one
measurement in the whole run stays off, says so, and leaves its share to the others.
"""

from __future__ import annotations

import math
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from memcell.errors import MemcellError, PluginError
from memcell.files.reading import read_json_lines
from memcell.interrupt import Interrupted
from memcell.plugins import Entry, Registry
from memcell.probes import cost
from memcell.probes.base import Probe, Values
from memcell.probes.context import ProbeContext
from memcell.settings.run_config import RunConfig
from memcell.training.observing import UpdateEvent
from memcell.training.trainer import Trainer

#: Measurements of a run at most: more would say nothing new.
MOST = 250


class ProbeFolder(Protocol):
    """Where probes write what they measure."""

    @property
    def metrics(self) -> Path:
        """The metrics of the training."""

    @property
    def probes(self) -> Path:
        """The probes' lines."""

    def append_probe(self, record: Mapping[str, Any]) -> None:
        """Add a line."""

    def probes_size(self) -> int:
        """Return the bytes of all lines."""

    def cut_probes(self, size: int) -> None:
        """Forget what was written after the first ``size`` bytes."""


def observe(
    trainer: Trainer, folder: ProbeFolder, config: RunConfig, registry: Registry
) -> ProbeScheduler | None:
    """Let the probes of a run observe its trainer; None where it has none."""
    if not (config.probes and trainer.processes.main):
        return None
    chosen = [(registry.get("probe", probe.name), probe.config) for probe in config.probes]
    trainer.observer = scheduler = ProbeScheduler(trainer, folder, chosen)
    return scheduler


def probe_type(entry: Entry) -> type[Probe]:
    """Return the class of a probe.

    Raises:
        PluginError: Its factory is something else; names the plugin.
    """
    found = entry.factory()
    if not (isinstance(found, type) and issubclass(found, Probe)):
        raise PluginError(f"{entry.origin}: its factory is {found!r}; expected a subclass of Probe")
    return found


class ProbeScheduler:
    """Runs the probes of a training within their budget.

    Args:
        trainer: The training they look at.
        folder: Where their lines are written.
        chosen: The probes and their options.
    """

    def __init__(
        self, trainer: Trainer, folder: ProbeFolder, chosen: Sequence[tuple[Entry, Any]]
    ) -> None:
        config = trainer.config
        self.folder = folder
        self.context = ProbeContext(
            trainer.network,
            trainer.task,
            config,
            batches=len(trainer.order(0)[1]),
            total=trainer.total_updates,
            metrics=folder.metrics,
        )
        eager = config.backend == "eager"
        self._update_cost = cost.update(config.time_steps, config.batch_size, eager)
        self.worked = 0.0
        self.off: dict[str, str] = {}
        #: Those of other distributions: after each call it is looked whether the network is as it was.
        self._foreign = {entry.spec.name for entry, _ in chosen if not entry.built_in}
        self.on = self._planned(chosen)
        self._price = {n: p.cost(self.context, p.size) for n, p in self.on.items()}
        self.spent = dict.fromkeys(self.on, 0.0)
        self.last = dict.fromkeys(self.on, 0)
        self.times = dict.fromkeys(self.on, 0)
        self.seconds = dict.fromkeys(self.on, 0.0)
        # the program for inference is made here: validation needs it as well
        self.context.replay([(0, 0, min(2, trainer.task.train[0].n_steps))])
        self._began = time.process_time()
        self._event: UpdateEvent | None = None
        self._due: set[str] = set()

    def price(self, name: str) -> float:
        """Return the most that one measurement of a probe that is on can cost, in units."""
        return self._price[name]

    @property
    def share(self) -> float:
        """Each probe's share of the training's counted work."""
        return self.context.config.probe_budget / max(1, len(self.on))

    def _planned(self, chosen: Sequence[tuple[Entry, Any]]) -> dict[str, Probe]:
        """Choose a size for each probe; those that cannot be paid for stay off, the dearest first."""
        types = {entry.spec.name: probe_type(entry) for entry, _ in chosen}
        entries = {entry.spec.name: entry for entry, _ in chosen}
        configs = {entry.spec.name: config for entry, config in chosen}
        sizes = {name: t.sizes_with(configs[name]) for name, t in types.items()}
        budget = self.context.config.probe_budget * self._update_cost * self.context.total
        while types:
            least = {n: t.cost(self.context, sizes[n][-1]) for n, t in types.items()}
            dearest = max(least, key=lambda n: least[n])
            if least[dearest] <= budget / len(types):
                break
            needed = least[dearest] * len(types) / self._update_cost / self.context.total
            self.off[dearest] = (
                f"one measurement costs {least[dearest] / self._update_cost:.0f} updates and the budget "
                f"allows {budget / len(types) / self._update_cost:.1f}; --probe-budget "
                f"{math.ceil(100 * needed) / 100:g} or a longer run would do"
            )
            del types[dearest]
        each = budget / max(1, len(types))
        on = {}
        for name, probe in types.items():
            repeats = probe.measurements_with(configs[name])
            fits = [s for s in sizes[name] if probe.cost(self.context, s) * repeats <= each]
            size = fits[0] if fits else sizes[name][-1]
            try:
                on[name] = entries[name].build(self.context, size, configs[name])
            except Exception as error:
                self.off[name] = f"it could not begin: {_described(error)}"
        return on

    def before_update(self, event: UpdateEvent) -> None:
        """Let the probes see an update that is about to be made."""
        if event.trains:
            self.worked += self._update_cost
        self._event, update = event, event.update
        self.context.update = update
        self._due = {
            name for name, probe in self.on.items() if event.trains and self._affords(name, probe)
        }
        for name in list(self.on):
            spent = self.spent[name]
            self._call(name, "before_update", self._event, name in self._due)
            if self.spent[name] > spent:
                self.last[name], self.times[name] = update, self.times[name] + 1

    def _affords(self, name: str, probe: Probe) -> bool:
        if probe.at_start and not self.spent[name]:
            return True
        if self.last[name] and self.context.update - self.last[name] < self.context.total / MOST:
            return False
        total = self.spent[name] + probe.owed() + self._price[name]
        return total <= self.share * self.worked

    def after_update(self) -> None:
        """Let them see the update that was made."""
        assert self._event is not None
        for name in list(self.on):
            spent, due = self.spent[name], name in self._due
            found = self._call(name, "after_update", self._event, due)
            update = self._event.update
            if due and self.spent[name] > spent and self.last[name] != update:
                self.last[name], self.times[name] = update, self.times[name] + 1
            if found is not None:
                self._write(name, "values", found)
        self._event = None

    def end_of_epoch(self, epoch: int) -> None:
        """Let them see an epoch end."""
        for name in list(self.on):
            found = self._call(name, "end_of_epoch", epoch)
            if found is not None:
                self._write(name, "values", found)

    def _call(self, name: str, method: str, *args: Any) -> Any:
        # counted from zero at each call: a sum that went on would round another way after a resume
        self.context.spent, began = 0.0, time.process_time()
        tensors = _tensors(self.context.network) if name in self._foreign else {}
        before = {key: tensor.clone() for key, tensor in tensors.items()}
        try:
            found = getattr(self.on[name], method)(*args)
            if changed := _put_back(tensors, before):
                raise PluginError(
                    f"its {method} changed {changed} of the network, which was put back: a probe only looks"
                )
            return found
        except Interrupted:
            raise
        except Exception as error:
            # the network is someone's own: whatever a probe cannot do with it must not end the training
            _put_back(tensors, before)
            self._stop(name, error)
            return None
        finally:
            self.spent[name] += self.context.spent
            self.seconds[name] += time.process_time() - began

    def _stop(self, name: str, error: Exception) -> None:
        self.off[name] = reason = (
            f"stopped at update {self.context.update}: {_described(error, _file_of(self.on[name]))}"
        )
        self._write(name, "stopped", {"reason": reason})
        del self.on[name]

    def _write(self, name: str, kind: str, values: Values) -> None:
        plain = _plain(values)
        if kind == "values" and name in self.on:
            self.on[name].past.append(plain)
        self.folder.append_probe({"probe": name, "update": self.context.update, kind: plain})

    def end(self) -> list[str]:
        """Write the summaries and return lines for the person."""
        training = time.process_time() - self._began - sum(self.seconds.values())
        lines = []
        for name in list(self.on):
            probe, summary = self.on[name], self._call(name, "end")
            if summary is None:
                continue  # it stopped
            self._write(name, "summary", summary)
            lines.append(f"probe {name}: {probe.summary_line(_plain(summary))}")
            measured, counted = self.times[name], self.spent[name] / max(1.0, self.worked)
            every = (
                f"about every {self.context.update / measured:.0f} updates" if measured else "never"
            )
            lines.append(
                f"probe {name}: measured {measured} times, {every}, size {_words(probe.size)}; cost "
                f"{100 * counted:.1f} % of the training's work as counted, "
                f"{100 * self.seconds[name] / max(1e-9, training):.1f} % of its CPU time"
            )
        lines += [f"probe {name}: off: {reason}" for name, reason in self.off.items()]
        return lines

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs, as JSON values."""
        return {
            "worked": self.worked,
            "spent": self.spent,
            "last": self.last,
            "times": self.times,
            "off": self.off,
            "probes": {name: dict(probe.state_dict()) for name, probe in self.on.items()},
            "size": self.folder.probes_size(),
        }

    def load_state_dict(self, state: Mapping[str, Any], update: int) -> None:
        """Go back to what `state_dict` returned, and forget the lines written after it."""
        self.folder.cut_probes(state["size"])
        self.context.update = update
        self.worked, self.off = state["worked"], dict(state["off"])
        self.spent, self.last = dict(state["spent"]), dict(state["last"])
        self.times = dict(state["times"])
        self.on = {name: p for name, p in self.on.items() if name in state["probes"]}
        for name, probe in self.on.items():
            probe.load_state_dict(state["probes"][name])
        for record in read_json_lines(self.folder.probes):
            if record["probe"] in self.on and "values" in record:
                self.on[record["probe"]].past.append(record["values"])


def _described(error: Exception, author: str = "") -> str:
    """Return an error in a line, with the last place in a file of its author's (``author``, a path).

    The words of errors that are raised below the probe are said without their type.
    """
    kind = "" if isinstance(error, RuntimeError | MemcellError) else f"{type(error).__name__}: "
    frames = traceback.extract_tb(error.__traceback__)
    own = [f"{Path(f.filename).name}, line {f.lineno}: " for f in frames if f.filename == author]
    return (own[-1] if own else "") + kind + " ".join(str(error).split())[:200]


def _tensors(network: torch.nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of a network by name, detached."""
    named = (*network.named_parameters(), *network.named_buffers())
    return {name: tensor.detach() for name, tensor in named}


def _put_back(tensors: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> str:
    """Give tensors back the values that they had, and return in words which had others; empty for none."""
    changed = [
        key
        for key, tensor in tensors.items()
        if not torch.allclose(tensor, before[key], rtol=0.0, atol=0.0, equal_nan=True)
    ]
    for key in changed:
        tensors[key].copy_(before[key])
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"'{changed[0]}'{more}" if changed else ""


def _file_of(probe: Probe) -> str:
    module = sys.modules.get(type(probe).__module__)
    return getattr(module, "__file__", None) or ""


def _plain(value: Any) -> Any:
    """Return JSON values: numbers that are not finite are None."""
    if isinstance(value, Mapping):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, torch.Tensor):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _words(size: Any) -> str:
    return " x ".join(map(str, size)) if isinstance(size, tuple) else str(size)
