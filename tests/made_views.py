"""Recordings to scroll through, made up: noise of known size, events, gaps."""

from __future__ import annotations

import numpy as np

from memcell.reports.page import render
from memcell.reports.viewer.packing import PackedSignals, SignalPacker
from memcell.reports.viewer.view import View, ViewedBars, ViewedEvent, ViewedLevels, ViewedLine


def packed(
    seconds: float = 150.0, channels: int = 2, rate: float = 100.0, gap: tuple[float, float] = (0, 0),
    size: float = 20.0, **options,
) -> PackedSignals:  # fmt: skip
    """Return noise with a gap in it."""
    noise = np.random.default_rng(0)
    packer = SignalPacker([f"C{i}" for i in range(channels)], "µV", rate, seconds, **options)
    for start, end in [(0.0, gap[0]), (gap[1], seconds)]:
        at, begins = start, True
        while at < end - 1e-9:
            n = round(min(30.0, end - at) * rate)
            packer.push(size * noise.standard_normal((channels, n)), at, begins)
            at, begins = at + n / rate, False
    return packer.end()


def view(name: str = "night", seconds: float = 150.0, events: int = 3, **signals) -> View:
    """Return a recording with a probability, events at even distances, truth and a hypnogram."""
    found = packed(seconds, **signals)
    times = np.arange(0, seconds, 0.2)
    apart = seconds / (events + 1)
    listed = [
        ViewedEvent(onset=apart * (k + 1), duration=2.0, peak=0.9, kind="hit")
        for k in range(events)
    ]
    spans = [(e.onset, e.onset + 2) for e in listed]
    line = ViewedLine(
        name="probability",
        times=times,
        values=0.5 + 0.4 * np.sin(times / 9),
        step=0.2,
        threshold=0.6,
    )
    stages = ViewedLevels(
        title="hypnogram", names=["W", "N2"], spans=[(0, 60, 0), (60, seconds, 1)]
    )
    return View(
        name=name, duration=seconds, lines=[line], levels=stages, signals=found, events=listed,
        bars=[ViewedBars(name="detected", spans=spans, colour="s0", behind=True)],
    )  # fmt: skip


def page(*views: View) -> str:
    """Return a page of recordings."""
    parts = [v.part() for v in views]
    return render("sections.html", title="Views", warnings=[], sections=[("Recordings", parts)])
