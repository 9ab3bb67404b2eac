"""A step as ONNX: torch's exporter writes one step, and a ``Scan`` around it is the time loop.

torch's exporter fixes the length of time where a loop or a recurrent layer is traced. One step has no
time, and ONNX's ``Scan`` runs its body over the first dimension of ``x`` whatever its length, handing the
state from step to step (https://onnx.ai/onnx/operators/onnx__Scan.html). The number of lanes stays free
as well: it is traced as a dimension, not as a number.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import torch
from torch.export import Dim

from memcell.errors import MemcellError
from memcell.inference.onnx.step import NetworkStep
from memcell.sequences.targets import Classes, MultiLabel, TargetKind, Values

#: Lanes that a step is traced with: unlike any usual size, so that none is taken for the batch.
LANES = 23
#: Version of ONNX's operators; runtimes since 2023 know it.
OPSET = 18
#: Before each name inside the loop.
_INSIDE = "step."


def scan_model(step: NetworkStep) -> Any:
    """Return the ``onnx.ModelProto`` of a network over time.

    Inputs: ``x [T, B, F]``, each tensor of the state under its name of `NetworkStep.names` ``[B, …]``, and
    ``age [B]`` int64 where the network wants it. Outputs: ``probability`` (``value``, where the
    targets are values) and ``logits [T, B, C]``, and the state after the last step under ``next_`` and its
    name.

    Raises:
        MemcellError: The network has an operation that ONNX or the exporter does not know; names it.
    """
    import onnx
    from onnx import TensorProto, helper

    traced = _one_step(step)
    body = traced.graph
    memory = [*step.names, *(["age"] if step.aged else [])]
    given, results = len(memory) + 1, len(memory) + 1
    if len(body.input) != given or len(body.output) != results:
        raise MemcellError(
            f"cannot export to ONNX: torch's exporter gave a step with {len(body.input)} inputs and "
            f"{len(body.output)} outputs, expected {given} and {results}"
        )
    onnx.compose.add_prefix_graph(body, _INSIDE, inplace=True)
    for value in body.output:
        # of its own: one tensor may be two outputs (what a cell puts out and what it remembers)
        body.node.append(helper.make_node("Identity", [value.name], [f"{value.name}.out"]))
        value.name = f"{value.name}.out"
    after = [f"next_{name}" for name in memory]
    nodes = [
        helper.make_node(
            "Scan", [*memory, "x"], [*after, "logits"], "time", body=body, num_scan_inputs=1
        ),
        *_predictions(step.network.target),
    ]

    def described(name: str, like: Any, leading: tuple[str, ...]) -> Any:
        sizes = [d.dim_value for d in like.type.tensor_type.shape.dim[1:]]
        return helper.make_tensor_value_info(
            name, like.type.tensor_type.elem_type, [*leading, *sizes]
        )

    inputs = [described("x", body.input[-1], ("T", "B"))]
    inputs += [described(n, v, ("B",)) for n, v in zip(memory, body.input[:-1], strict=True)]
    shape: list[str | int | None] = ["T", "B", step.network.readout.out_features]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name in (step.network.target.output, "logits")
    ]
    outputs += [described(n, v, ("B",)) for n, v in zip(after, body.input[:-1], strict=True)]
    graph = helper.make_graph(nodes, "memcell", inputs, outputs, _constants(step.network.target))
    model = helper.make_model(
        graph,
        opset_imports=traced.opset_import,
        functions=traced.functions,
        producer_name="memcell",
    )
    model.ir_version = min(model.ir_version, traced.ir_version)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise MemcellError(f"cannot export to ONNX: {_line(error)}") from error
    return model


def _predictions(target: TargetKind) -> list[Any]:
    """Return the nodes from ``logits`` to what they become."""
    from onnx import helper

    if isinstance(target, Classes):
        return [helper.make_node("Softmax", ["logits"], ["probability"], "softmax", axis=-1)]
    if isinstance(target, MultiLabel):
        return [helper.make_node("Sigmoid", ["logits"], ["probability"], "sigmoid")]
    if isinstance(target, Values):
        found = "target.found" if target.limits else "value"
        clip = ["target.found", "target.low", "target.high"]
        return [
            helper.make_node("Mul", ["logits", "target.spread"], ["target.scaled"], "spread"),
            helper.make_node("Add", ["target.scaled", "target.centre"], [found], "centre"),
            *([helper.make_node("Clip", clip, ["value"], "limits")] if target.limits else []),
        ]
    raise MemcellError(f"cannot export to ONNX: targets of kind '{target.kind}' have no operators")


def _constants(target: TargetKind) -> list[Any]:
    """Return the numbers that the nodes of `_predictions` need."""
    from onnx import TensorProto, helper

    if not isinstance(target, Values):
        return []
    return [
        helper.make_tensor(f"target.{name}", TensorProto.FLOAT, [len(numbers)], numbers)
        for name, numbers in (("spread", target.spread), ("centre", target.centre))
    ] + [
        helper.make_tensor(f"target.{name}", TensorProto.FLOAT, [], [number])
        for name, number in zip(("low", "high"), target.limits, strict=False)
    ]


def _one_step(step: NetworkStep) -> Any:
    batch = Dim("batch")
    examples = step.examples(LANES)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                step,
                examples,
                dynamo=True,
                dynamic_shapes={"tensors": tuple({0: batch} for _ in examples)},
                opset_version=OPSET,
                verbose=False,
            )
    except MemcellError:
        raise
    except Exception as error:
        raise MemcellError(f"cannot export to ONNX: {_reason(error)}") from error
    assert program is not None
    return program.model_proto


def _reason(error: BaseException) -> str:
    """Return what could not be exported, from the error in the chain that says it best."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__
    lines = [(e, line) for e in chain for line in str(e).splitlines()]
    for found, line in lines:
        if "No ONNX function found" in line:
            # the whole says which step of the exporter failed, this line which operation
            return f"{type(found).__name__}: {' '.join(line.split())[:300]}"
    if any("data-dependent" in line for _, line in lines):
        return "a step reads a number out of a tensor, so what it does is not one graph"
    return _line(chain[-1])


def _line(error: BaseException) -> str:
    """Return the first line of an error, with its kind."""
    lines = str(error).strip().splitlines() or ["no reason given"]
    return f"{type(error).__name__}: {' '.join(lines[0].split())[:300]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's talk (packages it lacks, graphs it gave up on) to itself for a while."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
