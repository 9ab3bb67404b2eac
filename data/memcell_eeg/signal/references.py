"""What a model's channels are measured against, and recordings whose channels are measured otherwise.

A run keeps, for each of its channels, the references that the names of its training recordings state, before
any renaming: ``O1-M2`` and ``O1-A2`` state M2, ``O1-LE`` linked ears, ``O1-AVG`` an average, and ``O1``,
``O1-Ref`` none. A prediction holds a recording's against them:

- the same, or none stated by one of them where both are of one electrode alone: it is taken (and said);
- two that differ: it is refused, with what to type. ``--reference as-is`` takes the electrode whatever it is
  measured against, ``--reference model`` computes what the model was trained with from the recording's other
  channels, and a reference that is named (``M2``, ``M1+M2``, ``average``) is computed from them;
- whoever renames a channel to the model's says that it may be taken.

A model that takes any reference (``Cz-*``) takes any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from memcell.errors import DataError
from memcell_data.channel_lookup import AmbiguousChannel, MissingChannel, find, may_be
from memcell_data.channels import (
    Derivation,
    alternatives,
    electrode_of,
    reference_in_words,
    site_kind,
)
from memcell_data.derivations import NotDerivable, derive, derived, in_file, in_words
from memcell_data.recording import Channel, Recording
from memcell_data.renaming import name_in_file
from memcell_eeg.signal.channels import locate, under_another_name
from memcell_eeg.signal.reference_words import AS_IS, MODEL, reference_named

#: Where the facts of a run have them.
FACT = "references"


def stated_in(names: Sequence[str], recordings: Sequence[Recording]) -> dict[str, list[str]]:
    """Return the references that recordings state of the channels of a run, for its facts."""
    found: dict[str, set[str]] = {name: set() for name in names}
    for recording in recordings:
        for name, channel in zip(names, locate(names, recording), strict=True):
            found[name].add(Derivation.of(name_in_file(recording, channel.name)).kept)
    return {name: sorted(kept) for name, kept in found.items()}


class OtherMontage(DataError):
    """A recording whose channels are not the model's, and what to type so that it is taken.

    Args:
        message: What is wrong and what may be typed.
        options: Options of ``memcell predict`` under which it is taken; empty where there are none.
    """

    def __init__(self, message: str, options: Mapping[str, Any]) -> None:
        super().__init__(message, dict(options))
        self.options = dict(options)

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, kw_only=True)
class References:
    """The references of a model's channels.

    Args:
        channels: The model's.
        known: The references that its training recordings stated, by channel; empty for a run that did not
            keep them, of which the channels' names are all that is known.
        cancels: The mean of the EEG channels is subtracted from each of them.
    """

    channels: tuple[str, ...] = ()
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cancels: bool = False

    @classmethod
    def of(cls, channels: Sequence[str], facts: Mapping[str, Any], reference: str) -> References:
        """Return those of a model.

        Args:
            channels: Its channels.
            facts: Of its run.
            reference: Its option ``reference``.
        """
        known = facts.get(FACT) or {}
        return cls(
            channels=tuple(channels),
            known={name: tuple(known[name]) for name in channels if known.get(name)},
            cancels=reference == "average",
        )

    def stated(self, channel: str) -> tuple[str, ...]:
        """Return the references of one channel, ``""`` for none stated; nothing where any will do."""
        if any("*" in word for word in alternatives(channel)):
            return ()
        kept = self.known.get(channel, ())
        own = tuple(Derivation.of(word).kept for word in alternatives(channel))
        return tuple(dict.fromkeys((*kept, *own))) if kept else own

    def words(self, channel: str) -> str:
        """Return the references of one channel for a person to read."""
        stated = self.stated(channel)
        if not stated:
            return "with any reference"
        named = [reference_in_words(kept) for kept in stated if kept]
        if not named:
            return "no reference is given"
        return " or ".join(named) + (
            " (or not stated)" if "" in stated and channel not in self.known else ""
        )

    def differs(self, channel: str, name: str) -> bool:
        """Whether a recording's channel states another reference than the model's channel has."""
        kept = Derivation.of(name).kept
        stated = [word for word in self.stated(channel) if word]
        return bool(kept and stated) and kept not in stated

    def unstated(self, channel: str, recording: Recording) -> bool:
        """Whether a recording's channel states no reference where the model's is known to have one."""
        names = [c.name for c in recording.channels]
        stated = self.stated(channel) if channel in self.known else ()
        kept = Derivation.of(names[find(channel, names, "")]).kept
        return bool(stated) and not kept and "" not in self.known[channel]

    def lines(self, recording: Recording) -> list[str]:
        """Return a line on the channels of a recording that state no reference where the model's is known."""
        listed = [
            f"'{c.name}' states no reference, and the model's was measured {self._known_words(n)}"
            for n, c in zip(self.channels, locate(self.channels, recording), strict=True)
            if self.unstated(n, recording)
        ]
        return ["; ".join(listed)] if listed else []

    def _known_words(self, channel: str) -> str:
        return " or ".join(reference_in_words(kept) for kept in self.known[channel] if kept)

    def check(self, recording: Recording) -> tuple[Channel, ...]:
        """Return the recording's channels for the model's.

        Raises:
            OtherMontage: It lacks one, or one has another reference; says what to type.
            DataError: One is ambiguous.
        """
        try:
            own = locate(self.channels, recording)
        except MissingChannel as error:
            raise self._refused(recording, error.has) from error
        except AmbiguousChannel as error:
            rules = list(error.rules[:1])
            raise OtherMontage(str(error), {"rename": rules} if rules else {}) from error
        pairs = [
            (n, c)
            for n, c in zip(self.channels, own, strict=True)
            if self.differs(n, c.name) and not (self.cancels and self._one_reference(own))
        ]
        if pairs:
            listed = ", ".join(
                f"'{c.name}' is measured {reference_in_words(Derivation.of(c.name).kept)}, and the model's "
                f"'{alternatives(n)[0]}' {self.words(n)}"
                for n, c in pairs[:3]
            )
            raise self._refused(recording, f"recording '{recording.name}': channel {listed}.")
        return own

    def only(self, channels: Sequence[str]) -> References:
        """Return those of some of the model's channels."""
        return replace(self, channels=tuple(channels))

    def check_stream(self, where: str, names: Sequence[str]) -> None:
        """Refuse a stream that states other references.

        Args:
            where: The stream, for the message.
            names: Its channels that are the model's, in the model's order, as they are called after renaming.

        Raises:
            DataError: It states one; says what to type.
        """
        pairs = [(c, n) for c, n in zip(self.channels, names, strict=True) if self.differs(c, n)]
        if self.cancels and len({Derivation.of(n).kept for n in names}) == 1:
            return
        if pairs:
            listed = ", ".join(
                f"'{n.strip()}' is measured {reference_in_words(Derivation.of(n).kept)}, and the model's "
                f"'{alternatives(c)[0]}' {self.words(c)}"
                for c, n in pairs[:3]
            )
            rules = ",".join(f"{n.strip()}={alternatives(c)[0]}" for c, n in pairs)
            raise DataError(
                f"{where}: channel {listed}. To take it all the same: --rename '{rules}'."
            )

    def _one_reference(self, own: Sequence[Channel]) -> bool:
        """Whether all EEG channels are measured against the same, which their mean takes away."""
        return len({Derivation.of(c.name).kept for c in own if c.kind == "eeg"}) == 1

    def fitted(self, recording: Recording, how: str) -> tuple[Recording, list[str]]:
        """Return a recording that has channels as ``--reference`` says, and a line on them.

        Args:
            recording: The recording.
            how: `AS_IS`, `MODEL`, or a reference.

        Raises:
            DataError: They cannot be had.
        """
        if how == AS_IS:
            return self._as_is(recording)
        sums: dict[str, Mapping[str, float]] = {}
        for channel in self.channels:
            has = how == MODEL and self._has(channel, recording)
            if has and not self.unstated(channel, recording):
                continue
            try:
                found = self._computed(channel, recording, how)
            except DataError:
                if not has:
                    raise
                continue  # it states no reference, and may be the model's
            if found is not None:
                sums[channel] = found
        line = "; ".join(
            f"'{alternatives(name)[0]}' is computed as {in_words(weights)}"
            for name, weights in sums.items()
            if list(weights.values()) != [1.0] or next(iter(weights)) != name
        )
        return derived(recording, sums), [f"--reference {how}: {line}"] if line else []

    def _computed(self, channel: str, recording: Recording, how: str) -> Mapping[str, float] | None:
        """Return the sum of channels for one of the model's; None for what is no electrode's."""
        reasons = []
        for word in alternatives(channel):
            d = Derivation.of(word.removesuffix("-*"))
            kind = site_kind(electrode_of(d.site))
            # a typed reference is the EEG's; an eye's may be against the same electrode, a chin's is not
            if not electrode_of(d.site) or (
                how != MODEL
                and (kind == "emg" or (kind == "eog" and reference_named(how) == "average"))
            ):
                continue
            known = [kept for kept in self.stated(channel) if kept]
            wanted = known if how == MODEL else [reference_named(how)]
            if known and wanted[0] not in known:
                reasons.append(
                    f"the model's '{channel}' is measured {self.words(channel)}: type --reference model, "
                    "which computes that, or --reference as-is"
                )
                continue
            if not wanted:
                reasons.append(
                    f"what the model's '{channel}' is measured against is not known; name a reference, "
                    "such as --reference M2, or type --reference as-is"
                )
            for reference in wanted:
                try:
                    return derive(d.site, reference, recording.channels)
                except NotDerivable as error:
                    reasons.append(
                        f"{d.site.capitalize()} {reference_in_words(reference)} cannot be computed: {error}"
                    )
        if not reasons:
            return None
        names = ", ".join(name.strip() for name in in_file(recording)[:40])
        raise DataError(
            f"recording '{recording.name}': --reference {how}: {reasons[0]}. It has: {names}."
        )

    def _as_is(self, recording: Recording) -> tuple[Recording, list[str]]:
        """Return a recording whose channels of the model's electrodes have the model's names."""
        sums: dict[str, Mapping[str, float]] = {}
        for channel in self.channels:
            if self._has(channel, recording):
                continue
            hits = self.same_electrode(channel, [c.name for c in recording.channels])
            if len(hits) > 1:
                listed = " or ".join(
                    f"--rename '{n.strip()}={alternatives(channel)[0]}'" for n in hits[:3]
                )
                raise DataError(
                    f"recording '{recording.name}' has several channels of the electrode of '{channel}': "
                    f"type {listed} instead of --reference as-is."
                )
            if hits:
                sums[channel] = {hits[0]: 1.0}
        words = [
            f"'{name.strip()}' ({Derivation.of(name).reference}) is taken for "
            f"'{alternatives(channel)[0]}' ({self.words(channel)})"
            for channel, weights in sums.items()
            for name in weights
        ]
        return derived(recording, sums), [f"--reference as-is: {'; '.join(words)}"] if words else []

    def _has(self, channel: str, recording: Recording) -> bool:
        """Whether a recording has a channel of the model as it is, with a reference that will do."""
        names = [c.name for c in recording.channels]
        try:
            return not self.differs(channel, names[find(channel, names, "")])
        except MissingChannel:
            return False

    def same_electrode(self, channel: str, names: Sequence[str]) -> list[str]:
        """Return those of a recording's channels that are of the electrode of one of the model's."""
        sites = [Derivation.of(w.removesuffix("-*")).site for w in alternatives(channel)]
        return [name for name in names if Derivation.of(name).site in sites]

    def _refused(self, recording: Recording, reason: str) -> OtherMontage:
        """Return the refusal of a recording, with the options under which it is taken."""
        try:
            computed, _ = self.fitted(recording, MODEL)
            self.check_located(computed)
        except DataError:
            pass
        else:
            return OtherMontage(
                f"{reason} Its other channels add up to what the model was trained with: --reference model "
                "computes it; --reference as-is takes the electrode as it is measured.",
                {"reference": MODEL},
            )
        try:
            taken, lines = self.fitted(recording, AS_IS)
            self.check_located(taken)
        except DataError:
            pass
        else:
            if lines:
                return OtherMontage(
                    f"{reason} To take it whatever it is measured against: --reference as-is.",
                    {"reference": AS_IS},
                )
        return self._to_rename(recording, reason)

    def check_located(self, recording: Recording) -> None:
        """Refuse a recording that lacks a channel of the model under its own name.

        Raises:
            DataError: It does.
        """
        locate(self.channels, recording)

    def _to_rename(self, recording: Recording, reason: str) -> OtherMontage:
        """Return the refusal with the rules of renaming by which other channels are taken."""
        rules: list[str] = []
        missing: list[str] = []
        own = in_file(recording)
        for channel in self.channels:
            if self._has(channel, recording):
                continue
            first = alternatives(channel)[0].removesuffix("-*")
            near = self.same_electrode(channel, own) or may_be(first, own)
            near = [n for n in near if not any(r.startswith(f"{n.strip()}=") for r in rules)]
            if near and "=" not in near[0] + first and "*" not in near[0] and "," not in near[0]:
                rules.append(f"{near[0].strip()}={first}")
            else:
                missing.append(first)
        trained = ", ".join(alternatives(c)[0] for c in self.channels)
        text = f"{reason} The model was trained on the channels {trained}."
        if missing:
            return OtherMontage(text + under_another_name(missing), {})
        return OtherMontage(
            f"{text} To take another channel for it: --rename '{','.join(rules)}'.",
            {"rename": rules} if rules else {},
        )


def check_references(found: Any) -> None:
    """Refuse a fact of a stored run that no run writes.

    Raises:
        ValueError: It is no mapping of names to references.
    """
    if not isinstance(found, Mapping):
        raise ValueError(f"{FACT} is no object")
    for words in found.values():
        if not isinstance(words, list | tuple) or not all(isinstance(w, str) for w in words):
            raise ValueError(f"{FACT} holds what is no list of names")


def any_known(names: Iterable[str], facts: Mapping[str, Any]) -> bool:
    """Whether a run kept the references of its channels."""
    kept = facts.get(FACT) or {}
    return any(name in kept for name in names)
