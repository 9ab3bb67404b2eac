"""Hostile streams of the lab streaming layer, one at a time, against ``memcell stream`` in another process.

``python -m tests.campaigns.hostile_streams [KIND ...]`` sends each kind of stream from a process of its own
over the loopback and holds what the monitor says against what it should. Common to all: it ends in time,
without a traceback; no gap is negative; onsets never run backwards.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tests.campaigns import command_line, forking
from tests.campaigns.smallest import model

RATE, SEED = 128.0, 0
NAMES = ["Fz", "O1", "O2"]
#: How long a monitor may take to end, s.
LIMIT = 25.0


# -- senders: each runs in a process of its own ------------------------------------------------------------


#: Outlets of a sender, which go away with their last reference.
_alive: list[Any] = []


class Outlet:
    """An outlet of EEG-like samples with stamps of its own."""

    def __init__(
        self,
        name: str,
        *,
        rate: float = RATE,
        labels: list[str] | None = None,
        unit: str = "microvolts",
        dtype: str = "float64",
        source: str = "",
    ) -> None:
        from mne_lsl.lsl import StreamInfo, StreamOutlet, local_clock

        labels = NAMES if labels is None else labels
        info = StreamInfo(
            name, "EEG", len(labels), rate, dtype, source or f"{name}-{os.getpid()}-{id(self)}"
        )
        info.set_channel_names(labels)
        info.set_channel_units([unit] * len(labels))
        self.labels, self.dtype = labels, dtype
        self.began = local_clock()
        self.outlet = StreamOutlet(info, chunk_size=8, max_buffered=3600)
        _alive.append(self)

    def send(self, stamps: Any, scale: float = 1.0, values: Any = None) -> None:
        """Send as many samples as there are stamps, as soon as somebody listens."""
        stamps = np.asarray(stamps, dtype=np.float64)
        if values is None:
            random = np.random.default_rng(SEED)
            values = random.normal(size=(len(stamps), len(self.labels))) * 20 * scale
        rows = np.ascontiguousarray(values.astype(self.dtype))
        self.outlet.wait_for_consumers(20)
        for at in range(0, len(rows), 16):
            self.outlet.push_chunk(rows[at : at + 16], np.ascontiguousarray(stamps[at : at + 16]))

    def seconds(self, n: float, rate: float = RATE) -> Any:
        """Return the stamps of n seconds at a rate."""
        return self.began + np.arange(round(n * RATE)) / rate


def text(name: str) -> None:
    from mne_lsl.lsl import StreamInfo, StreamOutlet

    outlet = StreamOutlet(StreamInfo(name, "Markers", 1, 0, "string", name))
    _alive.append(outlet)


def integers(name: str) -> None:
    one = Outlet(name, dtype="int16")
    one.send(one.seconds(10))


def irregular(name: str) -> None:
    Outlet(name, rate=0.0)


def no_channels(name: str) -> None:
    from mne_lsl.lsl import load_liblsl

    lib: Any = load_liblsl.load_liblsl()
    lib.lsl_create_streaminfo.restype = ctypes.c_void_p
    lib.lsl_create_outlet.restype = ctypes.c_void_p
    info = lib.lsl_create_streaminfo(
        name.encode(), b"EEG", 0, ctypes.c_double(RATE), 2, b"no-channels"
    )
    outlet = lib.lsl_create_outlet(ctypes.c_void_p(info), 8, 60) if info else None
    print("sent" if outlet else "refused", flush=True)


def twins(name: str) -> None:
    Outlet(name)
    Outlet(name)


def ends(name: str) -> None:
    one = Outlet(name)
    one.send(one.seconds(6))
    time.sleep(3.0)  # what was sent is on its way
    _alive.clear()


def fast(name: str) -> None:
    one = Outlet(name)
    one.send(one.seconds(60, 10 * RATE))


def fast_later(name: str) -> None:
    one = Outlet(name)
    good = one.seconds(10)
    one.send(np.concatenate([good, good[-1] + np.arange(1, 5000) / (10 * RATE)]))


def slow(name: str) -> None:
    one = Outlet(name)
    one.send(one.seconds(60, RATE / 3))


def backwards(name: str) -> None:
    one = Outlet(name)
    one.send(one.seconds(60)[::-1])


def jumping(name: str) -> None:
    one = Outlet(name)
    stamps = one.seconds(30)
    stamps[1280:] += 3600
    stamps[2560:] -= 7200
    one.send(stamps)


def constant(name: str) -> None:
    one = Outlet(name)
    one.send(np.full(5000, one.began))


def no_numbers(name: str) -> None:
    one = Outlet(name)
    stamps = one.seconds(10)
    stamps[::3] = np.nan
    stamps[:50] = np.nan
    one.send(stamps)


def milliseconds(name: str) -> None:
    one = Outlet(name)
    one.send(1e3 * one.seconds(10))


def other_clock(name: str) -> None:
    one = Outlet(name)
    one.send(1.7e9 + np.arange(1280) / RATE)


def bad_samples(name: str) -> None:
    one = Outlet(name)
    values = np.random.default_rng(SEED).normal(size=(2560, 3)) * 20
    values[1000:1010, 1] = np.nan
    values[1300, 2] = np.inf
    values[1600:1700] = -np.inf
    one.send(one.seconds(20), values=values)


def huge_rate(name: str) -> None:
    Outlet(name, rate=1e9)


def odd_rate(name: str) -> None:
    one = Outlet(name, rate=127.93)
    one.send(one.began + np.arange(1280) / 127.93)


def _comes_back(name: str, **how: Any) -> None:
    one = Outlet(name)
    one.send(one.seconds(8))
    time.sleep(4.0)
    _alive.clear()
    del one
    scale = how.pop("scale", 1.0)
    again = Outlet(name, **how)
    again.send(again.seconds(8), scale)


def back_with_another_rate(name: str) -> None:
    _comes_back(name, rate=256.0)


def back_with_another_order(name: str) -> None:
    _comes_back(name, labels=["O2", "EOG", "Cz", "O1", "Fz"])


def back_with_another_unit(name: str) -> None:
    _comes_back(name, unit="millivolts", scale=1e-3)


def back_without_channels(name: str) -> None:
    _comes_back(name, labels=["C3", "C4"])


# -- what the monitor should make of them ------------------------------------------------------------------


@dataclass(kw_only=True)
class Kind:
    """A kind of stream and what should be seen.

    Args:
        send: Sends it.
        code: The exit code.
        says: Words on the error output.
        steps: Least and most steps.
        gaps: Least and most gaps.
        duration: Of signal after which the monitor ends by itself, s; 0: it is ended by SIGTERM once
            ``until`` stood on the error output.
        until: As above.
    """

    send: Callable[[str], None]
    code: int = 0
    says: list[str] = field(default_factory=list)
    steps: tuple[int, int] = (0, 0)
    gaps: tuple[int, int] = (0, 0)
    duration: float = 0.0
    until: str = ""


TEN = (40, 50)  # steps of .2 s in ten seconds, less the first window
KINDS: dict[str, Kind] = {
    k.send.__name__: k
    for k in [
        Kind(send=text, code=1, says=["contains text"]),
        Kind(send=integers, duration=10, steps=TEN),
        Kind(send=irregular, code=1, says=["no regular rate"]),
        Kind(send=no_channels, code=1, says=[""]),
        Kind(send=twins, code=1, says=["there are 2 streams"]),
        Kind(send=ends, until="waiting for it", says=["nothing from stream"], steps=(20, 30)),
        Kind(
            send=fast, code=1, says=["128 Hz", "1280 Hz", "rate is wrong"], gaps=(3, 5), steps=(0, 5)
        ),
        Kind(
            send=fast_later, until="waiting for it",
            says=["1280 Hz", "rate is wrong", "results are unreliable"],
            steps=(40, 260), gaps=(5, 500),
        ),
        Kind(send=slow, code=1, says=["128 Hz", "42.67 Hz", "rate is wrong"], gaps=(3, 5)),
        Kind(send=backwards, code=1, says=["run backwards"], gaps=(3, 5)),
        Kind(
            send=jumping, duration=30, says=["set forward by 3600", "set back by 7200"],
            steps=(120, 150), gaps=(2, 2),
        ),
        Kind(send=constant, code=1, says=["do not advance"], gaps=(3, 5), steps=(0, 5)),
        Kind(send=no_numbers, duration=10, says=["without a time stamp"], steps=TEN, gaps=(0, 1)),
        Kind(send=milliseconds, code=1, says=["0.128 Hz", "rate is wrong"], gaps=(3, 5)),
        Kind(send=other_clock, duration=10, steps=TEN),
        Kind(send=bad_samples, duration=20, steps=(60, 100), gaps=(3, 3)),
        Kind(send=huge_rate, code=1, says=["1e+09 Hz"]),
        Kind(send=odd_rate, duration=10, steps=TEN),
        Kind(
            send=back_with_another_rate, until="came back with", says=["256 Hz instead of 128 Hz"],
            steps=(30, 40),
        ),
        Kind(send=back_with_another_order, duration=16, steps=(60, 80), gaps=(1, 1)),
        Kind(send=back_with_another_unit, duration=16, steps=(60, 80), gaps=(1, 1)),
        Kind(send=back_without_channels, until="'O1'", says=["It has: C3, C4"], steps=(30, 40)),
    ]
}  # fmt: skip


def tried(kind: Kind, name: str, trained: Path, out: Path) -> list[str]:
    """Send a kind of stream to a monitor; return what is wrong with what that made of it."""

    def send() -> None:
        kind.send(name)
        time.sleep(LIMIT)

    arguments = ["stream", "microsleep", "--model", str(trained), "--lsl", name, "--timeout", "30"]
    arguments += ["--silence", "1", "--lines", "steps", "--out", str(out)]
    if kind.duration:
        arguments += ["--duration", str(kind.duration)]
    written, errors = (out.parent / f"{name}.{ending}" for ending in ("out", "err"))
    sender = forking.fork(send, out.parent / f"{name}.sender")
    monitor = forking.memcell(arguments, written, errors)
    try:
        until = time.monotonic() + LIMIT
        while kind.until and monitor.poll() is None and time.monotonic() < until:
            if errors.exists() and kind.until in errors.read_text():
                time.sleep(1.0)
                monitor.signal(signal.SIGTERM)
                break
            time.sleep(0.1)
        if monitor.wait(max(1.0, until - time.monotonic())) is None:
            return [f"it did not end in {LIMIT:g} s: {errors.read_text()[-500:]}"]
    finally:
        monitor.kill()
        sender.kill()
    assert monitor.code is not None
    return complaints(kind, monitor.code, written.read_text(), errors.read_text(), out, name)


def complaints(kind: Kind, code: int, written: str, said: str, out: Path, name: str) -> list[str]:
    """Return what is wrong with what a monitor wrote and said."""
    lines = [json.loads(line) for line in written.splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    gaps = [line for line in lines if line["kind"] == "gap"]
    onsets = [s["onset"] for s in steps]
    table = out / f"{name}_probability.tsv"
    rows = table.read_text().splitlines()[1:] if table.exists() else []
    checks = {
        f"exit code {code}, expected {kind.code}: {said[-300:]}": code == kind.code,
        f"a traceback: {said[-800:]}": "Traceback" not in said and "fault of memcell" not in said,
        f"said {said[-800:]!r}, expected {kind.says}": all(w in said for w in kind.says),
        f"{len(steps)} steps, expected {kind.steps}": kind.steps[0] <= len(steps) <= kind.steps[1],
        f"{len(gaps)} gaps, expected {kind.gaps}": kind.gaps[0] <= len(gaps) <= kind.gaps[1],
        "a negative gap": all(g["seconds"] >= 0 for g in gaps),
        "onsets run backwards": all(a < b for a, b in itertools.pairwise(onsets)),
        "an onset before the first sample": all(o >= -0.2 for o in onsets),
        "a probability that is no number": all(0 <= s["probability"] <= 1 for s in steps),
        f"{len(rows)} rows on disk, {len(steps)} steps": len(rows) == len(steps),
    }
    return [what for what, fine in checks.items() if not fine]


def campaign(names: list[str], folder: Path) -> dict[str, list[str]]:
    """Try kinds of streams; return complaints by kind."""
    trained, found = model(folder), {}
    for name in names:
        began = time.monotonic()
        found[name] = tried(KINDS[name], f"hostile-{name}-{os.getpid()}", trained, folder / name)
        print(
            f"{name}: {found[name] or 'as it should be'} ({time.monotonic() - began:.0f} s)",
            flush=True,
        )
    return found


def options(parser: argparse.ArgumentParser) -> None:
    """Add the kinds of streams."""
    parser.add_argument("kinds", nargs="*", help="kinds to try; all of them by default")


def main() -> int:
    """Run it."""
    with command_line.begun(__doc__, options) as asked:
        forking.warm("mne_lsl.lsl")
        found = campaign(asked.options.kinds or list(KINDS), asked.folder)
        return asked.ended(f"{len(found)} kinds of streams", sum(map(bool, found.values())))


if __name__ == "__main__":
    sys.exit(main())
