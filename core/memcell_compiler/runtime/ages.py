"""What normalizers are given at each step of a stream, by the lanes' age: asked once, then looked up."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from memcell.errors import PluginError
from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms
from memcell.recurrent.step_masks import StepMasks

#: Ages times lanes that a table may have; with more, normalizers are asked at every step.
_MOST = 1 << 20


class AgeInputs:
    """The addresses of the normalizers' inputs, step after step of lanes that are never reset by themselves.

    Where the normalizers say how many ages they tell apart (`Normalizer.inference_ages`) and all lanes are
    of one age, a step takes a row of a table. Otherwise they are asked.

    Args:
        norms: The normalizers.
        lanes: B.
        dtype: Of the numbers that programs read.

    Attributes:
        windows: What the normalizers said of a step at age 0.
        any: Whether they want to know anything of a step.
    """

    def __init__(self, norms: SiteNorms, lanes: int, dtype: torch.dtype) -> None:
        self._norms, self._lanes, self._dtype = norms, lanes, dtype
        self._age = torch.zeros(lanes, dtype=torch.int64)
        self.windows = self._asked(self._age.unsqueeze(0))
        self.any = any(w.inputs for w in self.windows.values())
        # of its own: what is written here may be a normalizer's
        self._own = [i.clone() for i in self._numbers(self.windows)]
        ages = [norms.site(name).inference_ages for name, w in self.windows.items() if w.inputs]
        known = [n for n in ages if n is not None]
        small = bool(known) and len(known) == len(ages) and max(known) * lanes <= _MOST
        self._rows = max(known) if small else 0
        self._tables: list[Tensor] = []
        self._moving: list[tuple[int, int, int]] = []
        self.load(None)

    def load(self, age: Tensor | None) -> None:
        """Set the ages ``[B]`` of the lanes; None for 0."""
        self._age = torch.zeros_like(self._age) if age is None else age.clone()
        self._next: int | None = None
        self._shown: int | None = None
        self._apart = -1
        if self._rows:
            rows = self._age.clamp(max=self._rows - 1)
            youngest, oldest = int(rows.min()), int(rows.max())
            self._next = youngest if youngest == oldest else None
            self._apart = self._rows - 1 - youngest  # steps until they are all of the last row

    def renew(self, arrays: tuple[str, ...]) -> None:
        """Ask anew: buffers have changed, or the addresses are another array's.

        Args:
            arrays: Names of a program's arrays, in order.
        """
        self._shown = None
        places = [(arrays.index(f"m{i}"), i) for i in range(len(self._own)) if f"m{i}" in arrays]
        if self._rows:
            each = torch.arange(self._rows).unsqueeze(-1).expand(self._rows, self._lanes)
            self._tables = self._numbers(self._asked(each))
        sources = self._tables or self._own
        self._places = [(at, self._own[i].data_ptr()) for at, i in places]
        self._moving = [
            (at, sources[i].data_ptr(), sources[i].stride(0) * sources[i].itemsize)
            for at, i in places
        ]

    def put(self, addresses: Any) -> None:
        """Set the addresses of the coming step, and go on by one."""
        row = self._next
        if row is None:
            self._ask(addresses)
            return
        if row != self._shown:
            for at, base, stride in self._moving:
                addresses[at] = base + row * stride
            self._shown = row
        if row < self._rows - 1:
            self._next = row + 1

    def _ask(self, addresses: Any) -> None:
        found = self._numbers(self._asked(self._age.unsqueeze(0)))
        for own, tensor in zip(self._own, found, strict=True):
            own.copy_(tensor)
        for at, address in self._places:
            addresses[at] = address
        self._age += 1
        self._apart -= 1
        if self._apart == 0:
            self._next = self._rows - 1

    def _asked(self, ages: Tensor) -> dict[str, NormWindow]:
        steps = len(ages)
        no = torch.zeros(steps, self._lanes, dtype=torch.bool)
        masks = StepMasks(
            resets=no,
            valid=~no,
            ages=ages,
            any_reset=(False,) * steps,
            all_valid=(True,) * steps,
        )
        windows = self._norms.windows(masks, False)
        for name, window in getattr(self, "windows", {}).items():
            if windows[name].mode != window.mode:
                raise PluginError(
                    f"the normalizer of site '{name}' ({type(self._norms.site(name)).__name__}) chose "
                    f"mode '{windows[name].mode}' at inference, and '{window.mode}' at age 0; a stream "
                    "needs one mode for all ages: choose by the inputs, or run windows"
                )
        return windows

    def _numbers(self, windows: dict[str, NormWindow]) -> list[Tensor]:
        flat = [i for w in windows.values() for i in w.inputs]
        return [i.detach().to(self._dtype).contiguous() for i in flat]
