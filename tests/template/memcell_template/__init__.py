"""A minimal gated unit and a boustrophedon order for memcell. Specs only: this module imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from memcell import CellSpec, SamplerSpec, hookimpl


@hookimpl
def memcell_cells() -> Iterator[CellSpec]:
    """Recurrent cells."""
    yield CellSpec(
        name="mgu",
        factory="memcell_template.mgu:MGU",
        config="memcell_template.configs:MGUConfig",
        summary="Minimal gated unit: one gate forgets and writes.",
        reference="Zhou et al. 2016, arXiv:1603.09420",
    )


@hookimpl
def memcell_samplers() -> Iterator[SamplerSpec]:
    """Orders of windows."""
    yield SamplerSpec(
        name="boustrophedon",
        factory="memcell_template.boustrophedon:Boustrophedon",
        summary="Forth in even epochs, back in odd ones.",
    )
