"""The figures of a comparison, each with its words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.compare.report.differences import Pair, of_subjects, pairs
from memcell.compare.report.findings import Findings
from memcell.compare.report.folder import Comparison, Key
from memcell.compare.report.measures import OWN, UPDATES
from memcell.compare.report.phrasing import updates_words
from memcell.compare.report.staleness import SMALLEST, StalenessMeasurement, pick
from memcell.compare.report.summaries import LearningCurve
from memcell.reports.charts import Curve, PointRow, curves, rows
from memcell.reports.numbers import number
from memcell.reports.parts import Html
from memcell.statistics.targets import NEVER

#: More rows, and more panels, than these are not drawn; the tables have all of them.
MOST_ROWS, MOST_PANELS = 40, 8
BINS = 12
MOST_SETTINGS = 7
#: (title, x, y, label of x, label of y) of what probes of staleness measured.
RELATIONS = (
    ("Distance of carried memory", "lag", "S", "lag (updates since it was made)",
     "distance, share of its size"),
    ("Cost of staleness as a share of the gain of memory", "update", "ratio", "updates", "cost / gain"),
    ("Agreement of the gradients", "update", "cosine", "updates", "cosine of the two gradients"),
    ("Cost by changes of label", "transitions", "dL_stale", "changes of label in the window",
     "cost of staleness (nats)"),
    ("Cost by distance of windows", "distance", "dL_stale", "distance to the previous window",
     "cost of staleness (nats)"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ReportFigure:
    """A figure of one or more panels.

    Args:
        name: Of its files, without the ending.
        heading: Above it.
        panels: As inline SVG.
        caption: Below it.
    """

    name: str
    heading: str
    panels: Sequence[Html]
    caption: str


def draw(found: Findings) -> list[ReportFigure]:
    """Return every figure that there are data for."""
    under = list(dict.fromkeys(line.inference for line in found.losses)) or [""]
    figures = [_scores(found), *(_learning(found, p) for p in under)]
    figures += [*(_learning_differences(found, p) for p in under), _updates(found)]
    figures += [_subjects(found, policy) for policy in found.measured.inferences]
    figures.append(_staleness(found.staleness))
    return [f for f in figures if f is not None]


def _scores(found: Findings) -> ReportFigure | None:
    comparison, measured = found.comparison, found.measured
    score = comparison.main_score.replace("_", " ")
    panels = []
    for policy in measured.inferences:
        summaries = {s.setting: s for s in found.summaries if s.inference == policy}
        if all(math.isnan(s.score) for s in summaries.values()):
            continue
        values = measured.values[comparison.main_score, policy]
        points = [
            PointRow(
                name=_name(key), look=_look(comparison, key), middle=summaries[key].score,
                low=summaries[key].low, high=summaries[key].high,
                faint=[(v, _height(seed)) for (k, seed), v in values.items() if k == key],
            )
            for key in comparison.settings[:MOST_ROWS]
        ]  # fmt: skip
        means = "; ".join(f"{r.name}: {number(r.middle)}" for r in points[:12])
        alt = f"Mean {score}, memory at inference: {policy}. {means}."
        panels.append(rows(points, score, alt, title=f"memory at inference: {policy}"))
    if not panels:
        return None
    caption = (
        f"Each dot is one seed ({score} on the test sequences), the diamond the mean over seeds, the bar "
        f"its 95 % bootstrap interval. A seed has the same height in every row.{_cut(comparison)}"
    )
    return ReportFigure(name="scores", heading="Scores by setting", panels=panels, caption=caption)


def _under(found: Findings, inference: str) -> tuple[str, str]:
    """Return what the heading and the file of a figure of curves say of memory at inference."""
    several = len({line.inference for line in found.losses}) > 1
    declared = found.comparison.primary
    policy = inference or ("" if declared is None else declared.inference)
    if not several or not policy:
        return "", ""
    words = "as each setting is used" if policy == OWN else policy
    return f", memory at inference: {words}", f"_{inference}" * bool(inference)


def _learning(found: Findings, inference: str) -> ReportFigure | None:
    panels = _curves(
        found,
        [line for line in found.losses if line.inference == inference],
        f"validation loss ({found.comparison.loss_unit})",
        math.nan if inference else found.measured.target,
    )
    level = "; the dashed level is the target loss" * (not inference)
    caption = (
        f"Mean validation loss over seeds with its 95 % bootstrap band{level}. "
        "A run that stopped early keeps its last value; a diverged run continues at the loss of guessing."
        f"{_cut_panels(found.comparison)}"
    )
    words, ending = _under(found, inference)
    heading = f"Learning curves{words}"
    return (
        ReportFigure(
            name=f"learning_curves{ending}", heading=heading, panels=panels, caption=caption
        )
        if panels
        else None
    )


def _learning_differences(found: Findings, inference: str) -> ReportFigure | None:
    reference = found.comparison.axes[0].values[0]
    lines = [line for line in found.loss_differences if line.inference == inference]
    panels = _curves(found, lines, f"loss minus that of {reference}", 0.0)
    caption = (
        "Mean over seeds of the difference to the reference with the same seed; below 0 the setting has the "
        "lower loss. The band is a 95 % bootstrap interval at each update separately, without correction: "
        f"it describes and does not decide.{_cut_panels(found.comparison)}"
    )
    words, ending = _under(found, inference)
    heading = f"Learning curves, paired by seed{words}"
    return (
        ReportFigure(
            name=f"learning_differences{ending}", heading=heading, panels=panels, caption=caption
        )
        if panels
        else None
    )


def _curves(
    found: Findings, lines: Sequence[LearningCurve], y_label: str, level: float
) -> list[Html]:
    """Return a panel for each combination of the axes after the first, a line for each value of that."""
    comparison = found.comparison
    by_rest: dict[Key, list[LearningCurve]] = {}
    for line in lines:
        if len(line.updates):
            by_rest.setdefault(line.setting[1:], []).append(line)
    panels = []
    for rest, inside in list(by_rest.items())[:MOST_PANELS]:
        drawn = [
            Curve(name=c.setting[0], x=c.updates, y=c.mean, low=c.low, high=c.high,
                  look=_look(comparison, c.setting), marks=len(c.updates) < 3)
            for c in inside
        ]  # fmt: skip
        every = np.concatenate([np.concatenate([c.mean, c.low, c.high]) for c in inside])
        every = np.append(every[np.isfinite(every)], level if math.isfinite(level) else [])
        others = zip(comparison.axes[1:], rest, strict=True)
        title = ", ".join(f"{a.name.replace('_', ' ')} {v}" for a, v in others)
        ends = "; ".join(
            f"{_name(c.setting)} ends at {number(float(c.mean[-1]))}" for c in inside[:12]
        )
        last = max(float(c.updates[-1]) for c in inside)
        panels.append(
            curves(drawn, (0, last), _around(every), "updates", y_label,
                   f"{y_label} against updates. {ends}.", level=level, legend=True, title=title)
        )  # fmt: skip
    return panels


def _updates(found: Findings) -> ReportFigure | None:
    comparison, measured = found.comparison, found.measured
    if math.isnan(measured.target) or not measured.updates[UPDATES]:
        return None
    points = []
    for key in comparison.settings[:MOST_ROWS]:
        own = {seed: u for (k, seed), u in measured.updates[UPDATES].items() if k == key}
        ordered = sorted(own.values())
        points.append(
            PointRow(
                name=_name(key), look=_look(comparison, key),
                middle=ordered[len(ordered) // 2] if ordered else math.nan,
                faint=[(NEVER if u == NEVER else u, _height(seed)) for seed, u in own.items()],
            )
        )  # fmt: skip
    label = f"updates to a validation loss of {measured.target:.4g}"
    medians = "; ".join(f"{r.name}: {updates_words(r.middle)}" for r in points[:12])
    panel = rows(
        points, label, f"Updates of each run to the target loss. Medians: {medians}.",
        budget=measured.budget,
    )  # fmt: skip
    caption = (
        "Each dot is one seed, a cross a run that did not reach the target, the diamond the median (at "
        f"“never” where at least half of the runs did not reach it).{_cut(comparison)}"
    )
    return ReportFigure(
        name="updates_to_target",
        heading="Updates to the target loss",
        panels=[panel],
        caption=caption,
    )


def _subjects(found: Findings, policy: str) -> ReportFigure | None:
    comparison, measured = found.comparison, found.measured
    score = comparison.main_score.replace("_", " ")
    by_title = {_title(comparison, p): of_subjects(measured, policy, p) for p in pairs(comparison)}
    known = {title: d for title, d in by_title.items() if d}
    panels = []
    for title, d in list(known.items())[:MOST_PANELS]:
        ordered = sorted(d.items(), key=lambda pair: -pair[1])
        up = sum(v > 0 for v in d.values())
        words = f"{title}: higher in {up} of {len(d)} subjects"
        points = [PointRow(name=n, values=[(v, 0 if v > 0 else 1)]) for n, v in ordered[:MOST_ROWS]]
        panels.append(rows(points, f"difference in {score}", f"{words}.", zero=True, title=words))
    if not panels:
        return None
    more = f" The first {len(panels)} of {len(known)} comparisons are drawn." * (
        len(known) > len(panels)
    )
    caption = (
        f"Each point is one test subject: the mean difference over seeds, memory at inference: {policy}. "
        f"Dots: higher, squares: not higher.{more}"
    )
    return ReportFigure(
        name=f"subjects_{policy}", heading=f"Differences by test subject, memory at inference: {policy}",
        panels=panels, caption=caption,
    )  # fmt: skip


def _staleness(measurements: Sequence[StalenessMeasurement]) -> ReportFigure | None:
    settings = list(dict.fromkeys(m.setting for m in measurements))[:MOST_SETTINGS]
    panels = []
    for title, x, y, x_label, y_label in RELATIONS:
        lines = []
        for i, key in enumerate(settings):
            own = [m for m in measurements if m.setting == key]
            line = _ratios(own, i) if y == "ratio" else _medians(own, x, y, i)
            if line is not None:
                lines.append(line)
        if not lines:
            continue
        faint = [line.faint for line in lines if line.faint is not None]
        xs = np.concatenate(
            [np.asarray(line.x) for line in lines] + [np.asarray(f[0]) for f in faint]
        )
        ys = np.concatenate(
            [np.asarray(line.y) for line in lines] + [np.asarray(f[1]) for f in faint]
        )
        alt = f"{title}: {y_label} against {x_label}, a line for each of {len(lines)} settings."
        panels.append(
            curves(lines, (float(xs.min()), float(xs.max())), _around(ys), x_label, y_label, alt,
                   level=0.0 if y in ("ratio", "dL_stale") else None, legend=True, title=title)
        )  # fmt: skip
    if not panels:
        return None
    caption = (
        "Carried memory was made by the parameters of earlier updates. Each dot is one measurement, each "
        "line the medians of bins of equal count (for the share: mean cost over mean gain). Cost: the loss "
        "with carried memory minus the loss with memory recomputed by the current parameters; gain: the loss "
        "without memory minus that same loss."
    )
    return ReportFigure(
        name="staleness",
        heading="Staleness measured in training",
        panels=panels,
        caption=caption,
    )


def _medians(own: Sequence[StalenessMeasurement], x: str, y: str, look: int) -> Curve | None:
    """Return the points faintly, and medians of bins with as many points each."""
    both = np.array([(pick(m, x), pick(m, y)) for m in own]).reshape(-1, 2)
    both = both[np.isfinite(both).all(axis=1)]
    if not len(both):
        return None
    faint = both[np.linspace(0, len(both) - 1, min(len(both), 600)).astype(int)]
    middles = np.array([np.median(b, axis=0) for b in _bins(both)])
    return Curve(
        name=_name(own[0].setting), x=middles[:, 0], y=middles[:, 1], look=look, marks=True,
        faint=(faint[:, 0], faint[:, 1]),
    )  # fmt: skip


def _ratios(own: Sequence[StalenessMeasurement], look: int) -> Curve | None:
    """Return mean cost over mean gain in each bin: single ratios are wild where the gain is near 0."""
    rows_ = np.array([[pick(m, n) for n in ("update", "dL_stale", "dL_zero")] for m in own])
    known = rows_.reshape(-1, 3)
    known = known[np.isfinite(known).all(axis=1)]
    if not len(known):
        return None
    means = np.array([b.mean(axis=0) for b in _bins(known)])
    means = means[means[:, 2] > SMALLEST]
    if not len(means):
        return None
    return Curve(
        name=_name(own[0].setting), x=means[:, 0], y=means[:, 1] / means[:, 2], look=look, marks=True
    )  # fmt: skip


def _bins(points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    ordered = points[np.argsort(points[:, 0], kind="stable")]
    return np.array_split(ordered, min(BINS, max(1, len(points) // 4)))


def _around(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.06 * (high - low) or 0.1
    return low - pad, high + pad


def _look(comparison: Comparison, key: Key) -> int:
    return comparison.axes[0].values.index(key[0])


def _height(seed: int) -> float:
    """Return a height between -1 and 1 that is the same for one seed in every row."""
    return ((seed * 0.6180339887) % 1) * 2 - 1


def _name(key: Key) -> str:
    return ", ".join(key)


def _title(comparison: Comparison, pair: Pair) -> str:
    both = list(zip(pair.setting, pair.reference, strict=True))
    differing = next(f"{a} – {b}" for a, b in both if a != b)
    rest = [a for a, b in both if a == b]
    return f"{differing} ({', '.join(rest)})" if rest else differing


def _cut(comparison: Comparison) -> str:
    n = len(comparison.settings)
    return f" The first {MOST_ROWS} of {n} settings are drawn." if n > MOST_ROWS else ""


def _cut_panels(comparison: Comparison) -> str:
    n = len(comparison.settings) // len(comparison.axes[0].values)
    return f" The first {MOST_PANELS} of {n} panels are drawn." if n > MOST_PANELS else ""
