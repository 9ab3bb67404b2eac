"""Checks of an encoder or a head, in a network around a small memory.

Each takes ``build``, which is called as the plugin's factory without its options (an encoder's with the
number of inputs, a head's with a `memcell.HeadPlace`), and what its spec declares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from memcell.backends import Layer, RecurrentStack
from memcell.errors import MemcellError
from memcell.network.around import Chain, HeadPlace, WindowHead, width_of
from memcell.network.network import Network
from memcell.plugins.specs import EncoderSpec, HeadSpec
from memcell.recurrent.cell import Cell
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.start import ZeroStart
from memcell.testing.failure import line_of, must_work, require
from memcell.testing.numbers import EXACT, distance, noise, seeded, state_distance
from memcell.testing.trace_parts import TraceCell

BuildPart = Callable[..., nn.Module]
PartSpec = EncoderSpec | HeadSpec

FEATURES, WIDTH, HIDDEN, OUTPUTS = 3, 4, 5, 2
STEPS, LANES = 12, 3
#: Where memory is reset within a window: before this step, in the second lane.
RESET, RESET_LANE = 5, 1
_KEEP = "Keep what the next step needs in the state of a memcell.Cell, and nothing anywhere else."


def part_is_usable(build: BuildPart, spec: PartSpec) -> None:
    """It is a cell, a module of steps or a `WindowHead`, as wide as it says, and all of it is trained."""
    part = _made(build, spec)
    offline = isinstance(spec, HeadSpec) and spec.offline
    require(
        isinstance(part, WindowHead) == offline,
        expected="a memcell.WindowHead where the spec says offline=True, and only there",
        did=f"the factory returned a {type(part).__name__}, and the spec says offline={offline}",
        change="Derive from memcell.WindowHead and declare offline=True, or neither.",
    )
    network = _network(part, spec)
    with must_work(
        f"outputs [T, B, {width_of(part)}], as output_size says",
        "Return output_size numbers for each step and lane.",
    ):
        logits, _ = _run(network, _x())
    require(
        bool(torch.isfinite(logits).all()),
        expected="finite outputs of ordinary inputs",
        did="some are not",
        change="Initialize all parameters in the constructor.",
    )
    logits.square().sum().backward()
    idle = [
        name
        for name, weight in part.named_parameters()
        if weight.grad is None or not bool(weight.grad.abs().sum() > 0)
    ]
    require(
        not idle,
        expected="a gradient for every parameter",
        did=f"there is none for {', '.join(idle)}",
        change="Use it, or keep it as a buffer.",
    )


def window_may_be_cut_anywhere(build: BuildPart, spec: PartSpec) -> None:
    """A window in parts, down to single steps, gives the outputs and the state of the whole.

    A head that is declared offline is left out.
    """
    if isinstance(spec, HeadSpec) and spec.offline:
        return
    network = _network(_made(build, spec), spec)
    x, resets = _x(), _resets()
    whole, after = _run(network, x, resets=resets)
    for cuts in ([RESET], [1, STEPS - 2], list(range(1, STEPS))):
        edges = [0, *cuts, STEPS]
        parts, carried = [], _begin(network)
        for begin, end in pairwise(edges):
            out, carried = _run(network, x[begin:end], carried, resets[begin:end])
            parts.append(out)
        gap = max(distance(torch.cat(parts), whole), state_distance(carried.state, after.state))
        require(
            gap <= EXACT,
            expected="a window in parts to give what it gives as a whole",
            did=f"cut before steps {', '.join(map(str, cuts))} it differs by up to {gap:.3g}",
            change=_KEEP,
        )


def later_steps_change_nothing_before(build: BuildPart, spec: PartSpec) -> None:
    """Other inputs from a step on leave the outputs before it as they were, unless it is offline."""
    if isinstance(spec, HeadSpec) and spec.offline:
        return
    network = _network(_made(build, spec), spec)
    x = _x()
    gap = distance(_run(network, _other(x, RESET))[0][:RESET], _run(network, x)[0][:RESET])
    require(
        gap == 0.0,
        expected="outputs that know nothing of later steps",
        did=f"other inputs from step {RESET} on change those before by up to {gap:.3g}",
        change="Look back only; or derive from memcell.WindowHead and declare offline=True.",
    )


def reset_separates(build: BuildPart, spec: PartSpec) -> None:
    """Where memory is reset within a window, nothing of the other side is left, before or behind."""
    network = _network(_made(build, spec), spec)
    x, resets = _x(), _resets()
    lane = (slice(None), RESET_LANE)
    plain = _run(network, x, resets=resets)[0][lane]
    before = x.clone()
    before[:RESET] = _other(x, 0)[:RESET]
    for what, changed, kept in (
        ("before the reset changes outputs after it", before, slice(RESET, None)),
        ("after the reset changes outputs before it", _other(x, RESET), slice(0, RESET)),
    ):
        gap = distance(_run(network, changed, resets=resets)[0][lane][kept], plain[kept])
        require(
            gap == 0.0,
            expected="nothing to be handed over a reset of memory",
            did=f"what is given {what} by up to {gap:.3g}",
            change=f"{_KEEP} A WindowHead begins anew where masks.resets says so.",
        )


def padding_is_ignored(build: BuildPart, spec: PartSpec) -> None:
    """Steps that are padding change neither outputs of others nor the state."""
    network = _network(_made(build, spec), spec)
    x = _x()
    valid = torch.ones(STEPS, LANES, dtype=torch.bool)
    valid[RESET:, 0] = False
    plain, after = _run(network, x, valid=valid)
    other, changed = _run(network, _other(x, RESET), valid=valid)
    gap = max(
        distance(other[:RESET, 0], plain[:RESET, 0]),
        *(distance(a[0], b[0]) for a, b in zip(_parts(changed), _parts(after), strict=True)),
    )
    require(
        gap == 0.0,
        expected="padding to change nothing",
        did=f"other numbers in steps that are padding change a lane by up to {gap:.3g}",
        change=f"{_KEEP} A WindowHead leaves out the steps where masks.valid is False.",
    )


def lanes_are_apart(build: BuildPart, spec: PartSpec) -> None:
    """A lane's outputs depend on no other lane."""
    network = _network(_made(build, spec), spec)
    x = _x()
    other = x.clone()
    other[:, 1:] += 1.0
    gap = distance(_run(network, other)[0][:, 0], _run(network, x)[0][:, 0])
    require(
        gap <= EXACT,
        expected="each lane to be treated by itself",
        did=f"other inputs in other lanes change one by up to {gap:.3g}",
        change="Take no mean or sum over the dimension of the lanes.",
    )


def chosen_backend_gives_the_same(build: BuildPart, spec: PartSpec) -> None:
    """The backend that ``--backend auto`` takes gives the eager loop's numbers and gradients."""
    part = _made(build, spec)
    if not isinstance(part, Cell):
        return
    found = []
    for backend in ("eager", "auto"):
        network = _network(_made(build, spec), spec, backend)
        logits, after = _run(network, _x(), resets=_resets())
        logits.square().sum().backward()
        grads = [w.grad for w in network.parameters() if w.grad is not None]
        found.append([logits, *_parts(after), *grads])
    gap = max(
        distance(a, b) / max(1.0, float(a.detach().abs().max()))
        for a, b in zip(*found, strict=True)
    )
    require(
        gap <= 1e-9,
        expected="the chosen backend to equal the eager loop",
        did=f"they differ by up to {gap:.3g} of a tensor's largest number",
        change="Make step a function of its arguments and the parameters; till then use --backend eager.",
    )


def _made(build: BuildPart, spec: PartSpec) -> nn.Module:
    place: int | HeadPlace = WIDTH
    if isinstance(spec, HeadSpec):
        place = HeadPlace(
            width=HIDDEN, input_width=WIDTH, n_outputs=OUTPUTS, cell=_cell, backend="eager"
        )
    with seeded():
        part = build(place)
        require(
            isinstance(part, nn.Module),
            expected="a memcell.Cell or a torch.nn.Module",
            did=f"the factory returned a {type(part).__name__}",
            change="Name the class as factory.",
        )
        try:
            width_of(part)
        except MemcellError as error:
            require(
                False,
                expected="an attribute output_size, the width of what it returns",
                did=line_of(error),
                change="Set self.output_size in the constructor.",
            )
        return part.double()


def _cell(width: int) -> Cell:
    return TraceCell(width, HIDDEN)


def _network(part: nn.Module, spec: PartSpec, backend: str = "eager") -> Network:
    """Return a network of the part and a layer of memory, the memory's weights always the same."""
    below = isinstance(spec, EncoderSpec)
    layer = isinstance(part, Cell)
    with seeded():
        memory = Layer(_cell(width_of(part) if below else WIDTH), None, "eager")
        layers = [memory]
        encoder: nn.Module = Chain(_Encoder())
        if isinstance(part, Cell):
            layers.insert(0 if below else 1, Layer(part, None, backend))
        elif below:
            encoder = Chain(encoder, part)
        stack = RecurrentStack(layers)
        head = None if below or layer else part
        start = ZeroStart(stack.initial_state(1))
        network = Network(encoder, stack, OUTPUTS, start, head=head)
    return network.double().train()


class _Encoder(nn.Linear):
    output_size = WIDTH

    def __init__(self) -> None:
        super().__init__(FEATURES, WIDTH)


def _x() -> Tensor:
    return noise(STEPS, LANES, FEATURES, seed=5)


def _other(x: Tensor, first: int) -> Tensor:
    """Return inputs that are others from a step on."""
    other = x.clone()
    other[first:] += noise(*other[first:].shape, seed=6)
    return other


def _resets() -> Tensor:
    resets = torch.zeros(STEPS, LANES, dtype=torch.bool)
    resets[RESET, RESET_LANE] = True
    return resets


def _begin(network: Network) -> CarriedState:
    return CarriedState(network.initial_state(LANES), torch.zeros(LANES, dtype=torch.int64))


def _run(
    network: Network,
    x: Tensor,
    carried: CarriedState | None = None,
    resets: Tensor | None = None,
    valid: Tensor | None = None,
) -> tuple[Tensor, CarriedState]:
    resets = torch.zeros(x.shape[:2], dtype=torch.bool) if resets is None else resets
    valid = torch.ones_like(resets) if valid is None else valid
    before = _begin(network) if carried is None else carried
    steps = len(x)
    out = network(x, before, network.initial_state(LANES), resets, valid, return_steps=(steps,))
    return out.logits, out.states[steps]


def _parts(carried: CarriedState) -> Sequence[Tensor]:
    return [part for layer in carried.state for part in layer]


NETWORK_PART_CHECKS: tuple[Callable[[BuildPart, PartSpec], None], ...] = (
    part_is_usable,
    lanes_are_apart,
    window_may_be_cut_anywhere,
    later_steps_change_nothing_before,
    reset_separates,
    padding_is_ignored,
    chosen_backend_gives_the_same,
)
ENCODER_CHECKS = HEAD_CHECKS = NETWORK_PART_CHECKS
