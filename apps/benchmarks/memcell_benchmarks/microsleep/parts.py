"""The parts of the benchmark: each returns its numbers and the lines that say them, with the goal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from memcell_benchmarks.microsleep.child import measured

StageResult = tuple[dict[str, Any], list[str]]

#: Length of the recordings of 'files', hours, of those that workers share, and where the time is short.
SHORT, SHARED, SMALL = 1 / 6, 1 / 8, 2 / 60


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the parts work with; made when the first one wants it.

    Args:
        folder: For what is made; goes away at the end.
        hours: Length of the recording.
        rounds: How often each work is done.
        files: Recordings of `files`.
    """

    folder: Path
    hours: float
    rounds: int
    files: int

    @cached_property
    def recording(self) -> str:
        """The recording."""
        return self.made("whole", self.hours)[0]

    @cached_property
    def short(self) -> str:
        """One to get ready with."""
        return self.made("short", 1 / 60)[0]

    @cached_property
    def model(self) -> str:
        """The run folder."""
        from memcell_benchmarks.microsleep.made import make_model

        return str(make_model(self.folder / "model"))

    def made(self, name: str, hours: float, count: int = 1) -> list[str]:
        """Return so many recordings."""
        from memcell_benchmarks.microsleep.made import make_recording

        folder = self.folder / name
        folder.mkdir()
        return [
            str(make_recording(folder / f"{name}{i:03d}.edf", hours, seed=i)) for i in range(count)
        ]


def prepare(given: Given) -> StageResult:
    """Reading, resampling and filtering: CPU time against the peer, and memory."""
    found = measured("stages:prepare", path=given.recording, rounds=given.rounds)
    cpu = found["cpu"]
    ratio = cpu["ours"] / cpu["mne"]
    (longer,) = given.made("longer", 3 * given.hours)
    mb = {
        name: measured("stages:prepare_once", path=path, who=who)["peak_mb"]
        for name, path, who in (
            ("imports", given.short, "nothing"),
            ("ours", given.recording, "ours"),
            ("ours, 3 times as long", longer, "ours"),
            ("mne", given.recording, "mne"),
        )
    }
    numbers = {"cpu": cpu, "ratio": ratio, "peak_mb": mb}
    return numbers, [
        f"prepare: {cpu['ours']:.2f} CPU s; MNE's read, scipy's polyphase and MNE's FIR {cpu['mne']:.2f}: "
        f"ratio {ratio:.2f} (goal 1.2)",
        f"prepare: peak {mb['ours']:.0f} MB (goal 700), {mb['ours, 3 times as long']:.0f} MB when 3 times as "
        f"long; the peer {mb['mne']:.0f} MB; imports alone {mb['imports']:.0f} MB",
    ]


def features(given: Given) -> StageResult:
    """Features of clean signal."""
    cpu = measured("stages:features", path=given.recording, rounds=given.rounds)["cpu"]
    ours, bare = cpu["ours"], cpu["bare rfft"]
    goal = given.hours / 8
    return {"cpu": cpu}, [
        f"features: {ours:.2f} CPU s (goal {goal:.3g}); bare Fourier transforms of the same windows "
        f"{bare:.2f}: ratio {ours / bare:.2f}"
    ]


def predict(given: Given) -> StageResult:
    """A whole prediction: hours an hour, and where the time goes."""
    found = measured(
        "stages:end_to_end", path=given.recording, short=given.short, model=given.model,
        out=str(given.folder / "predicted"), rounds=given.rounds,
    )  # fmt: skip
    speed = given.hours * 3600 / found["cpu"]
    stages = found["stages"]
    shares = {name: seconds / found["cpu"] for name, seconds in stages.items()}
    listed = ", ".join(f"{n} {100 * s:.0f} % ({stages[n]:.2f} s)" for n, s in shares.items())
    return {**found, "hours_per_hour": speed, "shares": shares}, [
        f"predict: {found['cpu']:.2f} CPU s: {speed:,.0f} hours of EEG an hour and core (goal 25,000); first "
        f"use in a process {found['first_use']:.2f} s more, imports apart; peak {found['peak_mb']:.0f} MB",
        f"predict: {listed} (goal for the rest: below 10 %)",
    ]


def files(given: Given) -> StageResult:
    """Memory against the number of recordings, and what each of many short ones takes."""
    hours = min(SHORT, given.hours)
    paths = given.made("small", hours, given.files)
    few = max(1, given.files // 10)
    mb = {
        str(n): measured(
            "many:predict", paths=paths[:n], model=given.model, out=str(given.folder / f"of{n}")
        )["peak_mb"]
        for n in (few, given.files)
    }
    each = measured("many:each", paths=paths, model=given.model, out=str(given.folder / "each"))[
        "cpu"
    ]
    speed = 3600 * hours / each
    return {"peak_mb": mb, "cpu_each": each, "hours_per_hour": speed}, [
        f"files: peak {mb[str(few)]:.0f} MB over {few} recordings, {mb[str(given.files)]:.0f} MB over "
        f"{given.files}, of {60 * hours:g} min each",
        f"files: {1e3 * each:.0f} ms CPU each, all of its files written, views and the report's page apart: "
        f"{speed:,.0f} hours of EEG an hour and core",
    ]


def workers(given: Given) -> StageResult:
    """Two worker processes against one."""
    count = max(8, round(8 * given.hours))
    paths = given.made("shared", SHARED if given.hours >= 1 else SMALL, count)
    found = {
        n: measured(
            "many:workers", paths=paths, model=given.model, out=str(given.folder / f"by{n}"), jobs=n
        )
        for n in (1, 2)
    }
    one, two = found[1], found[2]
    wall = (two["recordings"] / two["seconds"]) / (one["recordings"] / one["seconds"])
    each = {n: sum(f["cpu"]) / f["recordings"] for n, f in found.items()}
    free = 2 * each[1] / each[2]
    busy = {n: sum(f["cpu"]) / (n * f["seconds"]) for n, f in found.items()}
    numbers = {"one": one, "two": two, "wall_speedup": wall, "cpu_speedup": free, "busy": busy}
    return numbers, [
        f"workers: 2 do {free:.2f} times the work of 1 by CPU time a recording (goal 1.8), {wall:.2f} times "
        f"by the clock, where they had {100 * busy[2]:.0f} % of two cores and the one "
        f"{100 * busy[1]:.0f} % of one",
        f"workers: start-up apart: {one['start']:.1f} and {two['start']:.1f} s by the clock until each had "
        f"done its first of {count} recordings ({two['first_cpu']:.1f} CPU s in it)",
    ]


def live(given: Given) -> StageResult:
    """One step of a stream."""
    count = max(100, round(250 * given.hours))
    found = measured("stream:steps", model=given.model, steps=count)
    parts = ", ".join(f"{name} {value:.0f}" for name, value in found["parts"].items())
    return found, [
        f"live: {found['microseconds']:.0f} us CPU a step of {found['step']:g} s (goal 1,000), in packets of "
        f"one step; 99 % of {found['steps']} steps within {found['highest']:.0f} us; {parts} us"
    ]


def alarm(given: Given) -> StageResult:
    """An alarm on its way to a receiver."""
    if find_spec("mne_lsl") is None:
        return {}, ["alarm: not measured, since it needs mne-lsl: pip install 'memcell-rnn[live]'"]
    found = measured("alarm:latencies", model=given.model, alarms=max(20, round(5 * given.hours)))
    return found, [
        f"alarm: {found['milliseconds']:.1f} ms from the sample that raises an alarm to its LSL marker at a "
        f"receiver, median of {found['alarms']} (goal 50); 95 % within {found['p95']:.1f} ms, the latest "
        f"{found['highest']:.1f} ms; wall-clock time of three processes on this machine"
    ]
