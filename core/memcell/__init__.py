"""memcell: a pluggable engine for recurrent memory.

This module holds what a plugin needs in order to register itself, and imports no torch. The rooms:
`memcell.recurrent` (cells, normalizers, state policies), `memcell.sequences` (windows, batches,
samplers), `memcell.unroll` (the time loop), `memcell.training`, `memcell.testing` (conformance checks).
"""

from memcell.hooks import hookimpl
from memcell.specs import (
    AppSpec,
    CellSpec,
    DatasetSpec,
    NormalizerSpec,
    OptimizerSpec,
    SamplerSpec,
    StatePolicySpec,
)

__version__ = "0.1.0"

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
