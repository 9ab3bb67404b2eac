"""Options of the built-in samplers. Imports no numpy."""

from __future__ import annotations

from dataclasses import dataclass

from memcell.plugins.options import option


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """Options of ``stream``."""

    shuffle_sequences: bool = option(
        True, help="Take the sequences in a new order in every epoch; off, in the table's order."
    )
    split: str = option(
        "auto",
        help="'never' gives each lane whole sequences; 'always' cuts the line of all windows into "
        "equal parts, one a lane; 'auto' keeps them whole where there are at least as many as lanes; "
        "'whole' keeps them whole and in the table's order, the same in every epoch, and refuses more "
        "lanes than there are sequences.",
        choices=("auto", "always", "never", "whole"),
    )
    jitter: bool = option(
        False,
        help="Shift the grid of windows by a random number of steps in every epoch "
        "(the grid is then not fixed).",
    )

    def capabilities(self) -> dict[str, object]:
        """Return what the options change of what the spec declares."""
        return {"fixed_grid": False} if self.jitter else {}


@dataclass(frozen=True, kw_only=True)
class GroupedConfig:
    """Options of ``grouped``."""

    by: str = option(
        "label",
        help="What makes a group: a window's most frequent label, its subject, or its k-means "
        "cluster.",
        choices=("label", "subject", "cluster"),
    )
    clusters: int = option(8, help="Number of clusters, for by=cluster.", low=1)


@dataclass(frozen=True, kw_only=True)
class BlocksConfig:
    """Options of ``blocks``."""

    k: int = option(
        1,
        help="Windows of one label in a row, before the next label's turn. With B lanes, k = m*B "
        "makes m batches of one label.",
        unit="windows",
        low=1,
    )


@dataclass(frozen=True, kw_only=True)
class ShuffleBufferConfig:
    """Options of ``shuffle_buffer``."""

    n: int = option(256, help="Windows that the buffer holds.", unit="windows", low=1)


@dataclass(frozen=True, kw_only=True)
class CurriculumConfig:
    """Options of ``curriculum``."""

    by: str = option(
        "loss",
        help="What makes a window hard: its loss when it was last seen, or its changes of label.",
        choices=("loss", "transitions"),
    )
    start: float = option(0.3, help="Share of the windows to begin with.", low=0.000001, high=1)
    grow: int = option(10, help="Epochs until all windows are trained on.", unit="epochs", low=1)
