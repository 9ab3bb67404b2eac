"""One cell through generated C and through the eager loop: every number that a window gives."""

from __future__ import annotations

import copy
import linecache
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from memcell.backends import StepMasks
from memcell.backends.agreement import both_of
from memcell.backends.eager import unroll_eager
from memcell.plugins import default_registry
from memcell.recurrent.cell import Cell
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.refusals import Unsupported
from memcell.recurrent.state import leaves, map_state
from memcell.recurrent.window_call import WindowCall
from memcell.testing.numbers import noise
from memcell.training.gradients.flow import FlowScaled
from memcell_compiler.runtime.pool import poisoned
from memcell_compiler.runtime.unroll import unroll_native
from memcell_compiler.verify import Unverified

if TYPE_CHECKING:
    from memcell.testing.random_cells.drawing import RandomCell

#: Of the largest number of a tensor: generated code adds up in another order.
LIMIT = 1e-9
#: Relative changes of what is given, of the order of rounding. Several: a cell that compares two numbers
#: which are equal but for rounding (``s >= s - s.mean(0)`` of mean 0) may decide alike after one of them.
NUDGES = (1e-13, -1e-13, 3e-13, -7e-13)
#: A tensor that is tiny beside the largest is judged by that.
_FLOOR = 1e-5
#: What unwritten memory holds, first and second time.
POISONS = (float("nan"), 1e9)

Numbers = dict[str, Tensor | None]


@dataclass(frozen=True)
class Case:
    """A window.

    Args:
        steps: T.
        lanes: B.
        resets: Some lanes are reset within it, and the ages at its beginning differ.
        padding: Some lanes end before it does.
        threads: Of generated code.
        update_statistics: Normalizers accumulate statistics, as in training.
        input_gradient: x needs a gradient.
        frozen: The first parameter needs none.
        seed: Of its numbers.
    """

    steps: int = 6
    lanes: int = 5
    resets: bool = False
    padding: bool = False
    threads: int = 1
    update_statistics: bool = True
    input_gradient: bool = True
    frozen: bool = False
    seed: int = 0

    def masks(self) -> StepMasks:
        """Return its step masks."""
        g = torch.Generator().manual_seed(self.seed)
        resets = torch.rand(self.steps, self.lanes, generator=g) < 0.2
        valid = torch.ones(self.steps, self.lanes, dtype=torch.bool)
        age = torch.zeros(self.lanes, dtype=torch.int64)
        if self.padding:
            valid[self.steps // 2 :, self.lanes // 2] = False
            valid[self.steps // 3 :, self.lanes - 1] = False
        if self.resets:
            age = torch.arange(self.lanes) % 5
        return StepMasks.of(resets & self.resets, valid, age)


@dataclass(frozen=True)
class TrialOutcome:
    """How a cell fared.

    Args:
        kind: ``"equal"``, ``"refused"``, ``"not finite"`` (by the eager loop), ``"unstable"`` (the eager loop
            itself changes as much when its input changes in the last digit), ``"differs"``, ``"raised"``.
        message: The reason, or what differs.
    """

    kind: str
    message: str = ""

    @property
    def wrong(self) -> bool:
        """Whether generated code is at fault."""
        return self.kind in ("differs", "raised")


def tried(drawn: RandomCell) -> TrialOutcome:
    """Make a drawn cell from its source and compare it."""
    source = drawn.source()
    name = f"<random cell {drawn.seed}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    module: dict[str, Any] = {"__name__": "random_cell"}
    exec(compile(source, name, "exec"), module)
    return compare(module["RandomCell"](), drawn.normalizer, drawn.flow, drawn.cases)


def compare(cell: Cell, normalizer: str, flow: float, cases: Sequence[Case]) -> TrialOutcome:
    """Compare generated C with the eager loop, in float64.

    Each window is run twice on buffers that hold something else before they are written, and must give the
    same bits.

    Args:
        cell: The cell, in float64.
        normalizer: Name of the normalizer of its sites.
        flow: What the gradient between steps is multiplied by.
        cases: Windows.
    """
    norms = _norms(cell, normalizer)
    cell = cell if flow == 1 else FlowScaled(cell, flow)
    for case in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = _compared(cell, norms, case)
        if outcome.kind != "equal":
            return outcome
    return TrialOutcome("equal")


def _norms(cell: Cell, normalizer: str) -> SiteNorms:
    if normalizer == "none":
        return SiteNorms(cell.norm_sites, None)
    entry = default_registry().get("normalizer", normalizer)
    config = entry.config({"min_lanes": 2} if "batch" in normalizer else {})
    norms = SiteNorms(cell.norm_sites, lambda width: entry.build(width, config)).double()
    for i, p in enumerate(norms.parameters()):
        with torch.no_grad():
            p.copy_(0.5 + 0.2 * noise(*p.shape, seed=i))
    return norms


def _compared(cell: Cell, norms: SiteNorms, case: Case) -> TrialOutcome:
    for i, parameter in enumerate(cell.parameters()):
        parameter.requires_grad_(not (case.frozen and i == 0))
    expected = numbers(unroll_eager, cell, norms, case)
    size = max((_size(t) for t in expected.values() if t is not None), default=0.0)
    if not size < 1e12:
        return TrialOutcome("not finite")
    threads = torch.get_num_threads()
    torch.set_num_threads(case.threads)
    found: list[Numbers] = []
    try:
        for value in POISONS:
            with poisoned(value):
                found.append(numbers(unroll_native, cell, norms, case))
                found[-1].update(_inference(unroll_native, cell, norms, case))
    except Unverified as fault:
        return TrialOutcome("raised", f"{fault} ({case})")
    except Unsupported as reason:
        return TrialOutcome("refused", str(reason))
    except Exception as error:
        return TrialOutcome("raised", f"{type(error).__name__}: {error} ({case})")
    finally:
        torch.set_num_threads(threads)
    expected.update(_inference(unroll_eager, cell, norms, case))
    for name, first in found[0].items():
        if not _same(first, found[1][name]):
            return TrialOutcome("differs", f"{name} depends on what was in memory before ({case})")
    name, gap = worst(expected, found[0])
    if gap <= LIMIT:
        return TrialOutcome("equal")
    for nudge in NUDGES:
        nudged = numbers(unroll_eager, cell, norms, case, 1 + nudge)
        nudged.update(_inference(unroll_eager, cell, norms, case, 1 + nudge))
        if worst(expected, nudged)[1] > gap / 100:
            return TrialOutcome("unstable", f"{name} differs by {gap:.1e}")
    if _within_rounding(expected, found[0], cell, norms, case):
        return TrialOutcome("unstable", f"{name} differs by {gap:.1e}")
    return TrialOutcome("differs", f"{name} differs by {gap:.1e} ({case})")


def _within_rounding(
    expected: Numbers, found: Numbers, cell: Cell, norms: SiteNorms, case: Case
) -> bool:
    """Whether no number differs by more than some roundings of the eager loop's own terms.

    What cancels whatever is given (the gradient through a softmax over equal numbers) is rounding alone, of
    terms whose size no change of what is given shows. The eager loop in single precision does: it errs by
    2^29 times as much.
    """
    # cells may hold float64 numbers of their own, and then cannot be run in float32
    try:
        single = numbers(
            unroll_eager,
            copy.deepcopy(cell).float(),
            copy.deepcopy(norms).float(),
            case,
            single=True,
        )
    except RuntimeError:
        return False
    for name, given in expected.items():
        pair, coarse = both_of(given, found.get(name)), both_of(given, single.get(name))
        if pair is None or coarse is None or name not in single:
            continue
        gap, error = _size(pair[0] - pair[1]), _size(coarse[0] - coarse[1].double())
        if gap > LIMIT * _size(pair[0]) and not gap <= 16 * error * 2.0**-29:
            return False
    return True


def numbers(
    unroll: Callable[..., Any],
    cell: Cell,
    norms: SiteNorms,
    case: Case,
    scale: float = 1.0,
    single: bool = False,
) -> Numbers:
    """Return every number that a window gives: outputs, states, gradients, statistics.

    Args:
        unroll: Runs the window.
        cell: The cell.
        norms: Its normalizers.
        case: The window.
        scale: Of what is given.
        single: What is given is of float32, as the cell then is.
    """
    saved = copy.deepcopy(norms.state_dict())
    cell.zero_grad()
    norms.zero_grad()
    x, state, initial_state = _given(cell, case, scale)
    if single:
        x = x.float()
        state, initial_state = (map_state(torch.Tensor.float, s) for s in (state, initial_state))
    for tensor in (*leaves(state), *leaves(initial_state)):
        tensor.requires_grad_()
    x.requires_grad_(case.input_gradient)
    return_steps = sorted({max(1, case.steps // 2), case.steps})
    out, states = unroll(
        WindowCall(
            cell, norms, x, state, initial_state, case.masks(), return_steps, case.update_statistics
        )
    )
    parts = {"output": out}
    for k, kept in states.items():
        parts.update({f"state {k}.{i}": part for i, part in enumerate(leaves(kept))})
    losses = [
        (part * noise(*part.shape, seed=50 + i)).sum() + part.square().sum() / 3
        for i, part in enumerate(parts.values())
        if part.requires_grad
    ]
    if losses:
        torch.autograd.backward(torch.stack(losses).sum())
    found: Numbers = {name: part.detach() for name, part in parts.items()}
    found["d input"] = x.grad
    found.update({f"d state {i}": t.grad for i, t in enumerate(leaves(state))})
    found.update({f"d initial state {i}": t.grad for i, t in enumerate(leaves(initial_state))})
    for owner in (cell, norms):
        grads = ((n, p.grad) for n, p in owner.named_parameters())
        found.update({f"d {n}": None if g is None else g.clone() for n, g in grads})
    found.update({n: b.double().clone() for n, b in norms.named_buffers()})
    norms.load_state_dict(saved)  # folding has changed it; the next run begins from the same
    return found


def _inference(
    unroll: Callable[..., Any], cell: Cell, norms: SiteNorms, case: Case, scale: float = 1.0
) -> Numbers:
    x, state, initial_state = _given(cell, case, scale)
    with torch.no_grad():
        out, states = unroll(
            WindowCall(cell, norms, x, state, initial_state, case.masks(), (case.steps,), False)
        )
    found: Numbers = {"output at inference": out}
    last = leaves(states[case.steps])
    found.update({f"state {i} at inference": part for i, part in enumerate(last)})
    return found


def _given(cell: Cell, case: Case, scale: float) -> tuple[Tensor, Any, Any]:
    x = noise(case.steps, case.lanes, cell.input_size, seed=case.seed) * scale
    zero: Any = cell.initial_state(case.lanes, dtype=torch.float64)
    state, initial_state = (
        type(zero)(
            *(0.5 * scale * noise(*t.shape, seed=case.seed + i + j) for j, t in enumerate(zero))
        )
        for i in (10, 20)
    )
    return x, state, initial_state


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and torch.equal(a.view(torch.int64), b.view(torch.int64))


def _size(tensor: Tensor) -> float:
    return float(tensor.abs().max()) if tensor.numel() else 0.0


def worst(expected: Numbers, got: Numbers) -> tuple[str, float]:
    """Return what differs most and by how much of its largest number; a missing gradient is one of zeros."""
    # what is given is of size 1, so where all that comes of it cancels, its rounding is what may differ
    largest = max((_size(t) for t in expected.values() if t is not None), default=0.0)
    largest = max(largest, 1.0)
    found = ("output", 0.0)
    for name, given in expected.items():
        pair = both_of(given, got.get(name))
        if pair is None:
            continue
        a, b = pair
        gap = _size(a - b) if a.shape == b.shape else float("inf")
        error = gap / max(_size(a), _FLOOR * largest, 1e-300)
        if not error <= found[1]:
            found = (name, error if error == error else float("inf"))
    return found
