"""The built-in plugins, registered like anyone's: through the entry-point group ``memcell``.

Specs only: this module imports no torch, numpy or scikit-learn. The parts are one idea a file in
`memcell_plugins.cells`, `.encoders`, `.heads`, `.normalizers`, `.samplers`, `.policies`, `.optimizers`,
`.gradient_modes` and `.probes`; the options of each kind are in its ``configs`` module.
"""

from __future__ import annotations

from memcell import (
    CellSpec,
    EncoderSpec,
    GradientModeSpec,
    HeadSpec,
    NormalizerSpec,
    OptimizerSpec,
    ProbeSpec,
    SamplerSpec,
    StatePolicySpec,
    hookimpl,
)
from memcell_plugins.cells.specs import CELLS

__all__ = [
    "memcell_cells",
    "memcell_encoders",
    "memcell_gradient_modes",
    "memcell_heads",
    "memcell_normalizers",
    "memcell_optimizers",
    "memcell_probes",
    "memcell_samplers",
    "memcell_state_policies",
]


@hookimpl
def memcell_cells() -> list[CellSpec]:
    """Recurrent cells."""
    return list(CELLS)


@hookimpl
def memcell_encoders() -> list[EncoderSpec]:
    """What stands before the memory."""
    return [
        EncoderSpec(
            name="none",
            factory="memcell.network.around:no_encoder",
            summary="The memory gets what the app's encoder gives.",
        ),
        EncoderSpec(
            name="conv",
            factory="memcell_plugins.encoders.conv:Conv",
            config="memcell_plugins.encoders.configs:ConvConfig",
            summary="A causal convolution over the last steps, carried on like memory.",
            reference="Sainath et al. 2015, ICASSP",
        ),
    ]


@hookimpl
def memcell_heads() -> list[HeadSpec]:
    """What stands between memory and linear readout."""
    return [
        HeadSpec(
            name="linear",
            factory="memcell.network.around:linear_head",
            summary="Nothing: the readout reads the memory.",
        ),
        HeadSpec(
            name="mlp",
            factory="memcell_plugins.heads.mlp:MLP",
            config="memcell_plugins.heads.configs:MLPConfig",
            summary="Hidden layers with ReLU, each step by itself.",
            reference="Pascanu et al. 2014, ICLR",
        ),
        HeadSpec(
            name="attention",
            factory="memcell_plugins.heads.attention:Attention",
            config="memcell_plugins.heads.configs:AttentionConfig",
            summary="Causal attention over what the memory said in the last steps, carried on like memory.",
            reference="Bahdanau et al. 2015, ICLR; Cheng et al. 2016, EMNLP",
        ),
        HeadSpec(
            name="encoder_decoder",
            factory="memcell_plugins.heads.encoder_decoder:Decoder",
            config="memcell_plugins.heads.configs:EncoderDecoderConfig",
            summary="A decoder that hears the memory and what it said itself at the step before.",
            reference="Cho et al. 2014, EMNLP",
        ),
        HeadSpec(
            name="bidirectional",
            factory="memcell_plugins.heads.bidirectional:Bidirectional",
            summary="A second memory that reads each window backwards; not for streams.",
            reference="Schuster & Paliwal 1997, IEEE Trans. Signal Processing 45",
            offline=True,
        ),
    ]


@hookimpl
def memcell_normalizers() -> list[NormalizerSpec]:
    """Normalizers of the sums inside a cell."""
    return [
        NormalizerSpec(
            name="none",
            factory="memcell_plugins.normalizers.none:NoNorm",
            summary="Leaves every sum as it is.",
        ),
        NormalizerSpec(
            name="batch",
            factory="memcell_plugins.normalizers.batch:BatchNorm",
            config="memcell_plugins.normalizers.configs:BatchConfig",
            summary="Batch statistics, separate for every age of the memory (BN-LSTM).",
            reference="Cooijmans et al. 2016, arXiv:1603.09025",
            reduces_batch=True,
            min_lanes=16,
        ),
        NormalizerSpec(
            name="batch_shared",
            factory="memcell_plugins.normalizers.batch_shared:SharedBatchNorm",
            config="memcell_plugins.normalizers.configs:BatchSharedConfig",
            summary="Batch statistics, one for all ages; here to show why 'batch' separates them.",
            reference="Laurent et al. 2016, arXiv:1510.01378",
            reduces_batch=True,
            min_lanes=16,
        ),
        NormalizerSpec(
            name="layer",
            factory="memcell_plugins.normalizers.layer:LayerNorm",
            config="memcell_plugins.normalizers.configs:LayerConfig",
            summary="Mean and variance over the units of a lane (LN-LSTM); lanes do not meet.",
            reference="Ba, Kiros & Hinton 2016, arXiv:1607.06450",
        ),
        NormalizerSpec(
            name="rms",
            factory="memcell_plugins.normalizers.rms:RMSNorm",
            config="memcell_plugins.normalizers.configs:RMSConfig",
            summary="Root mean square over the units of a lane, no centering.",
            reference="Zhang & Sennrich 2019, NeurIPS",
        ),
    ]


@hookimpl
def memcell_samplers() -> list[SamplerSpec]:
    """Orders of windows."""
    return [
        SamplerSpec(
            name="stream",
            factory="memcell_plugins.samplers.stream:Stream",
            config="memcell_plugins.samplers.configs:StreamConfig",
            summary="Each lane runs through recordings in their order: what carried memory needs.",
            preserves_streams=True,
        ),
        SamplerSpec(
            name="sequential",
            factory="memcell_plugins.samplers.sequential:Sequential",
            summary="Recording by recording, window by window, the same in every epoch.",
        ),
        SamplerSpec(
            name="shuffle_once",
            factory="memcell_plugins.samplers.shuffle_once:ShuffleOnce",
            summary="One random order, the same in every epoch.",
            reference="Safran & Shamir 2020, COLT",
        ),
        SamplerSpec(
            name="reshuffle",
            factory="memcell_plugins.samplers.reshuffle:Reshuffle",
            summary="A new random order in every epoch.",
            reference="Safran & Shamir 2020, COLT",
        ),
        SamplerSpec(
            name="with_replacement",
            factory="memcell_plugins.samplers.with_replacement:WithReplacement",
            summary="Every window drawn at random from all; some come twice, some not at all.",
            covers_once=False,
        ),
        SamplerSpec(
            name="grouped",
            factory="memcell_plugins.samplers.grouped:Grouped",
            config="memcell_plugins.samplers.configs:GroupedConfig",
            summary="One group after the other: by label, subject or k-means cluster.",
            reference="B. Badger, Training Memory",
        ),
        SamplerSpec(
            name="blocks",
            factory="memcell_plugins.samplers.blocks:Blocks",
            config="memcell_plugins.samplers.configs:BlocksConfig",
            summary="Blocks of k windows of one label, the labels taking turns.",
            reference="B. Badger, Training Memory",
        ),
        SamplerSpec(
            name="balanced",
            factory="memcell_plugins.samplers.balanced:Balanced",
            summary="Every class equally often, in random order.",
            covers_once=False,
        ),
        SamplerSpec(
            name="shuffle_buffer",
            factory="memcell_plugins.samplers.shuffle_buffer:ShuffleBuffer",
            config="memcell_plugins.samplers.configs:ShuffleBufferConfig",
            summary="The sequential order, shuffled through a buffer of n windows.",
        ),
        SamplerSpec(
            name="curriculum",
            factory="memcell_plugins.samplers.curriculum:Curriculum",
            config="memcell_plugins.samplers.configs:CurriculumConfig",
            summary="Easy windows first, the rest little by little.",
            reference="Bengio et al. 2009, ICML",
            covers_once=False,
            observes=True,
        ),
        SamplerSpec(
            name="grab",
            factory="memcell_plugins.samplers.grab:GraB",
            summary="An order in which the gradients seen so far balance each other.",
            reference="Lu, Guo & De Sa 2022, NeurIPS",
            observes=True,
            observes_gradients=True,
        ),
    ]


@hookimpl
def memcell_state_policies() -> list[StatePolicySpec]:
    """What memory a batch starts from."""
    return [
        StatePolicySpec(
            name="reset",
            factory="memcell_plugins.policies.reset:Reset",
            summary="Every batch starts without memory.",
        ),
        StatePolicySpec(
            name="learned",
            factory="memcell_plugins.policies.learned:Learned",
            summary="Every batch starts from a trained state.",
        ),
        StatePolicySpec(
            name="carry",
            factory="memcell_plugins.policies.carry:Carry",
            config="memcell_plugins.policies.configs:CarryConfig",
            summary="A lane goes on from its last state, as far as its recording goes on.",
            needs_streams=True,
        ),
        StatePolicySpec(
            name="carry_p",
            factory="memcell_plugins.policies.carry_p:CarryP",
            config="memcell_plugins.policies.configs:CarryPConfig",
            summary="As carry, but each lane forgets with probability p at each batch.",
            needs_streams=True,
            random_restarts=True,
        ),
        StatePolicySpec(
            name="decay",
            factory="memcell_plugins.policies.decay:Decay",
            config="memcell_plugins.policies.configs:DecayConfig",
            summary="As carry, with the state shrunk by a factor at each batch.",
            needs_streams=True,
        ),
        StatePolicySpec(
            name="noise",
            factory="memcell_plugins.policies.noise:Noise",
            config="memcell_plugins.policies.configs:NoiseConfig",
            summary="Every batch and every restart begins from normal noise.",
            reference="Cooijmans et al. 2016, arXiv:1603.09025",
        ),
        StatePolicySpec(
            name="fitted_noise",
            factory="memcell_plugins.policies.fitted_noise:FittedNoise",
            config="memcell_plugins.policies.configs:FittedNoiseConfig",
            summary="A window begins with a normal draw fitted to the run's final states.",
            borrows=True,
        ),
        StatePolicySpec(
            name="random_pass",
            factory="memcell_plugins.policies.random_pass:RandomPass",
            config="memcell_plugins.policies.configs:RandomPassConfig",
            summary="A window begins with the final state of some other window.",
            borrows=True,
        ),
        StatePolicySpec(
            name="stored",
            factory="memcell_plugins.policies.stored:Stored",
            summary="A window begins with the state last stored at its first step.",
            reference="Kapturowski et al. 2019, ICLR (R2D2)",
            needs_fixed_grid=True,
            uses_context=True,
        ),
        StatePolicySpec(
            name="burn_in",
            factory="memcell_plugins.policies.burn_in:BurnIn",
            config="memcell_plugins.policies.configs:BurnInConfig",
            summary="The steps before a window are run first, from an empty memory.",
            reference="Kapturowski et al. 2019, ICLR (R2D2)",
            uses_context=True,
        ),
        StatePolicySpec(
            name="stored_burn_in",
            factory="memcell_plugins.policies.stored_burn_in:StoredBurnIn",
            config="memcell_plugins.policies.configs:BurnInConfig",
            summary="The steps before a window are run first, from the state stored before them.",
            reference="Kapturowski et al. 2019, ICLR (R2D2)",
            needs_fixed_grid=True,
            uses_context=True,
        ),
        StatePolicySpec(
            name="refresh",
            factory="memcell_plugins.policies.refresh:Refresh",
            config="memcell_plugins.policies.configs:RefreshConfig",
            summary="As carry, with the last K windows run again under today's parameters.",
            needs_streams=True,
        ),
        StatePolicySpec(
            name="fixed_lens",
            factory="memcell_plugins.policies.fixed_lens:FixedLens",
            config="memcell_plugins.policies.configs:FixedLensConfig",
            summary="As carry, with start states of weights that are renewed every K epochs only.",
            needs_streams=True,
            needs_fixed_grid=True,
        ),
        StatePolicySpec(
            name="oracle",
            factory="memcell_plugins.policies.oracle:Oracle",
            summary="A window begins with what today's parameters make of all before it.",
            uses_context=True,
        ),
    ]


@hookimpl
def memcell_optimizers() -> list[OptimizerSpec]:
    """Optimizers."""
    return [
        OptimizerSpec(
            name="adam",
            factory="memcell_plugins.optimizers.torch_optimizers:adam",
            config="memcell_plugins.optimizers.configs:AdamConfig",
            summary="Adaptive moments.",
            reference="Kingma & Ba 2015, ICLR",
        ),
        OptimizerSpec(
            name="adamw",
            factory="memcell_plugins.optimizers.torch_optimizers:adamw",
            config="memcell_plugins.optimizers.configs:AdamWConfig",
            summary="Adam with decoupled weight decay.",
            reference="Loshchilov & Hutter 2019, ICLR",
        ),
        OptimizerSpec(
            name="sgd",
            factory="memcell_plugins.optimizers.torch_optimizers:sgd",
            config="memcell_plugins.optimizers.configs:SGDConfig",
            summary="Stochastic gradient descent, with momentum where wanted.",
            reference="Robbins & Monro 1951; Polyak 1964; Sutskever et al. 2013",
        ),
        OptimizerSpec(
            name="rmsprop",
            factory="memcell_plugins.optimizers.torch_optimizers:rmsprop",
            config="memcell_plugins.optimizers.configs:RMSpropConfig",
            summary="Gradient divided by its running root mean square.",
            reference="Tieleman & Hinton 2012, Coursera lecture 6e",
        ),
        OptimizerSpec(
            name="adadelta",
            factory="memcell_plugins.optimizers.torch_optimizers:adadelta",
            config="memcell_plugins.optimizers.configs:AdadeltaConfig",
            summary="Steps in the units of the parameters; the paper's learning rate is 1.",
            reference="Zeiler 2012, arXiv:1212.5701",
        ),
        OptimizerSpec(
            name="gated_memory",
            factory="memcell_plugins.optimizers.gated_memory:build",
            config="memcell_plugins.optimizers.configs:GatedMemoryConfig",
            summary="Each step mixed through a gate with where training stood one update earlier.",
            reference="B. Badger, Training Memory",
        ),
        OptimizerSpec(
            name="gated_lags",
            factory="memcell_plugins.optimizers.gated_lags:build",
            config="memcell_plugins.optimizers.configs:GatedLagsConfig",
            summary="Learned gates on the step and on the last two changes of the weights.",
            reference="B. Badger, Training Memory; Baydin et al. 2018, ICLR",
        ),
        OptimizerSpec(
            name="lookahead",
            factory="memcell_plugins.optimizers.lookahead:build",
            config="memcell_plugins.optimizers.configs:LookaheadConfig",
            summary="Slow weights that go part of the way after every k fast steps.",
            reference="Zhang et al. 2019, NeurIPS",
        ),
        OptimizerSpec(
            name="averaged",
            factory="memcell_plugins.optimizers.averaged:build",
            config="memcell_plugins.optimizers.configs:AveragedConfig",
            summary="Judges and keeps the mean of the weights over training.",
            reference="Polyak & Juditsky 1992, SIAM J. Control Optim. 30",
        ),
    ]


@hookimpl
def memcell_gradient_modes() -> list[GradientModeSpec]:
    """Gradient modes."""
    return [
        GradientModeSpec(
            name="window",
            factory="memcell.training.gradients.mode:GradientMode",
            summary="Plain windows that lie end to end: truncated BPTT with k1 = k2.",
            reference="Williams & Peng 1990, Neural Computation 2",
        ),
        GradientModeSpec(
            name="tbptt",
            factory="memcell_plugins.gradient_modes.tbptt:TBPTT",
            config="memcell_plugins.gradient_modes.configs:TBPTTConfig",
            summary="Windows that overlap: every counted step reaches back k2 - k1 steps at least.",
            reference="Williams & Peng 1990, Neural Computation 2",
            takes_phase=False,
        ),
        GradientModeSpec(
            name="random_length",
            factory="memcell_plugins.gradient_modes.random_length:RandomLength",
            config="memcell_plugins.gradient_modes.configs:RandomLengthConfig",
            summary="Windows of lengths that are drawn anew in every epoch.",
            reference="Merity, Keskar & Socher 2018, ICLR",
            fixed_grid=False,
        ),
        GradientModeSpec(
            name="artbp",
            factory="memcell_plugins.gradient_modes.artbp:ARTBP",
            summary="Truncation at random, with a gradient that is scaled up to be unbiased.",
            reference="Tallec & Ollivier 2017, arXiv:1705.08209",
            fixed_grid=False,
            carries=True,
        ),
    ]


@hookimpl
def memcell_probes() -> list[ProbeSpec]:
    """Measurements during training."""
    return [
        ProbeSpec(
            name="staleness",
            factory="memcell_plugins.probes.staleness:Staleness",
            config="memcell_plugins.probes.configs:StalenessConfig",
            summary="How far carried memory is from what today's parameters would have made, and its cost.",
        ),
        ProbeSpec(
            name="drift",
            factory="memcell_plugins.probes.drift:Drift",
            config="memcell_plugins.probes.configs:DriftConfig",
            summary="How far a window's start state moves from one epoch to the next.",
        ),
        ProbeSpec(
            name="order",
            factory="memcell_plugins.probes.order:Order",
            config="memcell_plugins.probes.configs:OrderConfig",
            summary="What the order of training leaves: recency, forgetting, anticipation, periodicity.",
        ),
        ProbeSpec(
            name="stuck",
            factory="memcell_plugins.probes.stuck:Stuck",
            config="memcell_plugins.probes.configs:StuckConfig",
            summary="Full-batch gradient against the start's, and the smallest eigenvalue of the Hessian.",
        ),
        ProbeSpec(
            name="gradient_flow",
            factory="memcell_plugins.probes.gradient_flow:GradientFlow",
            config="memcell_plugins.probes.configs:GradientFlowConfig",
            summary="Error against lag, with the factor a step and the product bound of the Jacobians.",
        ),
        ProbeSpec(
            name="cell_state",
            factory="memcell_plugins.probes.cell_state:CellState",
            config="memcell_plugins.probes.configs:CellStateConfig",
            summary="Directions and norms of the state, by age, and how saturated the gates are.",
        ),
    ]
