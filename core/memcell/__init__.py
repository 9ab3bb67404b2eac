"""memcell: a pluggable engine for recurrent memory.

This module holds what a plugin needs in order to register itself, and imports no torch. The rooms:
`memcell.recurrent` (cells, normalizers, state policies), `memcell.sequences` (windows, batches,
samplers), `memcell.backends` (the time loop), `memcell.training`, `memcell.testing` (conformance checks).
"""

from memcell.plugins.hooks import hookimpl
from memcell.plugins.specs import (
    AppSpec,
    CellSpec,
    DatasetSpec,
    NormalizerSpec,
    OptimizerSpec,
    SamplerSpec,
    StatePolicySpec,
)
from memcell.version import __version__

__all__ = [
    "AppSpec",
    "CellSpec",
    "DatasetSpec",
    "NormalizerSpec",
    "OptimizerSpec",
    "SamplerSpec",
    "StatePolicySpec",
    "__version__",
    "hookimpl",
]
