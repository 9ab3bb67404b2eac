"""Channel selection: by name, pattern, type or automatically, the same in all recordings.

How a typed name meets a file's name (old and new 10-20 names, trailing dots, ``EEG Fpz-Cz``) is the data
room's business (`memcell_data.channel_lookup.find`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from memcell.errors import DataError
from memcell_data.channel_lookup import AmbiguousChannel, find, matching, may_be
from memcell_data.channels import alternatives, taken
from memcell_data.derivations import in_file
from memcell_data.recording import Channel, Recording
from memcell_eeg.left_out import RECORDING, LeftOut

TYPE_WORDS = ("eeg", "eog", "emg", "ecg", "misc")
AUTO = "auto"
MOST = 16

#: What 'auto' selects from a dense cap: occipital first, where alpha is strongest (Skorucak 2020 score
#: O1 and O2), then more frontal positions, which show slowing.
REGIONS = ("O1", "O2", "P3", "P4", "C3", "C4", "F3", "F4")


@dataclass(frozen=True, kw_only=True)
class ChannelChoice:
    """The channels of a run.

    Args:
        names: In the order of the features, trailing dots taken off.
        eeg: Those that are EEG (what an average reference is made of).
        reason: How they were chosen, for a person to read.
    """

    names: tuple[str, ...]
    eeg: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return f"channels {', '.join(self.names)} ({self.reason})"


def choose(requested: Sequence[str], recordings: Sequence[Recording]) -> ChannelChoice:
    """Return the channels of all recordings that the requested words select.

    Args:
        requested: Names, patterns (``EEG*``), alternatives (``Pz or Oz``: of each recording the first that it
            has), type words, or ``"auto"``.
        recordings: At least one.

    Raises:
        DataError: A recording lacks a named channel, or nothing is left; names both, and the
            nearest names.
    """
    first = recordings[0]
    found: list[Channel] = []
    reasons: list[str] = []
    names: dict[str, str] = {}  # a channel's name to the alternatives that it is one of
    for word in requested or (AUTO,):
        if word.lower() == AUTO:
            picked, reason = _automatic(recordings)
        elif word.lower() in TYPE_WORDS:
            picked = _common([c for c in first.channels if c.kind == word.lower()], recordings)
            reason = f"every channel of type {word.lower()}"
            if not picked:
                raise DataError(
                    f"no channel of type '{word}' is in all recordings. {_listed(first)}; "
                    "choose by name with --channels."
                )
        elif len(alternatives(word)) > 1:
            picked = [first.channels[find(word, _names(first), f"recording '{first.name}'")]]
            reason = "the first that a recording has"
            names[picked[0].name] = word
        elif is_pattern(word) and not any(_tidy(n) == word.strip() for n in _names(first)):
            picked = _matching(word, recordings)
            reason = f"all that match {word}"
        else:
            picked = [first.channels[find(word, _names(first), f"recording '{first.name}'")]]
            reason = "as named"
        found += [c for c in picked if c not in found]
        reasons.append(reason)
    choice = ChannelChoice(
        names=tuple(names.get(c.name, _tidy(c.name)) for c in found),
        eeg=tuple(names.get(c.name, _tidy(c.name)) for c in found if c.kind == "eeg"),
        reason=", ".join(dict.fromkeys(reasons)),
    )
    for recording in recordings:
        native_rate(locate(choice.names, recording), recording)
    return choice


def with_channels(
    requested: Sequence[str], recordings: Sequence[Recording], left_out: LeftOut
) -> list[Recording]:
    """Return the recordings that have the requested channels.

    Args:
        requested: As for `choose`.
        recordings: At least one.
        left_out: Takes the others.

    Raises:
        DataError: None has them; says what the first one lacks.
    """
    kept, lacking = [], []
    for recording in recordings:
        try:
            choose(requested, [recording])
        except DataError as error:
            lacking.append((recording, str(error)))
        else:
            kept.append(recording)
    if not kept:
        choose(requested, recordings)
    for recording, reason in lacking:
        left_out.add(recording, RECORDING, reason)
    return kept


def is_pattern(word: str) -> bool:
    """Return whether a word is a pattern, which may match several names."""
    return any(sign in word for sign in "*?[")


def _matching(pattern: str, recordings: Sequence[Recording]) -> list[Channel]:
    first = recordings[0]
    found = [first.channels[i] for i in matching(pattern, _names(first))]
    found = [c for c in found if c.kind != "misc"]
    if not found:
        raise DataError(
            f"no channel of recording '{first.name}' matches '{pattern}'. {_listed(first)}; type other "
            "--channels, a pattern in quotes."
        )
    common = _common(found, recordings)
    if not common:
        raise DataError(
            f"'{pattern}' matches {', '.join(_tidy(c.name) for c in found)} of recording '{first.name}', and "
            f"not one of them is in all {len(recordings)} recordings; type other --channels, or leave out "
            "the recordings that differ."
        )
    return common


def locate(names: Sequence[str], recording: Recording) -> tuple[Channel, ...]:
    """Return the recording's channels for the channel names of a run, in their order.

    Raises:
        DataError: The recording has no such channel, or several; names the nearest.
    """
    own, listed, where = _names(recording), in_file(recording), f"recording '{recording.name}'"
    return tuple(recording.channels[find(n, own, where, listed)] for n in names)


def trained_on(names: Sequence[str]) -> str:
    """Return a sentence on the channels of a model, for a recording that lacks them.

    Empty where one has alternatives: what lacks them all has named them.
    """
    if any(len(alternatives(n)) > 1 for n in names):
        return ""
    return f" The model was trained on the channels {', '.join(names)}."


def how_to_rename(names: Sequence[str], own: Sequence[str]) -> str:
    """Return a sentence with the ``--rename`` by which a recording's channels would do; else empty.

    A channel stands for a missing one of the same electrode, else for one that is written much like it and
    is no other electrode's. What it measures is the person's to know, so nothing is renamed by itself.

    Args:
        names: The model's.
        own: The recording's.
    """
    rules: list[str] = []
    missing, lacking, free = [], [], list(own)
    for name in names:
        try:
            used = own[find(name, own, "")]
        except AmbiguousChannel as error:
            rules += error.rules[:1]
        except DataError:
            lacking.append(name)
        else:
            free = [n for n in free if n != used]  # one of the model's stands for no other of them
    if not lacking and len(rules) < 2:
        return ""  # the refusal of a channel that is there several times says it
    for name in lacking:
        first = alternatives(name)[0].removesuffix("-*")
        near = may_be(first, free)
        if near:
            rules.append(f"{near[0].strip()}={first}")
            free.remove(near[0])
        else:
            missing.append(first)
    if missing:
        return under_another_name(missing)
    return f" To take another channel for it: --rename '{','.join(rules)}'." if rules else ""


def under_another_name(missing: Sequence[str]) -> str:
    """Return a sentence on how a person names channels of a model that a recording may have.

    >>> under_another_name(["O1", "O2"])
    " If it has O1 and O2 under other names: --rename 'NAME=O1,NAME=O2'."
    """
    rules = ",".join(f"NAME={name}" for name in missing)
    names = "another name" if len(missing) == 1 else "other names"
    return f" If it has {' and '.join(missing)} under {names}: --rename '{rules}'."


def otherwise_measured(names: Sequence[str], recording: Recording) -> list[str]:
    """Return a line if a channel's reference differs from that of its name in the run.

    Args:
        names: Of the run.
        recording: It has them all.
    """
    own = locate(names, recording)
    messages = [line for n, c in zip(names, own, strict=True) if (line := taken(n, c.name))]
    where = recording.name if recording.path is None else recording.path.name
    return (
        [f"{where}: channel {'; '.join(messages)}: not the same {_other(messages)}"]
        if messages
        else []
    )


def _other(messages: Sequence[str]) -> str:
    """Return what differs: the electrode too, where alternatives were asked for."""
    return "derivation" if any(" stands for " in line for line in messages) else "reference"


def otherwise_measured_in(
    requested: Sequence[str], choice: ChannelChoice, recordings: Sequence[Recording]
) -> list[str]:
    """Return the lines of `otherwise_measured` for a training, equal ones once.

    Args:
        requested: What was typed.
        choice: What came of it.
        recordings: All that are used.
    """
    found: dict[str, list[str]] = {}
    named = [
        w
        for w in requested
        if w.lower() not in (AUTO, *TYPE_WORDS) and (len(alternatives(w)) > 1 or not is_pattern(w))
    ]
    for recording in recordings:
        own = _names(recording)
        typed = [line for w in named if (line := taken(w, own[find(w, own, "")]))]
        rest = [
            line
            for n, c in zip(choice.names, locate(choice.names, recording), strict=True)
            if (line := taken(n, c.name)) and not any(c.name.strip() in t for t in typed)
        ]
        for line in dict.fromkeys((*typed, *rest)):
            found.setdefault(line, []).append(recording.name)
    return [
        f"channel {line} in {len(names)} of {len(recordings)} recordings ({', '.join(names[:3])}"
        f"{', ...' if len(names) > 3 else ''}): not the same {_other([line])}"
        for line, names in found.items()
    ]


def native_rate(channels: Sequence[Channel], recording: Recording) -> float:
    """Return the common sampling rate of the channels, Hz.

    Raises:
        DataError: They differ; says which has which.
    """
    rates = {c.rate for c in channels}
    if len(rates) > 1:
        listed = ", ".join(f"{_tidy(c.name)} {c.rate:g} Hz" for c in channels)
        raise DataError(
            f"recording '{recording.name}': the chosen channels differ in rate ({listed}); "
            "choose channels of one rate with --channels."
        )
    return rates.pop()


def _automatic(recordings: Sequence[Recording]) -> tuple[list[Channel], str]:
    first = recordings[0]
    eeg = [c for c in first.channels if c.kind == "eeg"]
    if not eeg:
        raise DataError(
            f"recording '{first.name}' has no EEG channel. {_listed(first)}; "
            "choose by name with --channels."
        )
    rate = Counter(c.rate for c in eeg).most_common(1)[0][0]
    candidates = [c for c in first.channels if c.kind in ("eeg", "eog") and c.rate == rate]
    found = _common(candidates, recordings)
    bad = _mostly_bad(found, recordings)
    common = [c for c in found if c not in bad]
    often = "in half of the recordings or more" if len(recordings) > 1 else f"in '{first.name}'"
    if bad and not any(c.kind == "eeg" for c in common):
        raise DataError(
            f"the EEG channels are marked bad {often} ({_named(bad)}); choose by name with --channels, or "
            "leave out the recordings that differ."
        )
    without = f", without {_named(bad)}, marked bad {often}" if bad else ""
    picked, reason = _at_most([c for c in candidates if c not in bad], common, recordings)
    return picked, reason + without


def _mostly_bad(channels: Sequence[Channel], recordings: Sequence[Recording]) -> list[Channel]:
    """Return the common channels that are marked bad in at least half of the recordings."""
    marked = [r for r in recordings if any(c.bad for c in r.channels)]
    if 2 * len(marked) < len(recordings):
        return []
    times = [sum(locate([_tidy(c.name)], r)[0].bad for r in marked) for c in channels]
    return [c for c, n in zip(channels, times, strict=True) if 2 * n >= len(recordings)]


def _named(channels: Sequence[Channel]) -> str:
    return ", ".join(_tidy(c.name) for c in channels)


def _at_most(
    candidates: Sequence[Channel], common: list[Channel], recordings: Sequence[Recording]
) -> tuple[list[Channel], str]:
    """Return the common channels, or a selection of very many, and how it was made."""
    first = recordings[0]
    if not any(c.kind == "eeg" for c in common):
        raise DataError(
            f"no EEG channel is in all {len(recordings)} recordings. {_listed(first)}; "
            "choose by name with --channels, or leave out the recordings that differ."
        )
    if len(common) <= MOST:
        return common, f"auto: all EEG and EOG{_not_in_all(candidates, common, recordings)}"
    regions = [c for r in REGIONS for c in common if c.kind == "eeg" and _same(r, c)]
    eog = [c for c in common if c.kind == "eog"]
    if not regions:
        rest = [c for c in common if c.kind == "eeg"][: max(1, MOST - len(eog))]
        which = "EEG and EOG" if eog else "EEG"
        return [*rest, *eog], f"auto: {which}, the first {len(rest)} of {len(common)} channels"
    which = "regions and EOG" if eog else "regions"
    return [*regions, *eog], f"auto: {which}, of {len(common)} channels"


def _not_in_all(
    candidates: Sequence[Channel], common: Sequence[Channel], recordings: Sequence[Recording]
) -> str:
    """Return a phrase on channels of the first recording that others lack."""
    lost = [c for c in candidates if c not in common]
    if not lost:
        return ""
    lacking = [r.name for r in recordings if not all(_has(c, r) for c in lost)]
    more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    names = ", ".join(_tidy(c.name) for c in lost)
    return f" that all recordings have, so without {names} (not all of them in {lacking[0]}{more})"


def _common(channels: Sequence[Channel], recordings: Sequence[Recording]) -> list[Channel]:
    """Return the channels that every recording has."""
    return [c for c in channels if all(_has(c, r) for r in recordings)]


def _has(channel: Channel, recording: Recording) -> bool:
    try:
        find(_tidy(channel.name), _names(recording), recording.name)
    except DataError:
        return False
    return True


def _same(requested: str, channel: Channel) -> bool:
    try:
        return find(requested, [channel.name], "") == 0
    except DataError:
        return False


def _names(recording: Recording) -> list[str]:
    return [c.name for c in recording.channels]


def _tidy(name: str) -> str:
    return name.strip().rstrip(".").strip()


def _listed(recording: Recording) -> str:
    listed = ", ".join(f"{_tidy(c.name)} ({c.kind})" for c in recording.channels[:40])
    return f"Recording '{recording.name}' has {listed or 'no channels'}"
