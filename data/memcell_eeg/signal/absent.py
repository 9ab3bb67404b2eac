"""Recordings that lack channels of a model which was trained to do without some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from memcell.errors import DataError
from memcell_data.channel_lookup import MissingChannel, find
from memcell_data.channels import alternatives
from memcell_data.derivations import derived
from memcell_data.recording import LostChannels, Recording
from memcell_eeg.signal.channels import how_to_rename, locate
from memcell_eeg.signal.references import References
from memcell_eeg.signal.stand_in import Living

T = TypeVar("T")


def absent_of(references: References, names: Sequence[str]) -> list[str]:
    """Return the channels of a model whose electrode is not among a recording's or a stream's at all."""
    absent = []
    for channel in references.channels:
        try:
            find(channel, names, "")
        except MissingChannel:
            if not references.same_electrode(channel, names):
                absent.append(channel)
        except DataError:  # several: said where channels are looked up
            continue
    return absent


def check_enough(where: str, channels: Sequence[str], absent: Sequence[str]) -> None:
    """Refuse a recording or a stream that lacks more channels of a model than may be left out.

    Raises:
        DataError: More than half are lacking.
    """
    if 2 * len(absent) > len(channels) or len(absent) == len(channels):
        raise DataError(
            f"{where} lacks {len(absent)} of the model's {len(channels)} channels "
            f"({', '.join(alternatives(c)[0] for c in absent)}), and at most half may be left out."
        )


def absent_lines(absent: Sequence[str]) -> list[str]:
    """Return what is said of each channel that is not there, of what is named before."""
    return [
        f"it has no {alternatives(c)[0]}, which is left out, as at times in training"
        for c in absent
    ]


def without(recording: Recording, channels: Sequence[str], absent: Sequence[str]) -> Recording:
    """Return a recording that has a signal in the place of absent channels, of which nothing will be used.

    Args:
        recording: The recording.
        channels: The model's.
        absent: Those of them that it lacks.

    Raises:
        DataError: More than half are lacking.
    """
    own = [c.name for c in recording.channels]
    try:
        check_enough(f"recording '{recording.name}'", channels, absent)
    except DataError as error:
        raise DataError(
            f"{error} It has: {', '.join(own[:40])}.{how_to_rename(channels, own)}"
        ) from None
    living = [c for c in channels if c not in absent]
    instead = locate(living[:1], recording)[0].name
    return derived(recording, {channel: {instead: 1.0} for channel in absent})


def with_absent(
    recording: Recording,
    references: References,
    make: Callable[[Recording, Sequence[str]], T],
) -> Living[T]:
    """Make something of a recording, and again without channels that are found lost.

    Args:
        recording: The recording.
        references: Of the model's channels.
        make: Is handed a recording with all channels of the model, and those of them that are not to be used.

    Raises:
        DataError: As ``make``; or too many channels are lost.
    """
    channels = references.channels
    absent = absent_of(references, [c.name for c in recording.channels])
    lines = absent_lines(absent)
    while True:
        whole = without(recording, channels, absent) if absent else recording
        references.check(whole)
        own = locate(channels, whole)
        try:
            made = make(whole, absent)
        except LostChannels as error:
            lost = [
                c
                for c, channel in zip(channels, own, strict=True)
                if channel.name in error.channels and c not in absent
            ]
            if not lost:
                raise
            absent = [c for c in channels if c in absent or c in lost]
            lines += [
                f"{alternatives(c)[0]} is lost and left out, as at times in training" for c in lost
            ]
        else:
            used = tuple(k for c, k in zip(channels, own, strict=True) if c not in absent)
            return Living(
                made=made,
                recording=whole,
                channels=used,
                lines=tuple(lines),
                left_out=tuple(absent),
            )
