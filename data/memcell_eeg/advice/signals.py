"""Summaries of the signals of a run's channels, kept on disk like features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.threads import one_thread
from memcell_data.checks.summary import SignalSummary, summarized
from memcell_data.recording import Recording
from memcell_eeg.cache import FeatureCache
from memcell_eeg.signal.channels import locate, native_rate

#: Counts up when a summary's numbers change their meaning.
_FORMAT = 1


def summaries(
    recordings: Sequence[Recording], channels: Sequence[str], cache: FeatureCache
) -> list[SignalSummary]:
    """Return the summary of each recording; one that has too little signal is passed over.

    Args:
        recordings: They have the channels.
        channels: By their names in the run.
        cache: Where summaries are kept.
    """
    out = []
    with one_thread():
        for recording in recordings:
            try:
                found = _summary(recording, channels, cache)
            except DataError:
                continue  # said where its features are made
            if found is not None:
                out.append(found)
    return out


def _summary(
    recording: Recording, channels: Sequence[str], cache: FeatureCache
) -> SignalSummary | None:
    own = locate(channels, recording)
    rate, names = native_rate(own, recording), [c.name for c in own]

    def make() -> NDArray[np.float32]:
        made = summarized(recording.blocks(names), recording.name, recording.subject, names, rate)
        table = np.empty((0, 1)) if made is None else made.table()
        return np.asarray(table, dtype=np.float32)

    table = cache.numbers(recording, {"summary": _FORMAT, "channels": names}, make)
    if len(table) != len(names):
        return None
    return SignalSummary.of_table(
        table.astype(np.float64),
        name=recording.name,
        subject=recording.subject,
        channels=channels,
        rate=rate,
    )
