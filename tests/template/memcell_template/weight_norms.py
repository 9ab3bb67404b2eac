"""The norm of each weight matrix at the end of every epoch: costs nothing, for it runs no network."""

from __future__ import annotations

from typing import Any

from memcell import Probe, ProbeContext


class WeightNorms(Probe):
    """Norms of the parameters by name."""

    sizes = (1,)

    @classmethod
    def cost(cls, context: ProbeContext, size: Any) -> float:
        """Return 0."""
        return 0.0

    def end_of_epoch(self, epoch: int) -> dict[str, Any]:
        """Return the norms."""
        named = self.context.network.named_parameters()
        return {"epoch": epoch, **{name: float(p.detach().norm()) for name, p in named}}

    def end(self) -> dict[str, Any]:
        """Return those of the last epoch."""
        return {"last": self.past[-1] if self.past else None}
