"""The check of every channel's samples, block by block, in memory that does not grow with the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from memcell.errors import DataError
from memcell_data.checks.summary import SignalSummary, Summarizing
from memcell_data.formats.reader import SignalFile
from memcell_data.recording import Channel

BLOCK_SECONDS = 30.0
_ROUNDING = 1e-6


@dataclass(kw_only=True)
class SamplesSeen:
    """What was found about the samples.

    Args:
        refused: Channels that cannot be used, with the reason.
        remarks: What is odd, one line each.
        gaps: Onset and length of each segment of time without signal in all of the channels together, s.
        summaries: Of the EEG channels of each rate.
    """

    refused: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    summaries: list[SignalSummary] = field(default_factory=list)


def look_at(file: SignalFile, channels: Sequence[Channel]) -> SamplesSeen:
    """Read channels and say what is wrong with their samples: missing, flat, clipped, far too large or small.

    Args:
        file: The recording.
        channels: Of any rates; names that differ.
    """
    seen = SamplesSeen()
    for rate in dict.fromkeys(c.rate for c in channels):
        names = [c.name for c in channels if c.rate == rate]
        why = _read(file, names, seen)
        if why and len(names) > 1:  # one of them: which, and what of the others?
            seen.refused |= {n: reason for n in names if (reason := _read(file, [n], seen))}
        elif why:
            seen.refused[names[0]] = why
    seen.remarks = list(dict.fromkeys(seen.remarks))
    return seen


def _read(file: SignalFile, names: Sequence[str], seen: SamplesSeen) -> str:
    """Read channels together, and return why they cannot be used, or nothing."""
    messages: list[str] = []
    of = {c.name: c for c in file.channels()}
    rate = of[names[0]].rate
    eeg = [i for i, name in enumerate(names) if of[name].kind == "eeg"]
    making = Summarizing(len(eeg), rate) if eeg else None
    gaps: list[tuple[float, float]] = []
    end = 0.0
    try:
        for block in file.blocks(names, BLOCK_SECONDS, messages.append):  # looked at in passing
            if block.begins and (end or block.onset > _ROUNDING):
                gaps.append((end, max(0.0, block.onset - end)))
            end = block.onset + block.values.shape[1] / rate
            if making is not None:
                making.push(block.values[eeg], block.begins)
        if end < file.duration() - 0.5 / rate:
            gaps.append((end, file.duration() - end))
    except DataError as error:
        return str(error)
    seen.remarks += messages
    seen.gaps += gaps
    made = making.summary("", "", [names[i] for i in eeg]) if making is not None else None
    seen.summaries += [made] if made is not None else []
    return ""
