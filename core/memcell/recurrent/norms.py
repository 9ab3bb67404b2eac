"""The normalizers of one layer, one for each site, and what a step sees of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from memcell.errors import PluginError
from memcell.recurrent.normalizer import Normalizer, NormWindow
from memcell.recurrent.step_masks import StepMasks

#: Statistics of a step by the name of the site.
SiteStatistics = dict[str, tuple[Tensor, ...]]


class SiteNorms(nn.Module):
    """One normalizer a site; without any, ``norm`` returns what it is given.

    Args:
        sites: Name of each site to its width.
        build: Makes the normalizer of a width; None for no normalizer.
    """

    def __init__(self, sites: Mapping[str, int], build: Callable[[int], Normalizer] | None) -> None:
        super().__init__()
        self.known = frozenset(sites)
        built = {} if build is None else {site: build(width) for site, width in sites.items()}
        self.sites = nn.ModuleDict(built)

    def __len__(self) -> int:
        """Number of normalizers."""
        return len(self.sites)

    @property
    def tells_training(self) -> bool:
        """Whether a window in training may be another one than at inference, or leave statistics behind."""
        base = Normalizer
        kinds = [type(self.site(n)) for n in self.sites]
        return any(
            k.window is not base.window or k.accumulate is not base.accumulate for k in kinds
        )

    def site(self, name: str) -> Normalizer:
        """Return the normalizer of a site."""
        found = self.sites[name]
        assert isinstance(found, Normalizer)
        return found

    def windows(self, masks: StepMasks, update_statistics: bool) -> dict[str, NormWindow]:
        """Prepare each normalizer for a window."""
        return {
            n: self.site(n).window(masks.ages, masks.valid, update_statistics) for n in self.sites
        }

    def at(self, windows: Mapping[str, NormWindow], t: int) -> StepNorm:
        """Return the ``norm`` of step t."""
        return StepNorm(self, windows, t)

    def accumulate(
        self, windows: Mapping[str, NormWindow], statistics: list[SiteStatistics]
    ) -> None:
        """Let each normalizer accumulate the statistics of its steps, stacked over the window."""
        for name, window in windows.items():
            steps = [each[name] for each in statistics]
            stacked = tuple(
                torch.stack([s.detach() for s in column]) for column in zip(*steps, strict=True)
            )
            if stacked:
                self.site(name).accumulate(stacked, window.mode, window.inputs)


class StepNorm:
    """``norm(site, z)`` of one step, and the statistics that the normalizers returned for it."""

    def __init__(self, norms: SiteNorms, windows: Mapping[str, NormWindow], t: int) -> None:
        self.norms, self.windows, self.t = norms, windows, t
        self.statistics: SiteStatistics = {}
        self.seen: set[str] = set()

    def __call__(self, site: str, z: Tensor) -> Tensor:
        """Normalize the sum of a site.

        Raises:
            PluginError: The cell does not declare the site, or asks twice in a step.
        """
        if site not in self.norms.known:
            raise PluginError(
                f"the cell asked for norm site '{site}', which its norm_sites does not declare "
                f"({', '.join(sorted(self.norms.known)) or 'none'})"
            )
        if site in self.seen:
            raise PluginError(
                f"the cell asked twice for norm site '{site}' in one step; name two sites"
            )
        self.seen.add(site)
        if not len(self.norms):
            return z
        window = self.windows[site]
        inputs = tuple(i[self.t] for i in window.inputs)
        out, self.statistics[site] = self.norms.site(site).normalize(z, window.mode, inputs)
        return out
