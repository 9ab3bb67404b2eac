"""The import paths and names of version 0.1, which go on working until version 0.3 and say the new one.

A module that moved is found under its old path as the very same module, and a class that was renamed
under its old name in the modules that had it. A `FutureWarning` at the place of the import says so once.
This file, and the two lines of each module that call `renamed_in`, are removed together.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

REMOVED_IN = "0.3"

_PACKAGES = {
    # old package: {new package: "module" or "old>new", ...}, "." for the package itself
    "memcell": {
        "memcell.files": "atomic reading trusted names",
        "memcell.plugins": "specs hooks",
        "memcell.applications": "app prediction streaming datasets checking",
        "memcell.network": "input_noise blocks",
        "memcell.inference": "stepping",
        "memcell.runs": "tables compatibility reporting",
    },
    "memcell.registry": {
        "memcell.plugins": ". importing loader registry",
        "memcell.applications": "datasets",
    },
    "memcell.config": {"memcell.plugins.options": ". fields values"},
    "memcell.sequences": {"memcell.sequences": "sequence>time_series"},
    "memcell.unroll": {
        "memcell.backends": ". eager layer stack stepper torch_own>torch_kernels ways>choose agreement "
        "first_window operator subnormal",
        "memcell.recurrent": "marks>step_masks norms transforms>reference",
    },
    "memcell.training": {
        "memcell": "interrupt",
        "memcell.settings": "config>options run_config",
        "memcell.inference": "inference",
        "memcell.training": "position>state snapshot>state schedule>optimization averaging>optimization "
        "class_totals>window_statistics readout_gradients>window_statistics",
        "memcell.runs": "run run_folder scoring by_subject intervals_text judged>predictions model predict "
        "predict_task stream evaluate",
    },
    "memcell.recurrent": {"memcell.recurrent": "identity>cell"},
    "memcell.jobs": {
        "memcell.jobs": "attempt>tasks contract>tasks run>tasks server>forking warm>forking",
        "memcell.files": "lock>atomic",
    },
    "memcell.testing": {"memcell.testing": "finding>failure"},
    "memcell.training.gradients": {
        "memcell_plugins.gradient_modes": "artbp random_length tbptt",
    },
    "memcell.export": {
        "memcell.inference.onnx": ". facts onnx_check>check onnx_scan>scan step",
        "memcell.runs": "run>export_onnx",
    },
    "memcell.html": {"memcell.reports": ". numbers parts svg"},
    "memcell.folds": {"memcell.runs.folds": ". one_fold pool prepared run"},
    "memcell.compare.statistics": {
        "memcell.statistics": ". bootstrap targets effects>paired holm>paired signflip>paired",
    },
    "memcell.probes": {
        "memcell.probes": "conductor>scheduler scene>context",
        "memcell_plugins.probes": "staleness order order_measures stuck gradient_flow cell_state lanczos",
    },
}

#: Names of modules that are still there: old name to new, with its module where that is another.
NAMES = {
    "memcell.recurrent": {"Remembered": "CarriedState"},
    "memcell.recurrent.policy": {"Remembered": "CarriedState"},
    "memcell.sequences": {"Sequence": "TimeSeries"},
    "memcell.sequences.time_series": {"Sequence": "TimeSeries"},
    "memcell.files": {
        name: f"memcell.files.atomic:{name}"
        for name in ("beside", "growing", "make_folder", "remove_leftovers", "write_atomic")
    },
    "memcell.applications.app": {"Judged": "ModelPredictions"},
    "memcell.applications.prediction": {
        "Asked": "PredictionRequest",
        "Item": "FoundRecording",
        "Stream": "NetworkStream",
    },
    "memcell.applications.streaming": {"StreamAsked": "StreamRequest"},
    "memcell.plugins": {"find_dataset": "memcell.applications.datasets:find_dataset"},
    "memcell.probes.base": {"Moment": "memcell.training.observing:UpdateEvent"},
    "memcell.probes.context": {"Scene": "ProbeContext", "Windows": "ProbeWindows"},
}


def _modules() -> dict[str, str]:
    moved = {}
    for old, parts in _PACKAGES.items():
        for new, modules in parts.items():
            for word in modules.split():
                before, _, after = word.partition(">")
                if before == ".":
                    moved[old] = new
                else:
                    moved[f"{old}.{before}"] = f"{new}.{after or before}"
    return {old: new for old, new in moved.items() if old != new}


#: Old module to new module.
MODULES = _modules()


class OldPaths(importlib.abc.MetaPathFinder):
    """Finds a module under the path that it had before, and says the new one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module that moved; None for every other name."""
        new = MODULES.get(fullname)
        if new is None:
            return None
        # Frames of the import system are not counted, so this is the line of the import statement.
        _say(f"the module {fullname} is now {new}", stacklevel=3)
        return importlib.machinery.ModuleSpec(fullname, _SameModule(new))


class _SameModule(importlib.abc.Loader):
    """Loads a module by importing it under its new path."""

    def __init__(self, new: str) -> None:
        self.new = new
        self.own_spec: importlib.machinery.ModuleSpec | None = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return the module of the new path."""
        module = importlib.import_module(self.new)
        self.own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module back its own spec, which the import system has just replaced."""
        module.__spec__ = self.own_spec


def install() -> None:
    """Let old paths be found first: in a moved package its parts would be found again, as other modules."""
    if not any(isinstance(finder, OldPaths) for finder in sys.meta_path):
        sys.meta_path.insert(0, OldPaths())


def renamed_in(module: str) -> Callable[[str], Any]:
    """Return a module's ``__getattr__``, which knows the old names of its classes."""
    names = NAMES[module]

    def attribute(name: str) -> Any:
        new = names.get(name)
        if new is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        where, _, attribute = new.rpartition(":")
        _say(f"{module}.{name} is now {where or module}.{attribute}", stacklevel=3)
        return getattr(importlib.import_module(where or module), attribute)

    return attribute


def _say(what: str, *, stacklevel: int) -> None:
    text = f"{what}; the old name works until memcell {REMOVED_IN}. A plugin imports from 'memcell'"
    warnings.warn(text, FutureWarning, stacklevel=stacklevel)
