"""A figure of one test recording: all of it above, one minute of it below.

The recording is the one with the most true events, and the minute the one where most of them begin:
both chosen by the labels, never by the predictions of a network. Colours are those of
`memcell.reports.palette`; networks differ in their line style too.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from memcell.applications.app import Probabilities, Task
from memcell.errors import DataError
from memcell.files.atomic import write_atomic
from memcell.reports.palette import LIGHT
from memcell.sequences.time_series import TimeSeries
from memcell_data.recording import Recording
from memcell_eeg.features.precomputed import PrecomputedFeatures, pipeline_of
from memcell_eeg.reports.trace import Trace, envelope, read_trace
from memcell_eeg.scores.events import EventRules, runs

LINES = tuple(zip(LIGHT.series, ("-", "--", "-.", ":"), strict=False))
TRUTH, UNKNOWN, GAP, INK = LIGHT.truth, LIGHT.unlabelled, LIGHT.soft, LIGHT.ink
ZOOM = 60.0
#: Where steps are long the minute is longer: so many of them.
ZOOM_STEPS = 100
MOST_CHANNELS = 3
POINTS = 6000

Curve = NDArray[np.float32]


def draw(
    task: Task,
    probabilities: Mapping[str, Sequence[Probabilities]],
    threshold: float,
    rules: EventRules,
    recordings: Sequence[Recording],
    path: Path,
) -> None:
    """Write a PNG of 1600 x 900 points.

    Args:
        task: Its test split is drawn from, its facts tell channels and filters.
        probabilities: Per network ``[n_steps, 2]`` for each test sequence.
        threshold: Drawn as a line.
        rules: How events are made of the probabilities.
        recordings: Where the EEG is read from; without the right one the EEG is left out.
        path: The file.

    Raises:
        DataError: There is no test sequence.
    """
    if not task.test:
        raise DataError("there is no test sequence to draw; type a larger --test-fraction.")
    index = int(np.argmax([len(_true(s)) for s in task.test]))
    sequence = task.test[index]
    # A split by time has put the part behind the recording's name.
    names = (sequence.name, sequence.name.removesuffix("@test"))
    recording = next((r for r in recordings if r.name in names), None)
    pipeline = pipeline_of(task.facts["pipeline"])
    channels = (pipeline.eeg or pipeline.channels)[:MOST_CHANNELS]
    trace = None
    if isinstance(pipeline, PrecomputedFeatures):
        channels = pipeline.feature_names[:MOST_CHANNELS]
    elif recording is not None:
        trace = read_trace(recording, pipeline, channels)

    figure = Figure(figsize=(16, 9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(4, 1, height_ratios=(1.1, 1.4, 2.6, 1.9))
    lines = {name: p[index][:, 1] for name, p in probabilities.items()}
    zoom = _busiest(sequence)
    whole = (float(sequence.times[0]), float(sequence.times[-1]) + sequence.step_seconds)
    spans = ((axes[0], axes[1], whole, channels[:1]), (axes[2], axes[3], zoom, channels))
    for eeg, below, span, drawn in spans:
        if isinstance(pipeline, PrecomputedFeatures):
            _features(eeg, sequence, pipeline.feature_names[: max(1, len(drawn))])
        else:
            _eeg(eeg, trace, drawn, span)
        _probability(below, sequence, lines, threshold, rules)
        for axis in (eeg, below):
            _shade(axis, sequence)
            axis.set_xlim(span)
            axis.spines[["top", "right"]].set_visible(False)
        eeg.tick_params(labelbottom=False)
    figure.align_ylabels()
    _mark(axes[:2], zoom)
    axes[1].set_xlabel("time from the start of the recording (s)")
    axes[3].set_xlabel(f"time (s): {zoom[0]:.0f} to {zoom[1]:.0f} s, the bracket above")
    axes[0].set_title(_title(task, sequence), fontsize=13, loc="left")
    _legend(figure, axes[1], sequence)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomic(path, buffer.getvalue())


def _true(sequence: TimeSeries) -> list[tuple[float, float]]:
    return [(e.onset, e.end) for e in runs(sequence.targets == 1, sequence)]


def _busiest(sequence: TimeSeries) -> tuple[float, float]:
    """Return the minute with the most true onsets, or the whole recording if it is shorter."""
    first = float(sequence.times[0])
    last = float(sequence.times[-1]) + sequence.step_seconds
    length = max(ZOOM, ZOOM_STEPS * sequence.step_seconds)
    if last - first <= length:
        return first, last
    onsets = np.array([a for a, _ in _true(sequence)])
    starts = (
        np.clip(onsets - length / 12, first, last - length) if len(onsets) else np.array([first])
    )
    counts = [int(np.sum((onsets >= s) & (onsets < s + length))) for s in starts]
    start = float(starts[int(np.argmax(counts))])
    return start, start + length


def _title(task: Task, sequence: TimeSeries) -> str:
    where = f"recording {sequence.name}, subject {sequence.subject}"
    simulated = "SIMULATED DATA, " if task.facts.get("simulated") else ""
    return f"{simulated}{where}, test split by {task.facts.get('split', 'subject')}"


def _features(axis: Axes, sequence: TimeSeries, names: Sequence[str]) -> None:
    """Draw the first input features of the network, if there is no EEG."""
    apart = 2 * max(1.0, float(np.abs(sequence.features[:, : len(names)]).max()))
    for start, stop in pairwise([0, *sequence.breaks, sequence.n_steps]):
        for row in range(len(names)):
            values = sequence.features[start:stop, row] - row * apart
            axis.plot(sequence.times[start:stop], values, color=INK, lw=0.6)
    axis.set_yticks([-row * apart for row in range(len(names))], names)
    axis.set_ylabel(f"features\n({apart:.1f} apart)" if len(names) > 1 else "feature")


def _eeg(
    axis: Axes, trace: Trace | None, channels: Sequence[str], span: tuple[float, float]
) -> None:
    if trace is None:
        axis.set_yticks([])
        axis.text(0.5, 0.5, "no recording", transform=axis.transAxes, ha="center")
        return
    scale = trace.scale(channels)
    for row, name in enumerate(channels):
        base = -row * 2.0 * scale
        for times, low, high in envelope(trace, name, span, POINTS):
            if np.array_equal(low, high):
                axis.plot(times, base + low, color=INK, lw=0.6)
            else:
                axis.fill_between(times, base + low, base + high, color=INK, lw=0.2)
    axis.set_ylim(-(len(channels) - 1) * 2.0 * scale - 1.2 * scale, 1.2 * scale)
    if len(channels) == 1:
        axis.set_ylabel(f"EEG {channels[0]}\n(uV)")
    else:
        axis.set_yticks([-row * 2.0 * scale for row in range(len(channels))], channels)
        axis.set_ylabel(f"EEG\n({2 * scale:.0f} uV apart)")


def _probability(
    axis: Axes,
    sequence: TimeSeries,
    lines: Mapping[str, Curve],
    threshold: float,
    rules: EventRules,
) -> None:
    edges = [0, *sequence.breaks, sequence.n_steps]
    for k, (name, p) in enumerate(lines.items()):
        colour, style = LINES[k % len(LINES)]
        for start, stop in pairwise(edges):
            # A value holds for its whole step, so the last one is drawn to the step's end.
            end = sequence.times[stop - 1] + sequence.step_seconds
            t, y = np.append(sequence.times[start:stop], end), np.append(p[start:stop], p[stop - 1])
            label = name if start == 0 else None
            axis.step(t, y, where="post", color=colour, ls=style, lw=1.3, label=label)
        found = runs(p >= threshold, sequence, rules.merge, rules.min_duration)
        bars = [(e.onset, e.duration) for e in found]
        axis.broken_barh(bars, (1.05 + 0.09 * k, 0.06), facecolors=colour, lw=0)
    label = f"threshold {threshold:.2f}"
    axis.axhline(threshold, color="black", lw=0.9, ls=(0, (4, 3)), label=label)
    axis.set_ylim(-0.03, 1.04 + 0.09 * len(lines))
    axis.set_yticks([0, 0.5, 1])
    axis.set_ylabel("probability,\nbars: events")


def _shade(axis: Axes, sequence: TimeSeries) -> None:
    for onset, end in _true(sequence):
        axis.axvspan(onset, end, color=TRUTH, alpha=0.35, lw=0, zorder=0)
    for event in runs(~sequence.labelled, sequence):
        axis.axvspan(event.onset, event.end, color=UNKNOWN, alpha=0.45, lw=0, zorder=0)
    for b in sequence.breaks:
        gap = (sequence.times[b - 1] + sequence.step_seconds, sequence.times[b])
        axis.axvspan(*gap, facecolor="white", edgecolor=GAP, hatch="////", lw=0.8, zorder=4)


def _mark(axes: Sequence[Axes], zoom: tuple[float, float]) -> None:
    for axis in axes:
        for edge in zoom:
            axis.axvline(edge, color="black", lw=1.2, zorder=5)
    axes[0].axvspan(*zoom, ymin=0.96, ymax=1.0, color="black", lw=0, zorder=5)


def _legend(figure: Figure, axis: Axes, sequence: TimeSeries) -> None:
    handles, _ = axis.get_legend_handles_labels()
    handles.append(Patch(color=TRUTH, alpha=0.35, label="true event"))
    if not sequence.labelled.all():
        handles.append(Patch(color=UNKNOWN, alpha=0.45, label="no label"))
    if sequence.breaks:
        gap = Patch(facecolor="white", edgecolor=GAP, hatch="////", label="gap: memory is reset")
        handles.append(gap)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
