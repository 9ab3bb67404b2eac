"""What is kept of each recording of a run, so that a report can say what its data were like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from memcell.sequences.time_series import TimeSeries
from memcell_data.recording import Recording

MOST_WARNINGS = 5


def quality(recording: Recording, sequence: TimeSeries, warnings: Sequence[str]) -> dict[str, Any]:
    """Return facts about a recording, as JSON holds them.

    Args:
        recording: The recording.
        sequence: What was made of it.
        warnings: What was odd about it.

    Returns:
        ``name``, ``subject``; ``seconds`` from first to last sample; ``rate`` in Hz, 0 where features came
        precomputed; ``steps``, how many of them are ``labelled`` and ``positive``; ``gaps`` and
        ``gap_seconds`` between steps; the first ``warnings``.
    """
    times, step = sequence.times, sequence.step_seconds
    lost = sum(float(times[b] - times[b - 1]) - step for b in sequence.breaks)
    more = len(warnings) - MOST_WARNINGS
    return {
        "name": recording.name,
        "subject": recording.subject,
        "seconds": float(recording.duration if recording.features is None else times[-1] + step),
        "rate": float(max((c.rate for c in recording.channels), default=0.0)),
        "steps": sequence.n_steps,
        "labelled": int(sequence.labelled.sum()),
        "positive": int((sequence.targets == 1).sum()),
        "gaps": len(sequence.breaks),
        "gap_seconds": round(lost, 3),
        "warnings": [*warnings[:MOST_WARNINGS], *([f"and {more} more"] if more > 0 else [])],
    }
