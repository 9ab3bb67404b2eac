"""What stands in for a channel that is lost while others of its kind live: the electrode on the other side.

A dead electrode is no reason to leave a patient without a result where the model reads several. Its signal is
replaced, before filters and features, by that of the channel at the mirrored site (O2 for O1, C3-M2 for
C4-M1), or, where that is none of the model's channels or is lost too, by the mean of the living channels of
its kind. No channel takes the place of one of another kind, and at most half of the channels may be lost. A
model that takes the first of several channels takes the next one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.channels import Derivation, alternatives
from memcell_data.recording import Block, Channel, LostChannels, Recording, Signal
from memcell_eeg.signal.channels import locate, native_rate

_SITE = re.compile(r"^([a-z]+)(\d+)(h?)$")


def mirrored(name: str) -> str:
    """Return the electrode of a channel's name on the other side of the head; empty for the midline.

    >>> mirrored("EEG O1-A2"), mirrored("Cz")
    ('o2', '')
    """
    found = _SITE.match(Derivation.of(name).site)
    if found is None:
        return ""
    number = int(found[2])
    return f"{found[1]}{number + 1 if number % 2 else number - 1}{found[3]}"


def sources(channels: Sequence[Channel], lost: Sequence[str]) -> dict[int, tuple[int, ...]]:
    """Return, for each lost channel's place, the places of those whose mean stands in for it.

    Args:
        channels: Those of a model, as a recording has them.
        lost: Names of them.

    Raises:
        DataError: Too many are lost, or the last of a kind is.
    """
    living = [i for i, c in enumerate(channels) if c.name not in lost]
    if 2 * len(living) < len(channels):
        raise DataError(
            f"{len(channels) - len(living)} of its {len(channels)} channels are lost, and at most half may be"
        )
    found = {}
    for i, channel in enumerate(channels):
        if i in living:
            continue
        alike = [k for k in living if channels[k].kind == channel.kind]
        if not alike:
            raise DataError(
                f"there is no other {channel.kind.upper()} to stand in for {channel.name}"
            )
        other = mirrored(channel.name)
        same = [k for k in alike if other and Derivation.of(channels[k].name).site == other]
        found[i] = tuple(same[:1] or alike)
    return found


def living_on(
    recording: Recording, wanted: Sequence[str], error: LostChannels
) -> tuple[Recording, str]:
    """Return a recording of which channels were found lost with others in their place, and a line on it.

    Where each of them is one of several that would do, the next one that lives is taken; otherwise another
    channel of the model stands in.

    Args:
        recording: The recording.
        wanted: Channels of a model.
        error: What was raised.

    Raises:
        DataError: Nothing can stand in for them; the error with the reason.
    """
    own = locate(wanted, recording)
    lost = [(w, c) for w, c in zip(wanted, own, strict=True) if c.name in error.channels]
    if all(len(alternatives(w)) > 1 for w, _ in lost):
        rest = tuple(c for c in recording.channels if c.name not in error.channels)
        left = replace(recording, channels=rest)
        with contextlib.suppress(DataError):
            found = locate([w for w, _ in lost], left)
            native_rate(locate(wanted, left), left)
            pairs = zip((c for _, c in lost), found, strict=True)
            return left, "; ".join(f"{a.name} is lost, and {b.name} is taken" for a, b in pairs)
    try:
        line = in_words(own, error.channels)
    except DataError as reason:
        if len(own) == 1:
            raise error from None
        raise DataError(f"{error}; {reason}") from None
    return standing_in(recording, own, error.channels), line


T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Living(Generic[T]):
    """What was made of a recording, and of which channels of it.

    Args:
        made: What was made.
        recording: What it was made of: the recording, or one with others in the place of lost channels.
        channels: Those that were read.
        lines: What stands in for which or is left out, for a person to read; empty where all channels live.
        left_out: Channels of the model of whose signal nothing is to be used.
    """

    made: T
    recording: Recording
    channels: tuple[Channel, ...] = ()
    lines: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def with_stand_ins(
    recording: Recording, wanted: Sequence[str], make: Callable[[Recording], T]
) -> Living[T]:
    """Make something of a recording, and again with others in the place of channels that are found lost.

    Args:
        recording: The recording.
        wanted: Channels of a model.
        make: Reads a recording to its end; which channels are lost is known then.

    Raises:
        DataError: As ``make``; or nothing can stand in for what is lost.
    """
    dead: list[str] = []
    lines: list[str] = []
    while True:
        try:
            made = make(recording)
        except LostChannels as error:
            recording, line = living_on(recording, wanted, error)
            lines.append(line)
            dead += error.channels
        else:
            own = tuple(c for c in locate(wanted, recording) if c.name not in dead)
            return Living(made=made, recording=recording, channels=own, lines=tuple(lines))


def standing_in(
    recording: Recording, channels: Sequence[Channel], lost: Sequence[str]
) -> Recording:
    """Return a recording whose lost channels have the signal of others.

    Args:
        recording: The recording.
        channels: Those that will be read of it.
        lost: Names of those of them that have no signal.

    Raises:
        DataError: As `sources`.
    """
    found = sources(channels, lost)
    by = {channels[i].name: [channels[k].name for k in places] for i, places in found.items()}
    # what is kept of the features must not be taken for that of the recording as it is
    without = f" without {', '.join(sorted(lost))}"
    fingerprint = recording.fingerprint and recording.fingerprint + without
    return replace(recording, read=_StandingIn(recording, by), fingerprint=fingerprint)


def in_words(channels: Sequence[Channel], lost: Sequence[str]) -> str:
    """Return what stands in for lost channels, for a person to read."""
    found = sources(channels, lost)
    parts = [
        f"{channels[i].name} is lost, and "
        + (channels[by[0]].name if len(by) == 1 else f"the mean of {len(by)} other channels")
        + " stands in for it"
        for i, by in found.items()
    ]
    return "; ".join(parts)


@dataclass(frozen=True)
class _StandingIn:
    """Reads a recording without its lost channels, and gives their rows to others."""

    recording: Recording
    by: dict[str, list[str]]

    def blocks(
        self, names: Sequence[str], seconds: float, warn: Callable[[str], object]
    ) -> Iterator[Block]:
        """Yield channels as `Recording.blocks` says."""
        living = self._living(names)
        for block in self.recording.blocks(living, seconds, warn):
            yield replace(block, values=self._filled(names, living, block.values))

    def __call__(self, names: Sequence[str]) -> Signal:
        """Return channels as `Recording.read` says."""
        living = self._living(names)
        signal = self.recording.read(living)
        values = self._filled(names, living, signal.values)
        return replace(signal, values=values, channels=tuple(names))

    def _living(self, names: Sequence[str]) -> list[str]:
        wanted = [by for name in names for by in self.by.get(name, (name,))]
        return list(dict.fromkeys(wanted))

    def _filled(
        self, names: Sequence[str], living: Sequence[str], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        rows = {name: i for i, name in enumerate(living)}
        return np.stack(
            [values[[rows[by] for by in self.by.get(name, (name,))]].mean(axis=0) for name in names]
        )
