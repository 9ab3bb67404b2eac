"""Statistics that the forward loop wrote for normalizers, handed to them after a window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from memcell.recurrent.normalizer import NormWindow
from memcell.recurrent.norms import SiteNorms
from memcell_compiler.emit.layout import ArrayLayout


def hand_over(
    layout: ArrayLayout,
    norms: SiteNorms,
    windows: Mapping[str, NormWindow],
    statistics: Sequence[Tensor],
) -> None:
    """Let each normalizer accumulate its own.

    Args:
        layout: Says how many are whose.
        norms: The normalizers.
        windows: What they said of the window.
        statistics: Each ``[T, …]``, in the order of the sites.
    """
    rest = list(statistics)
    for site, window in windows.items():
        count = layout.statistics_sites.get(site, 0)
        mine, rest = rest[:count], rest[count:]
        if mine:
            norms.site(site).accumulate(tuple(mine), window.mode, window.inputs)
