"""The option that asks for bfloat16 at inference; see `memcell.backends.precision`."""

from __future__ import annotations

import click

from memcell.cli.brief import BriefOption


def precision_option(gpu: bool = True) -> click.Parameter:
    """Return ``--mixed-precision``.

    Args:
        gpu: Whether the command may run on a GPU.
    """
    where = f"{'on a GPU, ' if gpu else ''}on CPUs with AMX and on AMD's from Zen 4 on"
    return BriefOption(
        ["--mixed-precision"],
        advanced=True,
        is_flag=True,
        help=f"The recurrent layers in bfloat16: {where}; on another CPU they run in float32, which is said.",
    )
