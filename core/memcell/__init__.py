"""memcell: a pluggable engine for recurrent memory.

What a plugin's author imports comes from here: hooks and specs at once, all else when it is first
used, so that ``import memcell`` loads neither torch nor numpy. `memcell.testing` has the conformance checks.
"""

import importlib
from typing import TYPE_CHECKING, Any

from memcell import old_paths
from memcell.plugins.hooks import hookimpl
from memcell.plugins.specs import (
    AppSpec,
    CellSpec,
    DatasetSpec,
    EncoderSpec,
    FeatureExtractorSpec,
    GradientModeSpec,
    HeadSpec,
    ModelSpec,
    NormalizerSpec,
    OptimizerSpec,
    ProbeSpec,
    SamplerSpec,
    StatePolicySpec,
)
from memcell.version import __version__

if TYPE_CHECKING:
    from memcell import nn as nn
    from memcell.applications.app import App, Row, Task
    from memcell.applications.checking import Checker, FileReport
    from memcell.applications.datasets import Card, DataSet
    from memcell.errors import ConfigError, DataError, MemcellError, PluginError, UsageError
    from memcell.network.around import HeadPlace, WindowHead
    from memcell.plugins.options import option
    from memcell.probes.base import Probe
    from memcell.probes.context import ProbeContext
    from memcell.progress import SILENT, Progress
    from memcell.recurrent.cell import Cell, Norm, TorchForm
    from memcell.recurrent.normalizer import Normalizer, NormWindow
    from memcell.recurrent.policy import CarriedState, Memory, StatePolicy
    from memcell.recurrent.start import Start, ZeroStart
    from memcell.recurrent.state import State, detach, leaves, map_state, rebuild, where, zeros
    from memcell.runs.estimators import SequenceClassifier, SequenceRegressor, step_scorer
    from memcell.runs.fit import Run, fit
    from memcell.runs.load import load
    from memcell.sequences.batch import Batch
    from memcell.sequences.sampler import Sampler, in_rows
    from memcell.sequences.targets import Classes, MultiLabel, TargetKind, Values
    from memcell.sequences.time_series import UNLABELLED, TimeSeries
    from memcell.sequences.windows import WindowTable
    from memcell.training.gradients.mode import GradientMode
    from memcell.training.observing import UpdateEvent

#: What is imported when it is first asked for: module to names.
_LAZY = {
    "memcell.applications.app": "App Row Task",
    "memcell.applications.checking": "Checker FileReport",
    "memcell.applications.datasets": "Card DataSet",
    "memcell.errors": "ConfigError DataError MemcellError PluginError UsageError",
    "memcell.network.around": "HeadPlace WindowHead",
    "memcell.plugins.options": "option",
    "memcell.probes.base": "Probe",
    "memcell.probes.context": "ProbeContext",
    "memcell.progress": "Progress SILENT",
    "memcell.recurrent.cell": "Cell Norm TorchForm",
    "memcell.recurrent.normalizer": "NormWindow Normalizer",
    "memcell.recurrent.policy": "CarriedState Memory StatePolicy",
    "memcell.recurrent.start": "Start ZeroStart",
    "memcell.recurrent.state": "State detach leaves map_state rebuild where zeros",
    "memcell.runs.estimators": "SequenceClassifier SequenceRegressor step_scorer",
    "memcell.runs.fit": "Run fit",
    "memcell.runs.load": "load",
    "memcell.sequences.batch": "Batch",
    "memcell.sequences.sampler": "Sampler in_rows",
    "memcell.sequences.targets": "Classes MultiLabel TargetKind Values",
    "memcell.sequences.time_series": "TimeSeries UNLABELLED",
    "memcell.sequences.windows": "WindowTable",
    "memcell.training.gradients.mode": "GradientMode",
    "memcell.training.observing": "UpdateEvent",
}
#: Packages that are asked for by name.
_PACKAGES = ("compare", "nn")
_MODULE_OF = {name: module for module, names in _LAZY.items() for name in names.split()}

old_paths.install()

if not TYPE_CHECKING:  # for a type checker a name that is not listed above is a mistake

    def __getattr__(name: str) -> Any:
        """Import what is asked for when it is first asked for."""
        if name in _PACKAGES:  # memcell.nn.Recurrent, as torch.nn.LSTM; memcell.compare(...)
            return importlib.import_module(f"memcell.{name}")
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'memcell' has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(_MODULE_OF[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF, *_PACKAGES})


__all__ = [
    "SILENT",
    "UNLABELLED",
    "App",
    "AppSpec",
    "Batch",
    "Card",
    "CarriedState",
    "Cell",
    "CellSpec",
    "Checker",
    "Classes",
    "ConfigError",
    "DataError",
    "DataSet",
    "DatasetSpec",
    "EncoderSpec",
    "FeatureExtractorSpec",
    "FileReport",
    "GradientMode",
    "GradientModeSpec",
    "HeadPlace",
    "HeadSpec",
    "MemcellError",
    "Memory",
    "ModelSpec",
    "MultiLabel",
    "Norm",
    "NormWindow",
    "Normalizer",
    "NormalizerSpec",
    "OptimizerSpec",
    "PluginError",
    "Probe",
    "ProbeContext",
    "ProbeSpec",
    "Progress",
    "Row",
    "Run",
    "Sampler",
    "SamplerSpec",
    "SequenceClassifier",
    "SequenceRegressor",
    "Start",
    "State",
    "StatePolicy",
    "StatePolicySpec",
    "TargetKind",
    "Task",
    "TimeSeries",
    "TorchForm",
    "UpdateEvent",
    "UsageError",
    "Values",
    "WindowHead",
    "WindowTable",
    "ZeroStart",
    "__version__",
    "detach",
    "fit",
    "hookimpl",
    "in_rows",
    "leaves",
    "load",
    "map_state",
    "option",
    "rebuild",
    "step_scorer",
    "where",
    "zeros",
]
