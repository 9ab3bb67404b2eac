"""One recurrent layer: a cell, its normalizers, and the backends that it asks to run a window."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import TypeGuard

import torch
from torch import Tensor, nn

from memcell.backends import choose
from memcell.backends.agreement import ComparedWindow
from memcell.backends.backend import Backend, GivesGradient
from memcell.backends.choose import EAGER
from memcell.backends.first_window import FirstWindow
from memcell.backends.operator import numbered, run_window
from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import Normalizer
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.reference import transforming
from memcell.recurrent.refusals import Unsupported, UnsupportedWindow
from memcell.recurrent.state import State
from memcell.recurrent.step_masks import StepMasks
from memcell.recurrent.window_call import LAST, WindowCall, WindowGradient, WindowOutput
from memcell_compiler.runtime.products import in_own_precision


class Layer(nn.Module):
    """One recurrent layer.

    Args:
        cell: The cell.
        normalizer: Makes the normalizer of a site of a given width, or None.
        backend: ``"auto"``, or the name of a backend (`memcell.backends.choose.CHOICES`). What cannot run as
            asked runs on the eager loop, and a `BackendWarning` says why, once.
    """

    def __init__(
        self, cell: Cell, normalizer: Callable[[int], Normalizer] | None, backend: str = "auto"
    ) -> None:
        super().__init__()
        self.cell = cell
        self.norms = SiteNorms(cell.norm_sites, normalizer)
        self.backend = backend
        #: What stands for it in compiled code.
        self.number = numbered(self)
        self._refused: set[str] = set()
        #: What a person was told of where it runs; a reason that stands there is not warned of again.
        self.announced = ""
        #: Why it runs on the eager loop whatever was asked for, streams included; empty where it need not.
        self.eager_because = ""
        #: Looks at the first window that is trained on; None where nobody has to.
        self.first_window: FirstWindow | None = None

    @property
    def runs(self) -> str:
        """Which backend it runs on where its weights are, and why not on a faster one, in words."""
        if self.eager_because:
            return f"{EAGER.phrase} ({self.eager_because})"
        device = next((p.device.type for p in self.cell.parameters()), "cpu")
        return choose.described(self.backend, device, self.cell, self.norms)

    def forward(
        self,
        x: Tensor,
        state: State,
        initial_state: State,
        masks: StepMasks,
        return_steps: Collection[int],
        update_statistics: bool,
        generator: torch.Generator | None = None,
    ) -> WindowOutput:
        """Run a window; see `WindowCall` for the arguments.

        Under `torch.compile` a window is one operation (`memcell.backends.operator`), under `torch.export`
        the loop over its steps, which holds without this package.
        """
        compiling = torch.compiler.is_compiling()
        if compiling:
            masks = StepMasks.unspecialized(masks.resets, masks.valid, masks.ages)
        drawing = generator if generator is not None and self.cell.draws else None
        call = WindowCall(
            self.cell,
            self.norms,
            x,
            state,
            initial_state,
            masks,
            return_steps,
            update_statistics,
            drawing,
        )
        if compiling:
            return self._compiled(call)
        mask_state = None if drawing is None else drawing.get_state()
        # no steps, no lanes, or transformed or recorded by torch: this window only, and nothing to warn of
        plain = 0 in x.shape or transforming() or torch._C._get_tracing_state() is not None
        choice = "eager" if plain or self.eager_because else self.backend
        reasons: list[tuple[Backend, str]] = []
        for backend in choose.candidates(choice, x.device.type):
            if backend.name in self._refused:
                continue
            unchecked = self.first_window is not None and self._to_check(backend, x)
            if unchecked and not self._agrees(backend, call, mask_state):
                return self.forward(
                    x, state, initial_state, masks, return_steps, update_statistics, generator
                )
            if drawing is not None and mask_state is not None:
                drawing.set_state(mask_state)  # all draw the same, whatever was tried before
            try:
                result = backend.run(call)
            except Unsupported as reason:
                if not isinstance(reason, UnsupportedWindow):
                    self._refused.add(backend.name)
                if backend.tells:
                    reasons.append((backend, str(reason)))
                continue
            for refused, why in reasons:
                if why not in self.announced:
                    choose.warn(self.cell, refused, why, backend)
            if backend is choose.NATIVE:
                choose.warn_of_float32(self.cell, self.announced)
            return result
        raise AssertionError("the eager loop runs anything")

    def run_with_gradient(
        self,
        x: Tensor,
        state: State,
        initial_state: State,
        masks: StepMasks,
        return_steps: Collection[int],
        update_statistics: bool,
    ) -> tuple[WindowOutput, WindowGradient] | None:
        """Run a window of training and return its gradient as a function, without autograd.

        Returns:
            None where only `forward` can: nothing has happened then.
        """
        if self.eager_because or self.cell.draws:
            return None
        for backend in choose.candidates(self.backend, x.device.type):
            if backend.name in self._refused:
                continue
            runs = backend
            if not _gives_gradient(runs):
                return None
            call = WindowCall(
                self.cell,
                self.norms,
                x,
                state,
                initial_state,
                masks,
                return_steps,
                update_statistics,
                None,
            )
            if self.first_window is not None:
                with torch.enable_grad():
                    agrees = not self._to_check(backend, x) or self._agrees(backend, call, None)
                if not agrees:
                    return None
            try:
                return runs.run_with_gradient(call)
            except Unsupported:
                return None
        return None

    def _compiled(self, call: WindowCall) -> WindowOutput:
        """Run a window within `torch.compile` or `torch.export`."""
        accumulates = call.update_statistics and self.norms.tells_training
        plain = torch.compiler.is_exporting() or 0 in call.x.shape[:2]
        if not (plain or accumulates or self.cell.draws):
            return run_window(self, call)
        steps = call.x.shape[0]
        numbers = {step: steps if step == LAST else step for step in call.return_steps}
        output, states = EAGER.run(
            call._replace(masks=call.masks.of_each_step(), return_steps=tuple(numbers.values()))
        )
        return WindowOutput(output, {step: states[n] for step, n in numbers.items()})

    def _to_check(self, backend: Backend, x: Tensor) -> bool:
        return backend is not EAGER and x.is_cpu and torch.is_grad_enabled()

    def _agrees(self, backend: Backend, call: WindowCall, mask_state: Tensor | None) -> bool:
        """Check the first window, and run eagerly where it differs."""
        check, self.first_window = self.first_window, None
        assert check is not None
        # in full precision: what rounds to bfloat16 tells a slip in code from nothing
        call = in_own_precision(call)._replace(return_steps=tuple(sorted(set(call.return_steps))))
        window = ComparedWindow(call, True, mask_state, call.x.requires_grad)
        with torch.autocast("cpu", enabled=False):
            agrees = check.agrees(backend, self, window)
        if agrees:
            return True
        self.eager_because = check.reason
        return False


def _gives_gradient(backend: Backend) -> TypeGuard[GivesGradient]:
    """Whether a backend is a `GivesGradient`; asked once of its type, for it takes long."""
    return _kind_gives_gradient(type(backend))


@cache
def _kind_gives_gradient(kind: type[Backend]) -> bool:
    return issubclass(kind, GivesGradient)
