"""Specs: what a plugin says about itself before any of its code is imported.

A spec is a frozen, keyword-only dataclass of strings and booleans. ``factory`` and ``config`` are
``"module:attribute"`` references: a config is imported when the plugin's options are wanted, a
factory only when the plugin runs, so that listing a thousand plugins imports no torch.

Capabilities are declared here and checked centrally (`memcell.runs.compatibility`) before training. Where
one depends on an option, the config dataclass may define ``capabilities() -> dict[str, object]`` that
overrides the spec's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every kind of plugin declares.

    Args:
        name: The word a person types; lower case, digits and underscores.
        factory: ``"module:attr"``, imported only when the plugin is used.
        config: ``"module:Dataclass"`` whose fields are made with `memcell.plugins.options.option`, or None
            for a plugin without options.
        summary: One line.
        reference: Where the idea comes from (paper, year); empty for the plainly obvious.
        expected_failures: Conformance check to the reason why this plugin does not keep it on purpose.
    """

    kind: ClassVar[str] = "plugin"

    name: str
    factory: str
    config: str | None = None
    summary: str = ""
    reference: str = ""
    expected_failures: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class CellSpec(Spec):
    """A recurrent cell: ``factory(input_size, hidden_size, config) -> memcell.recurrent.Cell``."""

    kind: ClassVar[str] = "cell"


@dataclass(frozen=True, kw_only=True)
class EncoderSpec(Spec):
    """What stands before the memory: ``factory(input_size, config)``, a `memcell.Cell` or a module.

    A cell where it keeps something from step to step; a module that treats each step by itself, with an
    attribute ``output_size``, where it keeps nothing.
    """

    kind: ClassVar[str] = "encoder"


@dataclass(frozen=True, kw_only=True)
class HeadSpec(Spec):
    """What stands between memory and linear readout: ``factory(place, config)``, for a `memcell.HeadPlace`.

    It returns a `memcell.Cell` or a module, as an encoder does, or a `memcell.WindowHead`.

    Args:
        offline: It sees a window's end: it is a `memcell.WindowHead`, and cannot run live.
    """

    kind: ClassVar[str] = "head"

    offline: bool = False


@dataclass(frozen=True, kw_only=True)
class NormalizerSpec(Spec):
    """A normalizer of one site: ``factory(width, config) -> memcell.recurrent.Normalizer``.

    Args:
        reduces_batch: A lane's result depends on the other lanes (batch statistics).
        min_lanes: The fewest lanes that it can work with; 1 where lanes do not meet.
    """

    kind: ClassVar[str] = "normalizer"

    reduces_batch: bool = False
    min_lanes: int = 1


@dataclass(frozen=True, kw_only=True)
class SamplerSpec(Spec):
    """An order of windows: ``factory(config) -> memcell.sequences.Sampler``.

    Args:
        preserves_streams: Row i of batch k+1 continues row i of batch k wherever it can.
        covers_once: Every window appears exactly once an epoch.
        fixed_grid: Windows start at the same steps in every epoch.
        observes: Wants `Sampler.observe` called with losses after each update.
        observes_gradients: Wants each window's gradient of the readout with them.
    """

    kind: ClassVar[str] = "sampler"

    preserves_streams: bool = False
    covers_once: bool = True
    fixed_grid: bool = True
    observes: bool = False
    observes_gradients: bool = False


@dataclass(frozen=True, kw_only=True)
class StatePolicySpec(Spec):
    """What memory a batch starts from: ``factory(config) -> memcell.recurrent.StatePolicy``.

    Args:
        needs_streams: Row i of batch k+1 must continue row i of batch k.
        needs_fixed_grid: Windows must start at the same steps in every epoch.
        random_restarts: Lanes are restarted at random.
        uses_context: A window begins with what came before it in its sequence, so at inference memory
            is carried unless a person says otherwise. So it is where ``needs_streams``.
        borrows: A window begins with something made of states that *other* windows ended in, also those
            of other sequences. Such a state is a random start, not the lane's own memory: its age is 0.
    """

    kind: ClassVar[str] = "policy"

    needs_streams: bool = False
    needs_fixed_grid: bool = False
    random_restarts: bool = False
    uses_context: bool = False
    borrows: bool = False


@dataclass(frozen=True, kw_only=True)
class OptimizerSpec(Spec):
    """An optimizer: ``factory(parameters, learning_rate, config) -> torch.optim.Optimizer``."""

    kind: ClassVar[str] = "optimizer"


@dataclass(frozen=True, kw_only=True)
class GradientModeSpec(Spec):
    """A gradient mode: ``factory(time_steps, config) -> memcell.GradientMode``.

    It says how long windows are, where the next one begins, and how gradients flow inside one.

    Args:
        fixed_grid: Windows begin at the same steps in every epoch.
        takes_phase: A sampler may shift the grid of windows.
        carries: It assumes a memory that is carried from window to window.
    """

    kind: ClassVar[str] = "gradient"

    fixed_grid: bool = True
    takes_phase: bool = True
    carries: bool = False


@dataclass(frozen=True, kw_only=True)
class ProbeSpec(Spec):
    """A measurement that leaves training as it is: ``factory(context, size, config) -> memcell.Probe``.

    ``factory`` names the class itself, which is asked what a measurement costs before one is built.
    """

    kind: ClassVar[str] = "probe"


@dataclass(frozen=True, kw_only=True)
class FeatureExtractorSpec(Spec):
    """What makes features of a signal: ``factory(signal, config)`` returns what the data's library defines.

    The engine lists it and reads its options; what an extractor is given and returns is the contract of the
    library that uses it (for EEG, `memcell_eeg.features.windows.FeatureExtractor`).

    Args:
        checks: ``"module:attr"`` of that library's checks, each called with ``build(signal)``; for EEG
            ``"memcell_eeg.features.checking:CHECKS"``. Empty for none.
    """

    kind: ClassVar[str] = "feature_extractor"

    checks: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A data set: ``factory(config) -> memcell.applications.datasets.DataSet``.

    Args:
        simulated: Made by a program. Every output that stands on it says so.
        recognise: ``"module:function"`` taking a path and saying whether it holds this data set, so
            that ``--data PATH`` finds the loader; None where it cannot tell.
        fallback: Takes any path that no other data set recognises.
        checker: ``"module:factory"`` that builds a `memcell.applications.checking.Checker`: what ``memcell
            data check`` asks about the paths that this data set recognises (or takes as the fallback);
            None where the fallback's can look into its files as well.
        labels: ``"module:factory"`` that builds a `memcell.applications.labels.LabelTool`: what ``memcell
            labels`` and ``memcell review`` ask; None where another data set's knows its label files.
    """

    kind: ClassVar[str] = "dataset"

    simulated: bool = False
    recognise: str | None = None
    fallback: bool = False
    checker: str | None = None
    labels: str | None = None


@dataclass(frozen=True, kw_only=True)
class AppSpec(Spec):
    """An application: ``factory(config, dataset) -> memcell.applications.app.App``.

    Where the config has an option ``data`` (the name of a data set, or a path that one recognises) the
    engine builds that data set and hands it in; otherwise ``dataset`` is None, also where ``data`` is a
    `pathlib.Path`, which the app reads itself. Where it has a method
    ``engine_defaults`` that returns options by section (``{"network": {"skip": "linear"}}``), these are the
    app's defaults of the engine's options (`memcell.settings.run_config.engine_defaults`).

    Args:
        predict_config: ``"module:Dataclass"`` of the options that ``memcell predict`` has for this app, or
            None where it has none of its own.
        stream_config: Likewise of ``memcell stream``; None where the app cannot run live.
        late_imports: Modules that training, scoring and baselines import where they are reached, so that no
            other command waits for them; a comparison imports them once for all its workers.
    """

    kind: ClassVar[str] = "app"

    predict_config: str | None = None
    stream_config: str | None = None
    late_imports: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Spec):
    """A trained model that comes with a package: ``factory()`` returns the `pathlib.Path` of its models.

    The model is the folder of its own name in there: a run folder (``config.toml``, ``environment.json``,
    ``model.safetensors``) with a ``card.toml`` (`memcell.applications.models.ModelCard`). Its name stands
    wherever a run folder is for use.

    Args:
        app: The application that it is of.
    """

    kind: ClassVar[str] = "model"

    app: str


KINDS: tuple[type[Spec], ...] = (
    CellSpec,
    EncoderSpec,
    HeadSpec,
    NormalizerSpec,
    SamplerSpec,
    StatePolicySpec,
    OptimizerSpec,
    GradientModeSpec,
    ProbeSpec,
    FeatureExtractorSpec,
    DatasetSpec,
    AppSpec,
    ModelSpec,
)
