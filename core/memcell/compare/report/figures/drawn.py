"""All pictures of a comparison, each with what it shows in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memcell.compare.report.curves import Curve
from memcell.compare.report.differences import Pair, of_subjects, pairs
from memcell.compare.report.figures.learning import draw_learning
from memcell.compare.report.figures.points import (
    MOST_ROWS,
    draw_scores,
    draw_subjects,
    draw_two_by_two,
    draw_updates,
)
from memcell.compare.report.figures.staleness import draw_staleness
from memcell.compare.report.figures.style import MOST_PANELS
from memcell.compare.report.findings import Findings
from memcell.compare.report.folder import Comparison
from memcell.compare.report.words import number


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A picture.

    Args:
        name: Of its file, without the ending.
        heading: Above it.
        png: The file's bytes.
        alt: For whom cannot see it.
        caption: Below it.
    """

    name: str
    heading: str
    png: bytes
    alt: str
    caption: str


def draw(found: Findings) -> list[Drawn]:
    """Return every picture that there is something for."""
    return list(_draw(found))


def _draw(found: Findings) -> Iterator[Drawn]:
    comparison, measured, summaries = found.comparison, found.measured, found.summaries
    score = comparison.main_score.replace("_", " ")
    settings = len(comparison.settings)
    cut = (
        f" The first {MOST_ROWS} of {settings} settings are drawn." if settings > MOST_ROWS else ""
    )
    panels = settings // len(comparison.axes[0].values)
    some = f" The first {MOST_PANELS} of {panels} panels are drawn." if panels > MOST_PANELS else ""
    scored = [s for s in summaries if s.score == s.score]
    told = "; ".join(
        f"{', '.join(s.setting)} with inference {s.inference}: {number(s.score)}"
        for s in scored[:12]
    )
    if png := draw_scores(comparison, measured, summaries):
        yield Drawn(
            name="scores", heading="Scores by setting", png=png,
            alt=f"Test scores of each run. Mean {score}: {told}.",
            caption=f"A dot for each seed ({score} on the test recordings), a diamond for their mean, a bar "
            f"for its 95 % interval. A seed lies at the same height in each row.{cut}",
        )  # fmt: skip
    if png := draw_two_by_two(comparison, measured, summaries):
        yield Drawn(
            name="two_by_two", heading="Training and inference apart", png=png,
            alt=f"A grid of settings and inference policies. Mean {score}: {told}.",
            caption=f"Mean {score} with its 95 % interval. How memory was handled in training (down) and "
            f"when scoring (across) are two things: each network is scored both ways.{cut}",
        )  # fmt: skip
    if png := draw_learning(comparison, found.losses, measured.target, difference=False):
        yield Drawn(
            name="learning_curves", heading="Learning curves", png=png,
            alt="Validation loss against updates, a line for each setting. " + _ends(found.losses),
            caption="Mean validation loss over seeds; the band is its 95 % interval. A run that stopped "
            f"early stays at its last value, a diverged one goes on at the loss of guessing.{some}",
        )  # fmt: skip
    if png := draw_learning(comparison, found.apart, None, difference=True):
        yield Drawn(
            name="learning_differences", heading="Learning curves, paired by seed", png=png,
            alt="Difference of validation loss to the reference against updates. " + _ends(found.apart),
            caption="Mean over seeds of the difference to the reference with the same seed; below 0 the "
            "setting is ahead. The band is the 95 % interval at each update by itself; it describes and does "
            f"not decide.{some}",
        )  # fmt: skip
    if png := draw_updates(comparison, measured):
        told = "; ".join(
            f"{', '.join(s.setting)}: {number(s.updates, 0)}"
            for s in summaries if s.inference == summaries[0].inference
        )  # fmt: skip
        yield Drawn(
            name="updates_to_target", heading="Updates to the target loss", png=png,
            alt=f"Updates that each run took to the target. Medians: {told}.",
            caption="A dot for each seed, a cross for a run that never got there, a diamond for the median "
            f"(at “never” where half of the runs or more did not get there).{cut}",
        )  # fmt: skip
    for policy in measured.inferences:
        by_title = {
            _title(comparison, pair): of_subjects(measured, policy, pair)
            for pair in pairs(comparison)
        }
        there = {title: d for title, d in by_title.items() if d}
        drawn = dict(list(there.items())[:MOST_PANELS])
        if png := draw_subjects(drawn, score):
            told = "; ".join(
                f"{title}: higher in {sum(v > 0 for v in d.values())} of {len(d)}"
                for title, d in drawn.items()
            )
            more = f" The first {len(drawn)} of {len(there)} comparisons are drawn." * (
                len(there) > len(drawn)
            )
            yield Drawn(
                name=f"subjects_{policy}", heading=f"Differences by test subject, inference {policy}",
                png=png, alt=f"Difference in {score} for each test subject. {told}.",
                caption="A point for each test subject: the mean difference over seeds, memory at inference: "
                f"{policy}.{more}",
            )  # fmt: skip
    if png := draw_staleness(found.seen):
        yield Drawn(
            name="staleness", heading="Staleness, seen while training", png=png,
            alt="Staleness of carried memory against its lag, its cost against what memory gives, the "
            "gradient's cosine, and the cost against transitions and distance of windows.",
            caption="Carried memory was made by older parameters. Each dot is one measurement, the line the "
            "medians of bins with equally many. Cost: the loss with carried memory less the loss with memory "
            "made anew by today's parameters; gain: the loss without memory less that same loss.",
        )  # fmt: skip


def _title(comparison: Comparison, pair: Pair) -> str:
    differing = next(
        f"{a} – {b}" for a, b in zip(pair.setting, pair.reference, strict=True) if a != b
    )
    rest = [a for a, b in zip(pair.setting, pair.reference, strict=True) if a == b]
    return f"{differing} ({', '.join(rest)})" if rest else differing


def _ends(curves: Sequence[Curve]) -> str:
    parts = [
        f"{', '.join(c.setting)} ends at {number(float(c.mean[-1]))}"
        for c in curves[:12]
        if len(c.mean)
    ]
    return "; ".join(parts) + "." if parts else ""
