"""Channels that a recording lacks and that its others add up to: ``O1-M2`` from ``O1-Cz`` and ``M2-Cz``.

Each channel is a difference of two potentials, that of its electrode and that of what it is measured
against, another electrode or a reference that several channels share. A derivation is a way from one to the
other along these differences, the shortest there is. Channels whose names state no reference share one that
nobody knows, as the channels of an amplifier do; it cancels out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data.channels import Derivation, electrode_of, is_reference, kind_of, plain, site_kind
from memcell_data.recording import Block, Channel, LostChannels, Recording, Signal

#: Electrodes of the scalp whose mean is an average reference: the 10-20 system has 19.
LEAST_AVERAGE = 16

#: Names of channels to what each is multiplied by; the sum is the derivation.
Weights = Mapping[str, float]


class NotDerivable(DataError):
    """A derivation that a recording's channels do not add up to."""


def derive(site: str, reference: str, channels: Sequence[Channel]) -> dict[str, float]:
    """Return the channels that add up to an electrode against a reference, and their weights.

    Args:
        site: The electrode, as `Derivation.site` has it.
        reference: As `Derivation.kept` has it: ``"m2"``, ``"ears"``, ``"average"``.
        channels: Of the recording; those that are marked bad are not used.

    Raises:
        NotDerivable: They do not; says what is missing.
    """
    own = [c for c in channels if _node(c.name, c.kind) and not c.bad]
    start = electrode_of(site) or site
    rates = dict.fromkeys(c.rate for c in own if start in _ends(c))
    if not rates:
        raise NotDerivable(f"no channel of electrode {site.capitalize()}")
    reasons = []
    for rate in rates:
        try:
            return _Ways([c for c in own if c.rate == rate]).sum(start, reference)
        except NotDerivable as error:
            reasons.append(error)
    raise reasons[0]


def in_words(weights: Weights, most: int = 4) -> str:
    """Return a sum of channels for a person to read.

    >>> in_words({"O1-Cz": 1.0, "M2-Cz": -1.0})
    'O1-Cz - M2-Cz'
    """
    if len(weights) > most:
        return f"a sum of {len(weights)} channels"
    text = ""
    for name, weight in weights.items():
        size = "" if abs(weight) == 1 else f"{abs(weight):.3g} "
        sign = "-" if weight < 0 else "+"
        text += (
            f" {sign} {size}{name.strip()}" if text else f"{'-' * (weight < 0)}{size}{name.strip()}"
        )
    return text


def derived(recording: Recording, sums: Mapping[str, Weights]) -> Recording:
    """Return a recording that has sums of its channels as channels too.

    Args:
        recording: The recording.
        sums: By the name of the new channel, which takes the place of one of that name; an eye's or the
            chin's is of that kind, any other an EEG channel.
    """
    if not sums:
        return recording
    rates = {c.name: c.rate for c in recording.channels}
    own = [c.name for c in recording.channels]
    new = tuple(
        Channel(
            name=name, kind=_body(kind_of(name, own)), rate=rates[next(iter(weights))], unit="uV"
        )
        for name, weights in sums.items()
    )
    taken = {plain(name) for name in sums}
    rest = tuple(c for c in recording.channels if plain(c.name) not in taken)
    listed = sorted((name, sorted(weights.items())) for name, weights in sums.items())
    mark = sha256(repr(listed).encode()).hexdigest()[:16]
    return replace(
        recording,
        channels=(*new, *rest),
        read=_Sums(recording, {name: dict(weights) for name, weights in sums.items()}),
        # features of a channel that had this name before are not its
        fingerprint=recording.fingerprint and f"{recording.fingerprint}-{mark}",
    )


def _body(kind: str) -> str:
    return kind if kind in ("eog", "emg") else "eeg"


def _node(name: str, kind: str) -> str:
    """Return the electrode of a channel; empty where it has none that others could be held against."""
    node = electrode_of(Derivation.of(name).site)
    # a cap that numbers its electrodes has an A1 that is no ear lobe, and an E1 that is at no eye
    expected = "misc" if is_reference(name) else site_kind(node)
    return node if kind == expected else ""


def _ends(channel: Channel) -> tuple[str, str]:
    d = Derivation.of(channel.name)
    against = electrode_of(d.against) if d.against else f"<{d.kept}>"
    return _node(channel.name, channel.kind), against


@dataclass
class _Ways:
    """The differences that channels of one rate measure, and ways along them."""

    channels: Sequence[Channel]
    _steps: dict[str, list[tuple[str, str, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for channel in self.channels:
            a, b = _ends(channel)
            self._steps.setdefault(a, []).append((b, channel.name, 1.0))
            self._steps.setdefault(b, []).append((a, channel.name, -1.0))

    def sum(self, start: str, reference: str) -> dict[str, float]:
        """Return the weights of one electrode against a reference.

        Raises:
            NotDerivable: There are none.
        """
        if reference not in ("ears", "average", ""):
            found = self._way(start, reference)
            if found is None:
                what = f"no channel that leads to {reference.capitalize()}"
                raise NotDerivable(
                    what if reference in self._steps else f"no {reference.capitalize()}"
                )
            return found
        direct = self._way(start, f"<{reference}>")
        if direct is not None:
            return direct
        if reference == "ears":
            return self._mean(start, ["m1", "m2"], "both M1 and M2 (or A1 and A2) are needed")
        if reference == "average":
            scalp = [
                n
                for n in self._steps
                if not n.startswith("<") and n not in ("m1", "m2") and site_kind(n) == "eeg"
            ]
            reached = [n for n in scalp if self._way(start, n) is not None]
            if len(reached) < LEAST_AVERAGE:
                raise NotDerivable(
                    f"an average reference needs {LEAST_AVERAGE} electrodes of the scalp, and it has "
                    f"{len(reached)}"
                )
            return self._mean(start, reached, "")
        raise NotDerivable("no reference is stated")

    def _mean(self, start: str, ends: Sequence[str], reason: str) -> dict[str, float]:
        total: dict[str, float] = {}
        for end in ends:
            way = self._way(start, end)
            if way is None:
                raise NotDerivable(reason)
            for name, weight in way.items():
                total[name] = total.get(name, 0.0) + weight / len(ends)
        return {name: weight for name, weight in total.items() if abs(weight) > 1e-12}

    def _way(self, start: str, end: str) -> dict[str, float] | None:
        """Return the shortest way, of equally short ones that of the first channels."""
        before: dict[str, tuple[str, str, float]] = {}
        queue, seen = deque([start]), {start}
        while queue:
            at = queue.popleft()
            if at == end:
                break
            for to, name, weight in self._steps.get(at, ()):
                if to not in seen:
                    seen.add(to)
                    before[to] = (at, name, weight)
                    queue.append(to)
        if end not in seen:
            return None
        way = []
        while end != start:
            end, name, weight = before[end]
            way.append((name, weight))
        return dict(reversed(way))


@dataclass(frozen=True)
class _Sums:
    """Reads sums of a recording's channels beside the channels themselves.

    Args:
        recording: The recording as it is.
        sums: By the names of the new channels.
    """

    recording: Recording
    sums: Mapping[str, Weights]

    def __call__(self, names: Sequence[str]) -> Signal:
        """Return channels as `Recording.read` says."""
        own = self.sources(names)
        with self._lost(names):
            signal = self.recording.read(own)
        return replace(
            signal, values=self._summed(names, own, signal.values), channels=tuple(names)
        )

    def blocks(
        self, names: Sequence[str], seconds: float, warn: Callable[[str], object]
    ) -> Iterator[Block]:
        """Yield channels as `Recording.blocks` says."""
        own = self.sources(names)
        with self._lost(names):
            for block in self.recording.blocks(own, seconds, warn):
                yield replace(block, values=self._summed(names, own, block.values))

    def _weights(self, name: str) -> Weights:
        return self.sums.get(name, {name: 1.0})

    def sources(self, names: Sequence[str]) -> list[str]:
        """Return the channels of the recording that channels are made of."""
        return list(dict.fromkeys(own for name in names for own in self._weights(name)))

    def _summed(
        self, names: Sequence[str], own: Sequence[str], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        rows = {name: i for i, name in enumerate(own)}
        out = np.empty((len(names), values.shape[1]))
        for i, name in enumerate(names):
            (first, weight), *rest = self._weights(name).items()
            out[i] = values[rows[first]] if weight == 1 else weight * values[rows[first]]
            # one after the other, so that blocks of any length have the same bits
            for other, weight in rest:
                out[i] += weight * values[rows[other]]
        return out

    @contextmanager
    def _lost(self, names: Sequence[str]) -> Iterator[None]:
        """Let a channel without a signal take along those that it is a part of."""
        try:
            yield
        except LostChannels as error:
            gone = [n for n in names if set(self._weights(n)) & set(error.channels)]
            raise LostChannels(str(error), gone) from error


def in_file(recording: Recording) -> list[str]:
    """Return the names of a recording's channels that `derived` did not make."""
    read = recording.read
    return [c.name for c in (read.recording if isinstance(read, _Sums) else recording).channels]


def beneath(recording: Recording, names: Sequence[str]) -> tuple[Recording, list[str]]:
    """Return the recording that `derived` was given, and its channels that others were made of."""
    read = recording.read
    if not isinstance(read, _Sums):
        return recording, list(names)
    return read.recording, read.sources(names)
