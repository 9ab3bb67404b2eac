"""Other names for the channels of recordings, as a person types them: ``O1-M2=O1``, ``POL *=*``.

A rule is ``OLD=NEW``. OLD is the name as the file has it, compared without case, dots at its end and spaces
around it; a ``*`` in it stands for any text, which takes the place of the ``*`` in NEW. Of several rules the
first that fits a channel renames it. What a channel measures does not change by its name: who renames
``O1-Avg`` to ``O1`` says that a model trained on ``O1`` may take it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from memcell.errors import DataError, UsageError
from memcell_data.channels import plain

if TYPE_CHECKING:  # options are checked by these rules where help is printed, without numpy
    from memcell_data.recording import Block, Recording, Signal


@dataclass(frozen=True)
class _Rule:
    """One rule.

    Args:
        text: As it was typed.
        old: What a name must match whole.
        new: What it is then, with ``*`` for what matched.
    """

    text: str
    old: re.Pattern[str]
    new: str

    @classmethod
    def of(cls, text: str) -> _Rule:
        """Read a rule.

        Raises:
            UsageError: It is none.
        """
        old, sign, new = (part.strip() for part in text.partition("="))
        if not (old and sign and new):
            raise UsageError(
                f"--rename got '{text}'; expected OLD=NEW, such as 'O1-M2=O1', or with one * on both sides, "
                "such as 'POL *=*'"
            )
        if "=" in new:
            raise UsageError(
                f"--rename got '{text}', which has two signs =; separate several rules by commas: "
                "'O1-M2=O1,O2-M1=O2'"
            )
        stars = old.count("*"), new.count("*")
        if stars[0] > 1 or stars[1] > stars[0]:
            raise UsageError(
                f"--rename got '{text}'; a rule has one * on each side, or one before the = alone, or none"
            )
        return cls(text, re.compile(_pattern(old), re.IGNORECASE), new)

    def __call__(self, name: str) -> str | None:
        """Return the new name, or None where the rule does not fit."""
        found = self.old.fullmatch(name.strip(" \0").rstrip(". \0"))
        if found is None:
            return None
        return self.new.replace("*", found[1]).strip() if found.groups() else self.new


def _pattern(old: str) -> str:
    """Return the pattern of a name: any spaces stand for those that were typed, ``*`` for any text."""
    parts = old.strip().rstrip(".").split("*")
    return "(.+)".join(r"\s+".join(map(re.escape, re.split(r"\s+", part))) for part in parts)


@dataclass(frozen=True)
class Renaming:
    """Rules by which channels of recordings get other names.

    Args:
        rules: In order; none renames nothing.
    """

    rules: tuple[_Rule, ...] = ()

    @classmethod
    def of(cls, typed: Iterable[str] | Mapping[str, str]) -> Renaming:
        """Read rules: texts ``OLD=NEW``, or new names by old ones.

        Raises:
            UsageError: One is none.
        """
        if isinstance(typed, Mapping):
            typed = [f"{old}={new}" for old, new in typed.items()]
        return cls(tuple(_Rule.of(text) for text in typed))

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return bool(self.rules)

    def name(self, old: str) -> str:
        """Return the new name of a channel; its own where no rule fits."""
        return next((new for rule in self.rules if (new := rule(old)) is not None), old)

    def names(self, names: Sequence[str], where: str) -> list[str]:
        """Return the new names of all channels of a recording or stream.

        Args:
            names: Of its channels.
            where: What it is, for the message.

        Raises:
            DataError: Two channels would have one name that they did not have before.
        """
        new = [self.name(name) for name in names]
        times = Counter(map(plain, new))
        for name, old in zip(new, names, strict=True):
            if times[plain(name)] > 1 and plain(name) != plain(old):
                same = [
                    o.strip() for o, n in zip(names, new, strict=True) if plain(n) == plain(name)
                ]
                raise DataError(
                    f"{where}: --rename would give the name '{name}' to {' and '.join(map(repr, same))}; "
                    "rename one of them otherwise, too"
                )
        return new

    def recording(self, recording: Recording) -> Recording:
        """Return a recording whose channels have their new names; itself where no rule fits.

        Raises:
            DataError: Two channels would have one name.
        """
        old = [channel.name for channel in recording.channels]
        new = self.names(old, f"recording '{recording.name}'")
        if new == old:
            return recording
        pairs = list(zip(new, old, strict=True))
        mark = sha256(repr(pairs).encode()).hexdigest()[:16]
        return replace(
            recording,
            channels=tuple(
                replace(channel, name=name)
                for channel, name in zip(recording.channels, new, strict=True)
            ),
            read=_Renamed(recording, dict(pairs)),
            # features of a channel that had this name before are not its
            fingerprint=recording.fingerprint and f"{recording.fingerprint}-{mark}",
        )

    def unused(self, recordings: Iterable[Recording]) -> list[str]:
        """Return the rules that fit no channel of any recording (as it was before), as they were typed."""
        names = {channel.name for recording in recordings for channel in recording.channels}
        fits = {
            next((rule.text for rule in self.rules if rule(name) is not None), None)
            for name in names
        }
        return [rule.text for rule in self.rules if rule.text not in fits]


#: No rules.
NOTHING = Renaming()


@dataclass(frozen=True)
class _Renamed:
    """Reads a recording by its channels' new names.

    Args:
        recording: The recording as it is.
        old: Its own names by the new ones.
    """

    recording: Recording
    old: Mapping[str, str]

    def __call__(self, names: Sequence[str]) -> Signal:
        with self._lost():
            signal = self.recording.read([self.old[name] for name in names])
        return replace(signal, channels=tuple(names))

    def blocks(
        self, names: Sequence[str], seconds: float, warn: Callable[[str], object]
    ) -> Iterator[Block]:
        """Yield channels block by block."""
        with self._lost():
            yield from self.recording.blocks([self.old[name] for name in names], seconds, warn)

    @contextmanager
    def _lost(self) -> Iterator[None]:
        """Let what is said of channels without a signal have their new names, too."""
        from memcell_data.recording import LostChannels

        try:
            yield
        except LostChannels as error:
            new = {old: name for name, old in self.old.items()}
            raise LostChannels(str(error), [new.get(c, c) for c in error.channels]) from error


def name_in_file(recording: Recording, name: str) -> str:
    """Return what a channel was called before `Renaming.recording`."""
    old = recording.read.old if isinstance(recording.read, _Renamed) else {}
    return old.get(name, name)


def renamed(recording: Recording, names: Iterable[str]) -> list[str]:
    """Return a line where some channels of a recording have other names than in its file.

    Args:
        recording: As `Renaming.recording` returned it.
        names: Of the channels that are used.
    """
    old = recording.read.old if isinstance(recording.read, _Renamed) else {}
    said = [f"'{old[n].strip()}' as '{n}'" for n in names if old.get(n, n) != n]
    return [f"taken by --rename: {', '.join(said)}"] if said else []
