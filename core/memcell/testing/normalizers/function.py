"""`Normalizer.normalize` as a function: shape, type, purity, gradient, and the degenerate input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from memcell.plugins.specs import NormalizerSpec
from memcell.recurrent.normalizer import Normalizer
from memcell.testing.failure import line_of, must_work, require
from memcell.testing.normalizers.made import (
    WIDTH,
    BuildNormalizer,
    all_valid,
    lanes_for,
    made,
    mixed_ages,
    run,
    same_ages,
    trained,
    values,
)
from memcell.testing.numbers import distance, seeded
from memcell.testing.purity import attributes_of, changed_attributes


def keeps_shape_and_dtype(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """``[B, W]`` in, ``[B, W]`` of the same type out, in training and at inference."""
    lanes = lanes_for(spec)
    for dtype in (torch.float32, torch.float64):
        for update_statistics in (True, False):
            z = values(lanes, dtype=dtype)
            change = "Reduce with keepdim=True, and make constants in the type of z."
            with must_work(
                f"normalize to take {dtype} (update_statistics={update_statistics})", change
            ):
                out = run(
                    made(build, dtype), z, same_ages(lanes), all_valid(lanes), update_statistics
                ).outputs
            require(
                out.shape == z.shape and out.dtype == dtype,
                expected=f"[B, W] = {[lanes, WIDTH]} of {dtype} out of normalize "
                f"(update_statistics={update_statistics})",
                did=f"it gave {list(out.shape[1:])} of {out.dtype}",
                change=change,
            )


def normalize_is_pure(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """`normalize` repeats itself, sets nothing, writes to no argument and draws no random numbers."""
    lanes = lanes_for(spec)
    for update_statistics in (True, False):
        norm = trained(build, lanes)
        window = norm.window(mixed_ages(lanes), all_valid(lanes), update_statistics)
        z, step_inputs = values(lanes)[0], tuple(i[0] for i in window.inputs)
        copies = [z.clone(), *(i.clone() for i in step_inputs)]
        before, random = attributes_of(norm), torch.get_rng_state()
        first, _ = norm.normalize(z, window.mode, step_inputs)
        second, _ = norm.normalize(z, window.mode, step_inputs)
        did = [f"changed {name}" for name in changed_attributes(before, attributes_of(norm))]
        if distance(first, second) > 0:
            did.append("gave something else the second time")
        if any(distance(a, b) > 0 for a, b in zip([z, *step_inputs], copies, strict=True)):
            did.append("wrote to its arguments")
        if not torch.equal(random, torch.get_rng_state()):
            did.append("drew random numbers")
        require(
            not did,
            expected=f"normalize to be pure (update_statistics={update_statistics})",
            did=f"it {' and '.join(did)}",
            change="Return a step's statistics, and update running ones by them in accumulate.",
        )


class _NormStep(nn.Module):
    """`normalize` of one step as a forward, for `torch.func.functional_call`."""

    def __init__(self, norm: Normalizer, mode: str, inputs: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.norm, self.mode, self.inputs = norm, mode, inputs

    def forward(self, z: Tensor) -> Tensor:
        return self.norm.normalize(z, self.mode, self.inputs)[0]


def normalize_reads_no_values(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """`normalize` runs on tensors without values (device ``meta``): it follows the device, never looks.

    What depends on values is decided in `window`, once a window, and handed on as mode and inputs.
    """
    lanes = lanes_for(spec)
    change = (
        "Use no .item() and no if over a tensor in normalize, and make constants on the device of z; "
        "choose between ways to work in window, by the mode."
    )
    for update_statistics in (True, False):
        norm = trained(build, lanes)
        window = norm.window(mixed_ages(lanes), all_valid(lanes), update_statistics)
        z, inputs = values(lanes)[0].to("meta"), tuple(i[0].to("meta") for i in window.inputs)
        expected = (
            "normalize to run on tensors without values "
            f"(update_statistics={update_statistics}, device 'meta')"
        )
        with must_work(expected, change):
            norm.to("meta").normalize(z, window.mode, inputs)


def gradients_are_right(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """The gradient agrees with finite differences, for z and every parameter."""
    lanes = lanes_for(spec)
    for update_statistics in (True, False):
        norm = trained(build, lanes)
        window = norm.window(mixed_ages(lanes), all_valid(lanes), update_statistics)
        names = [name for name, _ in norm.named_parameters()]
        step = _NormStep(norm, window.mode, tuple(i[1] for i in window.inputs))

        def function(
            z: Tensor, *parameters: Tensor, step: nn.Module = step, names: list[str] = names
        ) -> Tensor:
            chosen = {f"norm.{n}": p for n, p in zip(names, parameters, strict=True)}
            out: Tensor = torch.func.functional_call(step, chosen, (z,))
            return out

        given = [values(lanes)[1], *norm.parameters()]
        problem = ""
        with seeded():
            try:
                inputs = [t.detach().clone().requires_grad_() for t in given]
                torch.autograd.gradcheck(function, inputs, fast_mode=True)
            except Exception as error:  # gradcheck raises of many types, and so may the plugin
                problem = line_of(error)
        require(
            not problem,
            expected="the gradient of normalize to agree with finite differences "
            f"(update_statistics={update_statistics})",
            did=f"torch.autograd.gradcheck said: {problem}",
            change="Detach only what is returned for running statistics, not what is used.",
        )


def constant_input_is_finite(build: BuildNormalizer, spec: NormalizerSpec) -> None:
    """Zeros and constants, whose variance is 0, give finite numbers and gradients."""
    lanes = lanes_for(spec)
    for update_statistics in (True, False):
        for value in (0.0, 3.0):
            norm = made(build, torch.float32)
            z = torch.full_like(values(lanes, dtype=torch.float32), value).requires_grad_()
            out = run(norm, z, same_ages(lanes), all_valid(lanes), update_statistics).outputs
            (gradient,) = torch.autograd.grad(out.sum(), z)
            require(
                bool(out.isfinite().all() and gradient.isfinite().all()),
                expected=f"finite outputs and gradients where every z is {value:g}",
                did="there are inf or NaN among them",
                change="Add eps inside the root: rsqrt(variance + eps).",
            )
