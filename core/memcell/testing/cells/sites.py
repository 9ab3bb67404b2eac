"""The sites of a cell that a normalizer may take."""

from __future__ import annotations

from collections import Counter

from torch import Tensor

from memcell.recurrent.cell import identity_norm
from memcell.testing.cells.made import LANES, BuildCell, first_step, inputs, made, used_state
from memcell.testing.failure import require
from memcell.testing.numbers import distance, state_distance


def norm_sites_are_as_declared(build: BuildCell) -> None:
    """Each step asks for each site of ``norm_sites`` once, with ``[B, width]``, and for no other."""
    cell = made(build)
    calls: Counter[str] = Counter()
    shapes: dict[str, list[int]] = {}

    def norm(site: str, z: Tensor) -> Tensor:
        calls[site] += 1
        shapes[site] = list(z.shape)
        return z

    cell.step(first_step(cell, inputs()), used_state(cell), norm)
    declared = dict(cell.norm_sites)
    require(
        calls == Counter(declared.keys()),
        expected=f"each step to call norm once for each of the sites {sorted(declared) or '(none)'}",
        did=f"it called norm {dict(calls) or 'never'}",
        change="Declare in norm_sites exactly the names that step hands to norm.",
    )
    for site, width in declared.items():
        require(
            shapes[site] == [LANES, width],
            expected=f"site '{site}' to be [B, width] = {[LANES, width]}, as norm_sites declares",
            did=f"norm was given {shapes[site]}",
            change="Correct the width in norm_sites, or what is handed to norm.",
        )


def norm_sites_are_used(build: BuildCell) -> None:
    """What ``norm`` returns is what the cell goes on with."""
    cell = made(build)
    p, state = first_step(cell, inputs()), used_state(cell)
    output, after = cell.step(p, state, identity_norm)
    for site in cell.norm_sites:

        def norm(name: str, z: Tensor, site: str = site) -> Tensor:
            return 0.5 * z + 0.1 if name == site else z

        other, after_other = cell.step(p, state, norm)
        require(
            distance(output, other) > 0 or state_distance(after, after_other) > 0,
            expected=f"another result where norm changes site '{site}'",
            did="output and state stayed the same",
            change="Go on with what norm returns: z = norm(site, z).",
        )
