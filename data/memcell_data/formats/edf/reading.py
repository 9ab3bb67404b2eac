"""The reader of EDF, EDF+ and BDF: header, times and ranges are checked, then samples are decoded.

Samples come with the bits of MNE's numbers in microvolts, without MNE: it reads a file with a gap as if
there were none, takes an unknown unit for volts, raises without naming the file, and looks through the whole
of it for annotations before the first sample. Decoding is one pass over the file where there is a C compiler.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell_data import channel_lookup as lookup
from memcell_data import channels as names_of
from memcell_data import units
from memcell_data.formats.edf.header import EdfChannel, EdfHeader, read_header
from memcell_data.formats.edf.times import EdfTimes, read_times
from memcell_data.native.library import address, functions
from memcell_data.quality.amplitudes import Quality, checked, inspect
from memcell_data.recording import Block, Channel, Interval, Segment, Signal, block_length, split
from memcell_data.tables.bids import ChannelTable

#: Samples of all channels that are read at once; changes no result.
CACHED = 1 << 17
_SUFFIX = {2: ".edf", 3: ".bdf"}


@dataclass(frozen=True)
class EdfFile:
    """An EDF or BDF file; the header is read when first asked for, and nothing is kept open.

    Args:
        path: The file.
        unit: The unit of channels whose own is blank or unknown (``mV``) or of all (``all:mV``); empty takes
            that of ``table``, or refuses them.
        table: What BIDS says of its channels, where it does.
    """

    path: Path
    unit: str = ""
    table: ChannelTable | None = field(default=None, hash=False)

    @cached_property
    def header(self) -> EdfHeader:
        """The checked header."""
        return read_header(self.path)

    @cached_property
    def times(self) -> EdfTimes:
        """Record times, gaps and annotations."""
        return read_times(self.header)

    def channels(self) -> tuple[Channel, ...]:
        """Return the signals; those whose unit is no voltage are of kind ``"misc"``."""
        return tuple(
            Channel(name=c.label, kind=self._kind(c), rate=self.header.rate(c), unit=c.unit)
            for c in self.header.signals
        )

    def duration(self) -> float:
        """Return the seconds from the first sample to the end of the last record, gaps included."""
        return float(self.times.onsets[-1]) + self.header.seconds

    def declared_duration(self) -> float:
        """Return the seconds that the recording had before records were lost from the file."""
        lost = max(0, self.header.declared - self.header.records) * self.header.seconds
        return self.duration() + lost

    def annotations(self) -> tuple[Interval, ...]:
        """Return the annotations inside the file."""
        return self.times.annotations

    def format(self) -> str:
        """Return ``"EDF"``, ``"BDF"``, and ``"+C"`` or ``"+D"`` behind it where the file says so."""
        return ("EDF" if self.header.sample_bytes == 2 else "BDF") + (
            f"+{self.header.plus}" if self.header.plus else ""
        )

    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Return onset and length of each interruption, s."""
        ends = [
            float(self.times.onsets[i - 1]) + self.header.seconds
            for i in self.times.first_of_run[1:]
        ]
        firsts = [float(self.times.onsets[i]) for i in self.times.first_of_run[1:]]
        return tuple((end, first - end) for end, first in zip(ends, firsts, strict=True))

    def remarks(self) -> tuple[str, ...]:
        """Return what header and time stamps say is odd, one line each."""
        messages = units.overridden(
            self.path.name, [c.unit for c in self.header.signals], self.unit
        )
        return (*self.header.warnings, *self.times.warnings, *self._wide(), *messages)

    def _wide(self) -> list[str]:
        """Say which digital ranges no sample can fill; they give one scale all the same."""
        limit = 2 ** (8 * self.header.sample_bytes - 1)
        wide = [
            c
            for c in self.header.signals
            if c.digital[0] < c.digital[1] and not (-limit <= c.digital[0] and c.digital[1] < limit)
        ]
        if not wide:
            return []
        named = ", ".join(f"'{c.label}'" for c in wide[:5]) + (", ..." if len(wide) > 5 else "")
        low, high = wide[0].digital
        return [
            f"{self.path.name}: channel {named}: the digital range {low:g} to {high:g} is wider than "
            f"{8 * self.header.sample_bytes} bits; the scale that follows from it is used"
        ]

    def doubles(self) -> list[str]:
        """Return a line on each name that several signals have, with the names that they are read by."""
        found: dict[str, list[str]] = {}
        for c in self.header.signals:
            if c.label != c.written:
                found.setdefault(c.written, []).append(c.label)
        return [
            f"channel '{name}' is there {len(labels)} times, and is read as {' and '.join(labels)}: "
            f"--rename '{labels[0]}={name}' takes the first"
            for name, labels in found.items()
        ]

    def problems(self) -> dict[str, str]:
        """Return why a channel of a body's voltage cannot be read, by name, as far as the header tells."""
        found = {}
        for c in self.header.signals:
            try:
                self._find(c.label)
                if self._kind(c) != "misc":
                    self._check_scale(c)
            except DataError as error:
                found[c.label] = str(error)
        return found

    def read(self, names: Sequence[str]) -> Signal:
        """Read channels, in microvolts.

        Args:
            names: Channels, matched by `memcell_data.channel_lookup.find`.

        Returns:
            The channels in the order asked for, under the names of the file.

        Raises:
            DataError: A channel is not there, ambiguous, of another rate than the first, or has a
                range or unit that cannot be trusted.
        """
        opened = self._opened(names)
        return inspect(
            Signal(
                values=opened.samples(0, self.header.records * opened.per_record),
                rate=opened.rate,
                channels=opened.names,
                segments=self._segments(opened.per_record),
                warnings=self.remarks(),
            ),
            self.path,
            opened.kinds,
        )

    def blocks(
        self, names: Sequence[str], seconds: float, warn: Callable[[str], object]
    ) -> Iterator[Block]:
        """Yield channels in microvolts block by block; memory does not grow with the recording.

        Args:
            names: As for `read`.
            seconds: Most that a block lasts.
            warn: Told each line about the file, some after the last block.

        Raises:
            DataError: As `read`; what only the whole recording shows is raised after the last block.
        """
        opened = self._opened(names)
        for line in self.remarks():
            warn(line)
        most = block_length(seconds, opened.rate, len(opened.names))
        # What stays in the processor's cache, and no memory that the system takes back and clears each time.
        most = min(most, max(1, CACHED // len(opened.names)))
        # Whole data records where they are short enough, for no less is read.
        most = max(most // opened.per_record * opened.per_record, min(most, opened.per_record))
        parts = split(self._segments(opened.per_record), most, opened.samples, opened.rate)
        quality = Quality(opened.names, opened.kinds, opened.rate, self.path)
        yield from checked(parts, quality, opened.rate, warn)

    def _opened(self, names: Sequence[str]) -> _Opened:
        header = self.header
        channels = [self._find(name) for name in names]
        if not channels:
            raise DataError(f"{self.path}: no channel was asked for")
        self._check_rates(channels)
        to_microvolts = np.array([self._check_scale(c) for c in channels])
        mne_factors = np.array([units.mne_volts_per(c.unit) for c in channels])
        self._check_extension()
        return _Opened(
            file=self,
            channels=tuple(channels),
            kinds=tuple(self._kind(c) for c in channels),
            rate=header.rate(channels[0]),
            per_record=channels[0].samples,
            volts=mne_factors,
            factors=to_microvolts / mne_factors,
        )

    def _kind(self, channel: EdfChannel) -> str:
        kind = names_of.kind_of(channel.written, [c.written for c in self.header.signals])
        voltage = units.microvolts_per(channel.unit) is not None
        return kind if voltage or not channel.unit.strip() else "misc"

    def _find(self, name: str) -> EdfChannel:
        signals = self.header.signals
        return signals[lookup.find(name, [c.label for c in signals], str(self.path))]

    def _check_rates(self, channels: Sequence[EdfChannel]) -> None:
        rates = {c.label: self.header.rate(c) for c in channels}
        if len(set(rates.values())) > 1:
            listed = ", ".join(f"{label} {rate:g} Hz" for label, rate in rates.items())
            raise DataError(
                f"{self.path}: the wanted channels have different rates ({listed}); choose channels of "
                "one rate, reading the others apart"
            )
        if channels[0].samples == 0:
            raise DataError(
                f"{self.path}: channel '{channels[0].label}' has no sample in a data record"
            )

    def _check_scale(self, c: EdfChannel) -> float:
        where = f"{self.path}: channel '{c.label}'"
        if not all(math.isfinite(v) for v in (*c.physical, *c.digital)):
            raise DataError(
                f"{where}: its range is physical {c.physical}, digital {c.digital}; four finite numbers "
                "are needed to scale it"
            )
        if c.physical[0] == c.physical[1]:
            raise DataError(
                f"{where}: physical minimum and maximum are both {c.physical[0]:g}, so samples have no scale"
            )
        if not c.digital[0] < c.digital[1]:
            raise DataError(
                f"{where}: digital range {c.digital[0]:g} to {c.digital[1]:g}, expected a maximum above "
                "the minimum"
            )
        return units.resolve(c.unit, self._unit_told(c), where)

    def _unit_told(self, c: EdfChannel) -> str:
        """Return the unit that a person or a BIDS table gives to a channel; empty for none."""
        if self.unit or self.table is None:
            return self.unit
        return self.table.units.get(c.written.strip(), "")

    def _check_extension(self) -> None:
        suffix = _SUFFIX[self.header.sample_bytes]
        if self.path.suffix.lower() != suffix:
            raise DataError(
                f"{self.path}: holds {suffix[1:].upper()} data under another extension; rename it to "
                f"{self.path.stem}{suffix}"
            )

    def _segments(self, samples: int) -> tuple[Segment, ...]:
        firsts = self.times.first_of_run
        ends = (*firsts[1:], self.header.records)
        return tuple(
            Segment(
                start=first * samples, stop=end * samples, onset=float(self.times.onsets[first])
            )
            for first, end in zip(firsts, ends, strict=True)
        )


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """Channels of a file whose scales are checked, and no sample of which is held.

    Args:
        file: The file.
        channels: The wanted channels; one may stand there twice.
        kinds: Of each.
        rate: Hz.
        per_record: Samples in a data record.
        volts: ``[C]`` MNE's volts for each physical unit.
        factors: ``[C]`` microvolts for each of MNE's volts.
    """

    file: EdfFile
    channels: tuple[EdfChannel, ...]
    kinds: tuple[str, ...]
    rate: float
    per_record: int
    volts: NDArray[np.float64]
    factors: NDArray[np.float64]

    @property
    def names(self) -> tuple[str, ...]:
        """The channels' names."""
        return tuple(c.label for c in self.channels)

    def samples(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return samples ``[C, stop - start]`` in microvolts.

        Raises:
            DataError: The file has become shorter.
        """
        header, path = self.file.header, self.file.path
        first = start // self.per_record
        records = -(-stop // self.per_record) - first
        try:
            with path.open("rb") as file:
                file.seek(header.bytes + first * header.record_bytes)
                raw = np.fromfile(file, dtype=np.uint8, count=records * header.record_bytes)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
        if len(raw) != records * header.record_bytes:
            raise DataError(
                f"{path}: ends before sample {stop}, where its header promised more: it became shorter while "
                "it was read"
            )
        out = np.empty((len(self.channels), stop - start))
        skipped = start - first * self.per_record
        for row, channel, volts, factor in zip(
            out, self.channels, self.volts, self.factors, strict=True
        ):
            self._decode(raw, channel, skipped, (float(volts), float(factor)), row)
        return out

    def _decode(
        self,
        raw: NDArray[np.uint8],
        channel: EdfChannel,
        skipped: int,
        units: tuple[float, float],
        out: NDArray[np.float64],
    ) -> None:
        """Write a channel's samples, the first ones of the records skipped: each step as MNE takes it."""
        header = self.file.header
        (low, high), (least, most) = channel.physical, channel.digital
        scale = (high - low) / (most - least)
        offset = low - least * scale
        at, width = header.offset(channel), header.sample_bytes
        native = functions()
        if native is not None:
            places = (header.record_bytes, channel.samples, width, skipped, len(out))
            native.decode(address(raw) + at, *places, scale, offset, *units, address(out))
            return
        table = raw.reshape(-1, header.record_bytes)[:, at : at + channel.samples * width]
        stored = _integers(table.tobytes(), width)[skipped : skipped + len(out)]
        np.multiply(stored, scale, out=out)
        out += offset
        for factor in units:
            out *= factor


def _integers(raw: bytes, width: int) -> NDArray[np.float64]:
    if width == 2:
        return np.frombuffer(raw, dtype="<i2").astype(np.float64)
    parts = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3).astype(np.int32)
    unsigned = parts[:, 0] | parts[:, 1] << 8 | parts[:, 2] << 16
    return np.where(unsigned >= 2**23, unsigned - 2**24, unsigned).astype(np.float64)
