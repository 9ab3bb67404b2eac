"""One recording as a `Viewer` of a page: signals, lines, bars, levels, events, and the bytes of all that.

What is long is bytes (`memcell.reports.viewer.coding`), the rest is JSON whose foreign texts are one line
each, nothing unseen in them. `MOST` bounds the whole; what does not fit is left out at the end, and said.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.escape import line as one_line
from memcell.reports.numbers import count, length
from memcell.reports.palette import DASHES
from memcell.reports.parts import Viewer
from memcell.reports.viewer.coding import pack_integers
from memcell.reports.viewer.packing import BLOCK, CHUNK, WINDOW, PackedSignals

Spans = Sequence[tuple[float, float]]

#: Characters of a view on a page; a page of one recording stays below 5 MB.
MOST = 4_700_000
#: Steps of a line; those of more are joined, the largest of each group shown.
MOST_STEPS = 150_000
MOST_EVENTS = 10_000
#: Bars and stages of a row.
MOST_SPANS = 5_000


@dataclass(frozen=True, kw_only=True)
class ViewedLine:
    """Steps of a value from 0 to 1.

    Args:
        name: What it is.
        times: ``[n]`` start of each step, s.
        values: ``[n]``.
        step: Seconds of a step.
        threshold: Drawn across; NaN for none.
        look: Its place among the colours and dashes.
    """

    name: str
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    step: float
    threshold: float = math.nan
    look: int = 0


@dataclass(frozen=True, kw_only=True)
class ViewedBars:
    """A row of bars.

    Args:
        name: Of the row.
        spans: (from, to) in s.
        colour: A class of `memcell.reports.palette`.
        behind: They are drawn behind the signals too.
        words: Of each bar, told where one points at it; empty for none.
    """

    name: str
    spans: Spans
    colour: str
    behind: bool = False
    words: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class ViewedLevels:
    """A staircase: what it is, its levels from the top, and (from, to, level) in order."""

    title: str
    names: Sequence[str]
    spans: Sequence[tuple[float, float, int]]


@dataclass(frozen=True, kw_only=True)
class ViewedEvent:
    """An event of the list: seconds, the largest value of its line (NaN where unknown), and a word on it."""

    onset: float
    duration: float
    peak: float = math.nan
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class View:
    """What is shown of one recording.

    Args:
        name: Of the recording.
        duration: Seconds from its start to its end.
        lines: The first one is drawn in the overview too.
        recorded: (from, to) of the stretches that were recorded; empty for all of it.
        events: In order of onset.
        event: What an event is called, in the plural.
    """

    name: str
    duration: float
    lines: Sequence[ViewedLine] = ()
    bars: Sequence[ViewedBars] = ()
    levels: ViewedLevels | None = None
    signals: PackedSignals | None = None
    recorded: Spans = ()
    events: Sequence[ViewedEvent] = ()
    event: str = "events"
    notes: Sequence[str] = field(default=())

    def part(self, most: int = MOST) -> Viewer:
        """Return the part of a page, of at most so many characters."""
        part = _part(self)
        if part.size <= most or self.signals is None:
            return part
        chunks = list(self.signals.chunks)
        over = part.size - most + 2000  # the sentence that says so
        while chunks and over > 0:
            over -= 4 * math.ceil(len(chunks.pop()) / 3)
        from_here = len(chunks) * CHUNK
        chunks += [b""] * (len(self.signals.chunks) - len(chunks))
        said = f"From {length(from_here)} on only the envelope is shown, to keep the page small."
        kept = replace(self.signals, chunks=tuple(chunks))
        return _part(replace(self, signals=kept, notes=[*self.notes, said]))


def _part(view: View) -> Viewer:
    signals, notes = view.signals, [*_about_signals(view.signals), *view.notes]
    lines, blobs = [], {}
    for i, given in enumerate(view.lines):
        drawn = _thinned(given)
        if len(drawn.times) < len(given.times):
            notes.append(
                f"Steps of {given.name} are joined to {drawn.step:g} s, the largest shown."
            )
        table = np.stack([np.rint(1000 * drawn.times), np.rint(1000 * drawn.values)])
        blobs[f"line{i}"] = _text(pack_integers(table.astype(np.int64)))
        dash = [float(n) for n in DASHES[drawn.look % len(DASHES)].split()]
        lines.append(
            {"name": one_line(drawn.name), "step": drawn.step, "colour": f"s{drawn.look}", "dash": dash,
             "threshold": _number(drawn.threshold)}
        )  # fmt: skip
    recorded = view.recorded or (signals.recorded if signals else ()) or [(0.0, view.duration)]
    blobs["recorded"] = _text(pack_integers(np.rint(1000 * np.array(recorded).T).astype(np.int64)))
    if signals is not None:
        blobs |= _signal_blobs(signals)
    kinds = list(dict.fromkeys(e.kind for e in view.events if e.kind))
    left = len(view.events) - MOST_EVENTS
    if left > 0:
        notes.append(
            f"The list has the first {count(MOST_EVENTS)} {view.event}; {count(left)} more are in the file."
        )
    header = {
        "name": one_line(view.name),
        "duration": view.duration,
        "signals": _signal_header(signals) if signals else None,
        "lines": lines,
        "bars": [
            {"name": one_line(b.name), "colour": b.colour, "behind": b.behind, "spans": _spans(b.spans),
             "words": [one_line(w[:200]) for w in b.words[:MOST_SPANS]] or None}
            for b in view.bars
        ],
        "levels": _levels(view.levels),
        "kinds": [one_line(k) for k in kinds],
        "events": [
            [round(e.onset, 3), round(e.duration, 3), kinds.index(e.kind) if e.kind else -1,
             _number(round(e.peak, 3))]
            for e in view.events[:MOST_EVENTS]
        ],
    }  # fmt: skip
    return Viewer(
        name=view.name, header=_script_safe(header), blobs=blobs, notes=notes, event=view.event,
        events=min(len(view.events), MOST_EVENTS), has_kinds=bool(kinds),
        channels=signals.channels if signals else (),
        legend=_legend(view),
    )  # fmt: skip


def _legend(view: View) -> list[tuple[str, str, str]]:
    """Return (words, class of the colour, look) of what is drawn, as `Legend` has them."""
    found = [(v.name, f"s{v.look}", DASHES[v.look % len(DASHES)]) for v in view.lines]
    if any(v.threshold == v.threshold for v in view.lines):
        found.append(("threshold", "ink", "4 3"))
    found += [(bar.name, bar.colour, "box") for bar in view.bars]
    return [*found, ("not recorded", "gap", "gap")]


def _thinned(given: ViewedLine) -> ViewedLine:
    """Return a line of at most `MOST_STEPS`, each the largest of a group without a gap in it."""
    every = math.ceil(len(given.times) / MOST_STEPS)
    if every < 2:
        return given
    cuts = np.flatnonzero(np.diff(given.times) > 1.5 * given.step) + 1
    starts = [
        np.arange(a, b, every) for a, b in zip([0, *cuts], [*cuts, len(given.times)], strict=True)
    ]
    at = np.concatenate(starts)
    values = np.maximum.reduceat(given.values, at)
    return replace(given, times=given.times[at], values=values, step=given.step * every)


def _about_signals(signals: PackedSignals | None) -> list[str]:
    if signals is None:
        return []
    low, middle, high = signals.steps
    if not any(signals.chunks):
        shown = f"Too long for a waveform: the lowest and highest value of each {signals.bin_seconds} s."
    else:
        steps = f"{low:.2g}" if low == high else f"{low:.2g} to {high:.2g} (mostly {middle:.2g})"
        shown = (
            f"Waveform at {signals.rate} Hz (recorded at {signals.native:g} Hz) in steps of {steps} "
            f"{signals.unit}, over .3 Hz, positive upwards; views longer than 20 min show its lowest and "
            "highest values."
        )
    return [shown, *([signals.note] if signals.note else [])]


def _signal_header(signals: PackedSignals) -> dict[str, Any]:
    return {
        "channels": [one_line(c) for c in signals.channels], "unit": one_line(signals.unit),
        "rate": signals.rate, "chunkSeconds": CHUNK, "blockSeconds": BLOCK,
        "lengths": [len(c) for c in signals.chunks],
        "binSeconds": signals.bin_seconds, "envelopeSteps": list(signals.envelope_steps),
        "columnSeconds": signals.column_seconds, "frequencies": signals.frequencies,
        "frequencyStep": 1 / WINDOW, "windowSeconds": WINDOW, "apart": signals.apart,
    }  # fmt: skip


def _signal_blobs(signals: PackedSignals) -> dict[str, str]:
    # each minute by itself, so that it can be cut out of the text and decoded alone
    found = {"wave": "".join(_text(c) for c in signals.chunks), "envelope": _text(signals.envelope)}
    return found | {f"spectrogram{i}": _text(s) for i, s in enumerate(signals.spectrogram)}


def _levels(levels: ViewedLevels | None) -> Mapping[str, Any] | None:
    if levels is None:
        return None
    spans = [[round(a, 3), round(b, 3), k] for a, b, k in levels.spans[:MOST_SPANS]]
    return {
        "title": one_line(levels.title),
        "names": [one_line(n) for n in levels.names],
        "spans": spans,
    }


def _spans(spans: Spans) -> list[list[float]]:
    return [[round(a, 3), round(b, 3)] for a, b in spans[:MOST_SPANS]]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _text(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _script_safe(header: Mapping[str, Any]) -> str:
    """Return JSON that can stand in a script element whatever its texts are."""
    text = json.dumps(header, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
