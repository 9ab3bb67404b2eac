"""The hooks, one for each kind of plugin. A plugin implements those it wants; each only returns specs.

All hooks are collecting (every plugin's answer is used), take no argument and are pure: they may be
called any number of times, in any order, and must not import torch. A plugin package names a module
under the entry-point group ``memcell``; memcell calls the functions of these names in it.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

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

PROJECT = "memcell"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# pluggy's specs have no body, though they say what an implementation returns
# mypy: disable-error-code="empty-body"


@hookspec
def memcell_cells() -> Iterable[CellSpec]:
    """Recurrent cells.

    >>> from memcell import CellSpec, hookimpl
    >>> @hookimpl
    ... def memcell_cells():
    ...     yield CellSpec(
    ...         name="mgu",
    ...         factory="memcell_mgu.cell:MGU",
    ...         summary="Minimal gated unit: one gate forgets and writes.",
    ...         reference="Zhou et al. 2016, arXiv:1603.09420",
    ...     )
    >>> [spec.name for spec in memcell_cells()]
    ['mgu']
    """


@hookspec
def memcell_encoders() -> Iterable[EncoderSpec]:
    """What stands between an application's encoder and the memory.

    >>> from memcell import EncoderSpec, hookimpl
    >>> @hookimpl
    ... def memcell_encoders():
    ...     yield EncoderSpec(name="delta", factory="memcell_delta.delta:Delta")
    >>> [spec.kind for spec in memcell_encoders()]
    ['encoder']
    """


@hookspec
def memcell_heads() -> Iterable[HeadSpec]:
    """What stands between the memory and the linear readout.

    >>> from memcell import HeadSpec, hookimpl
    >>> @hookimpl
    ... def memcell_heads():
    ...     yield HeadSpec(name="maxout", factory="memcell_maxout.maxout:Maxout")
    >>> [spec.offline for spec in memcell_heads()]
    [False]
    """


@hookspec
def memcell_normalizers() -> Iterable[NormalizerSpec]:
    """Normalizers of the sites inside a cell.

    >>> from memcell import NormalizerSpec, hookimpl
    >>> @hookimpl
    ... def memcell_normalizers():
    ...     yield NormalizerSpec(name="l2", factory="memcell_l2.l2:L2", summary="Unit length.")
    >>> [spec.name for spec in memcell_normalizers()]
    ['l2']
    """


@hookspec
def memcell_samplers() -> Iterable[SamplerSpec]:
    """Orders of windows.

    >>> from memcell import SamplerSpec, hookimpl
    >>> @hookimpl
    ... def memcell_samplers():
    ...     yield SamplerSpec(name="backwards", factory="memcell_back.back:Backwards")
    >>> [spec.covers_once for spec in memcell_samplers()]
    [True]
    """


@hookspec
def memcell_state_policies() -> Iterable[StatePolicySpec]:
    """State policies: what memory a batch starts from.

    >>> from memcell import StatePolicySpec, hookimpl
    >>> @hookimpl
    ... def memcell_state_policies():
    ...     yield StatePolicySpec(name="nap", factory="memcell_nap.nap:Nap", needs_streams=True)
    >>> [spec.needs_streams for spec in memcell_state_policies()]
    [True]
    """


@hookspec
def memcell_optimizers() -> Iterable[OptimizerSpec]:
    """Optimizers.

    >>> from memcell import OptimizerSpec, hookimpl
    >>> @hookimpl
    ... def memcell_optimizers():
    ...     yield OptimizerSpec(name="lion", factory="memcell_lion.lion:build")
    >>> [spec.name for spec in memcell_optimizers()]
    ['lion']
    """


@hookspec
def memcell_gradient_modes() -> Iterable[GradientModeSpec]:
    """Gradient modes: how long windows are, and how gradients flow inside one.

    >>> from memcell import GradientModeSpec, hookimpl
    >>> @hookimpl
    ... def memcell_gradient_modes():
    ...     yield GradientModeSpec(name="growing", factory="memcell_growing.growing:Growing")
    >>> [spec.fixed_grid for spec in memcell_gradient_modes()]
    [True]
    """


@hookspec
def memcell_probes() -> Iterable[ProbeSpec]:
    """Measurements during training, which change nothing in it.

    >>> from memcell import ProbeSpec, hookimpl
    >>> @hookimpl
    ... def memcell_probes():
    ...     yield ProbeSpec(name="norms", factory="memcell_norms.norms:Norms")
    >>> [spec.name for spec in memcell_probes()]
    ['norms']
    """


@hookspec
def memcell_feature_extractors() -> Iterable[FeatureExtractorSpec]:
    """What makes features of a signal.

    >>> from memcell import FeatureExtractorSpec, hookimpl
    >>> @hookimpl
    ... def memcell_feature_extractors():
    ...     yield FeatureExtractorSpec(name="slopes", factory="memcell_slopes.slopes:Slopes")
    >>> [spec.name for spec in memcell_feature_extractors()]
    ['slopes']
    """


@hookspec
def memcell_datasets() -> Iterable[DatasetSpec]:
    """Data sets by name.

    >>> from memcell import DatasetSpec, hookimpl
    >>> @hookimpl
    ... def memcell_datasets():
    ...     yield DatasetSpec(name="ours", factory="memcell_ours.ours:Ours", summary="Our nights.")
    >>> [spec.simulated for spec in memcell_datasets()]
    [False]
    """


@hookspec
def memcell_apps() -> Iterable[AppSpec]:
    """Applications: ``memcell train NAME`` and the commands beside it.

    >>> from memcell import AppSpec, hookimpl
    >>> @hookimpl
    ... def memcell_apps():
    ...     yield AppSpec(name="spindles", factory="memcell_spindles.app:Spindles")
    >>> [spec.kind for spec in memcell_apps()]
    ['app']
    """


@hookspec
def memcell_models() -> Iterable[ModelSpec]:
    """Trained models, each a run folder with a card in the package.

    >>> from memcell import ModelSpec, hookimpl
    >>> @hookimpl
    ... def memcell_models():
    ...     yield ModelSpec(name="naps", factory="memcell_naps.models:folder", app="sleep")
    >>> [spec.app for spec in memcell_models()]
    ['sleep']
    """


HOOK_OF_KIND = {
    "cell": "memcell_cells",
    "encoder": "memcell_encoders",
    "head": "memcell_heads",
    "normalizer": "memcell_normalizers",
    "sampler": "memcell_samplers",
    "policy": "memcell_state_policies",
    "optimizer": "memcell_optimizers",
    "gradient": "memcell_gradient_modes",
    "probe": "memcell_probes",
    "feature_extractor": "memcell_feature_extractors",
    "dataset": "memcell_datasets",
    "app": "memcell_apps",
    "model": "memcell_models",
}
