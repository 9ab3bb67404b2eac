"""Which of a model's channels a live source has.

A model that was trained with ``--channel-dropout`` runs without some of its channels, as a prediction does
(`memcell_eeg.signal.absent`): one that a source does not have, and one that is lost. Of a recording
that is played, lost is what `memcell predict` finds lost in the whole of it. Of a stream it is what shows no
signal at its start (`memcell_eeg.live.first_signal`); what goes dead later is a gap until it is back, as in a
recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memcell_data.channels import alternatives


@dataclass(frozen=True, kw_only=True)
class LiveChannels:
    """The channels of a source that stand for a model's.

    Args:
        names: The source's, one for each row of its samples.
        rows: ``[C]``: the row of each of the model's channels; of one that is left out that of another one,
            whose signal is not used.
        left_out: Those of the model's channels that are left out.
        lines: Why, for a person to read.
    """

    names: tuple[str, ...]
    rows: tuple[int, ...]
    left_out: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        channels: Sequence[str],
        names: Sequence[str],
        left_out: Sequence[str] = (),
        lines: Sequence[str] = (),
    ) -> LiveChannels:
        """Return the channels of a source.

        Args:
            channels: The model's.
            names: The source's for those of them that are not left out, in this order.
            left_out: Those of the model's that are.
            lines: Why.
        """
        living = [c for c in channels if c not in left_out]
        rows = {c: row for row, c in enumerate(living)}
        return cls(
            names=tuple(names),
            rows=tuple(rows.get(c, 0) for c in channels),
            left_out=tuple(left_out),
            lines=tuple(lines),
        )

    def without(self, channels: Sequence[str], dead: Sequence[int]) -> LiveChannels:
        """Return the channels without rows that have no signal.

        Args:
            channels: The model's.
            dead: The rows.
        """
        gone = [c for c, row in zip(channels, self.rows, strict=True)
                if row in dead and c not in self.left_out]  # fmt: skip
        out = [c for c in channels if c in gone or c in self.left_out]
        names = [n for row, n in enumerate(self.names) if row not in dead]
        said = [f"{alternatives(c)[0]} has no signal and is left out, as at times in training"
                for c in gone]  # fmt: skip
        return LiveChannels.of(channels, names, out, [*self.lines, *said])
