"""An ONNX graph held against torch on carried chunks, before anyone trusts it.

The same random sequence of several lanes is run by torch at once and by ONNX Runtime in chunks of
different lengths, the state handed from each to the next; outputs of every step and the state at every
chunk's end are compared. It is done from the network's start and from a state in which every tensor has
numbers of its own (two that were mixed up would not show in zeros), and from lanes of different ages.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memcell.errors import MemcellError
from memcell.inference.onnx.step import NetworkStep
from memcell.recurrent.policy import CarriedState
from memcell.recurrent.state import State, leaves, map_state
from memcell.sequences.targets import Values

#: Lengths of the chunks, a step alone among them.
CHUNKS = (1, 7, 2, 24, 13, 1)
LANES = 3
#: Largest difference that is believed to be rounding, in float32: times max(1, size of the number).
TOLERANCE = 1e-4

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was compared, and how far it lay apart.

    Args:
        steps: Steps a lane.
        chunks: How many chunks they came in.
        probability_error: Largest absolute difference of a probability; of a value in spreads.
        state_error: Largest difference of logits and state, over max(1, the number's size).
    """

    steps: int
    chunks: int
    probability_error: float
    state_error: float

    def __str__(self) -> str:
        return (
            f"ONNX Runtime against torch, memory carried over {self.chunks} chunks of {self.steps} steps: "
            f"predictions differ by at most {self.probability_error:.1e}, state by "
            f"{self.state_error:.1e}"
        )


def check(model: bytes, step: NetworkStep) -> Checked:
    """Compare a model with the network that it was made from.

    Args:
        model: The ONNX file.
        step: The step that it was made from.

    Raises:
        MemcellError: ONNX Runtime cannot run it, or gives other numbers than torch does.
    """
    session = _session(model)
    generator = torch.Generator().manual_seed(1)
    worst_p = worst_s = 0.0
    target = step.network.target
    output = target.output
    # a probability lies within 1; values are as large as their variation
    size_of_outputs = np.maximum(1, target.spread) if isinstance(target, Values) else 1.0
    for before in _beginnings(step, generator):
        x = torch.randn(sum(CHUNKS), LANES, step.n_features, generator=generator)
        x *= torch.tensor([0.5, 1.0, 4.0]).view(1, -1, 1)
        for ours, theirs in _compared(session, step, x, before):
            p = (np.abs(ours[output] - theirs[output]) / size_of_outputs).max()
            worst_p = max(worst_p, _number(p))
            for name in ours:
                size = np.maximum(1, np.abs(theirs[name].astype(np.float64)))
                apart = np.abs(ours[name].astype(np.float64) - theirs[name]) / size
                worst_s = max(worst_s, _number(apart.max(initial=0.0)))
    found = Checked(
        steps=sum(CHUNKS), chunks=len(CHUNKS), probability_error=worst_p, state_error=worst_s
    )
    if not max(worst_p, worst_s) <= TOLERANCE:
        raise MemcellError(
            f"the exported model gives other numbers than torch and was not written ({found}; allowed "
            f"{TOLERANCE:.0e}): an operation of the cell or the normalizer means something else in ONNX"
        )
    return found


def _number(value: Any) -> float:
    return float(value) if np.isfinite(value) else float("inf")


def _session(model: bytes) -> Any:
    # from 1.29 on it sends what it runs to its maker; the variable is read when it is imported
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class that is public
        reason = " ".join(str(error).split())[:400]
        raise MemcellError(f"ONNX Runtime cannot run the exported model: {reason}") from error


def _beginnings(step: NetworkStep, generator: torch.Generator) -> Iterator[CarriedState]:
    initial_state = step.network.initial_state(LANES)
    yield CarriedState(initial_state, torch.zeros(LANES, dtype=torch.int64))

    def moved(t: Tensor) -> Tensor:
        return t + 0.3 * torch.randn(t.shape, generator=generator, dtype=t.dtype)

    ages = torch.tensor([0, 40, 1000]) if step.aged else torch.zeros(LANES, dtype=torch.int64)
    yield CarriedState(map_state(moved, initial_state), ages)


@torch.no_grad()
def _compared(
    session: Any, step: NetworkStep, x: Tensor, before: CarriedState
) -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
    """Yield (ONNX's, torch's) outputs of each chunk by name."""
    network = step.network
    no = torch.zeros(x.shape[:2], dtype=torch.bool)
    ends = np.cumsum(CHUNKS).tolist()
    ran = network(x, before, network.initial_state(LANES), no, ~no, return_steps=ends)
    feeds = arrays(step, before.state, before.age)
    for length, end in zip(CHUNKS, ends, strict=True):
        chunk = slice(end - length, end)
        names = [o.name for o in session.get_outputs()]
        ours = dict(zip(names, session.run(None, {"x": x[chunk].numpy(), **feeds}), strict=True))
        feeds = {name: ours[f"next_{name}"] for name in feeds}
        kept = ran.states[end]
        logits = ran.logits[chunk]
        theirs = {
            network.target.output: network.target.predictions(logits).numpy(),
            "logits": logits.numpy(),
            **{f"next_{n}": a for n, a in arrays(step, kept.state, kept.age).items()},
        }
        yield ours, theirs


def arrays(step: NetworkStep, state: State, age: Tensor) -> dict[str, Array]:
    """Return memory as a session is fed with it."""
    found = {n: t.detach().numpy() for n, t in zip(step.names, leaves(state), strict=True)}
    return {**found, "age": age.numpy()} if step.aged else found
