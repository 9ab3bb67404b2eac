"""The page of a comparison: the tables and sentences that ``templates/comparison.html`` puts in order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from memcell.compare.report.answer import ABOUT
from memcell.compare.report.caveats import missing_line
from memcell.compare.report.differences import (
    CROSSED,
    SECONDARY,
    SEEDS,
    SUBJECTS,
    PairedDifference,
)
from memcell.compare.report.figures import ReportFigure
from memcell.compare.report.findings import Findings
from memcell.compare.report.folder import Comparison
from memcell.compare.report.measures import is_updates, primary_measure
from memcell.compare.report.phrasing import (
    MEMORY,
    glossary,
    heading_of,
    listed,
    measure_name,
    memory_sentence,
    never_reached,
    p_value,
    paragraph_of,
    sentence,
    signed,
    title,
    updates_words,
)
from memcell.compare.report.staleness import staleness_by_setting
from memcell.reports.numbers import counted, number, percent
from memcell.reports.page import render
from memcell.reports.parts import (
    Figure,
    Html,
    Panels,
    Paragraph,
    Part,
    Section,
    Table,
    links,
    paragraph,
    strong,
    text,
    with_interval,
)

TEMPLATES = Path(__file__).parent / "templates"
#: Pairs of settings whose sentences stand among the results; more stand in a section of their own.
FEW = 4
SPLITS = {"train": "training", "valid": "validation"}
#: Scores that a page has room for, the main one included.
MOST_SCORES = 6
FILES = (
    ("summary.tsv", "each setting by itself"),
    ("comparisons.tsv", "every difference, also in the scores that decide nothing"),
    ("runs.tsv", "every run"),
    ("subjects.tsv", "the main score of every run by test subject"),
    ("curves.tsv", "learning curves"),
    ("results.json", "all of these, and the caveats"),
)


def page(found: Findings, drawn: Sequence[ReportFigure]) -> str:
    """Return the report as one page of HTML."""
    comparison = found.comparison
    axes = listed([a.name.replace("_", " ") for a in comparison.axes])
    return render(
        "comparison.html",
        title=f"memcell compare {comparison.app}: {axes or 'one setting'}",
        folder=TEMPLATES,
        links=links(comparison.folder, FILES),
        missing=missing_line(comparison),
        incomplete=bool(comparison.missing),
        answer=found.answer,
        limits=[sentence[:1].upper() + sentence[1:] + "." for sentence in comparison.limits],
        compared=_compared(comparison),
        results=list(_results(found)),
        comparisons=list(_comparisons(found)),
        few=FEW,
        caveats=found.caveats,
        tables=list(_tables(found)),
        figures=[_figure(d) for d in drawn],
        glossary=[
            text(strong(word), f": {meaning}")
            for word, meaning in glossary(found.comparison.loss_unit).items()
        ],
        commands=[c for c in comparison.commands if c],
        environment=_environment(comparison),
    )


def _compared(comparison: Comparison) -> Html:
    axes = "; ".join(f"{a.name.replace('_', ' ')} ({', '.join(a.values)})" for a in comparison.axes)
    reference = ", ".join(a.values[0] for a in comparison.axes)
    parts = [
        f"{split.get('sequences')} {SPLITS.get(name, name)} "
        f"({counted(len(split.get('subjects', ())), 'subject')})"
        for name, split in comparison.splits.items()
    ]
    return text(
        f"Compared: {axes or 'one setting'}, {counted(len(comparison.seeds), 'seed')} each. ",
        "The reference is ",
        strong(reference or "the only setting"),
        ". Runs with the same seed start from the same weights where their networks have the same shape, so "
        "they are compared in pairs.",
        f" Sequences: {', '.join(parts)}." if parts else "",
    )


def _results(found: Findings) -> Iterator[Part]:
    main = [d for d in found.differences if d.main]
    if not main:
        yield Paragraph("There is one setting only, so nothing is compared.")
        return
    primary = [d for d in main if d.primary]
    yield paragraph(_declared(found, primary))
    if primary:
        for row in primary[:FEW]:
            yield paragraph(strong(f"{title(row)}. "), sentence(row), style=_style([row]))
        yield _glance(primary, "The primary outcome: verdict and difference (of updates: ratio)")
    others = [d for d in main if not d.primary]
    words = "Secondary outcomes, without a verdict" if primary else "Verdict"
    if others:
        yield _glance(others, f"{words}: difference (of updates: ratio) of each comparison")
    for share in found.shares:
        yield paragraph(memory_sentence(share), style="verdict")


def _declared(found: Findings, primary: Sequence[PairedDifference]) -> Html:
    """Return what decides, and how much of it is decided."""
    declared = found.comparison.primary
    if declared is None:
        known = [d for d in found.differences if d.main and d.n]
        decided = sum(d.verdict != "undecided" for d in known)
        return text(
            f"{decided} of {len(known)} comparisons of the main measures are decided (Holm-corrected p ≤ "
            ".05). "
            "No primary outcome was declared before the runs, so all differences of all measures are one "
            "family."
        )
    measure, _ = primary_measure(found.comparison)
    how = f", {MEMORY[declared.inference]}" if declared.inference in MEMORY else ""
    known = [d for d in primary if d.n]
    decided = sum(d.verdict != "undecided" for d in known)
    missing = (
        " While planned runs are missing, nothing is decided." if found.comparison.missing else ""
    )
    return text(
        "The outcome that decides, declared before the first run: "
        "", strong(measure_name(measure)), f"{how}, about "
        f"{ABOUT[declared.population]}. {decided} of {len(known)} comparisons are decided (p ≤ .05, "
        f"Holm-corrected over all {len(known)}).{missing} All other measures are secondary and decide "
            "nothing.",
    )  # fmt: skip


def _comparisons(found: Findings) -> Iterator[Section]:
    main = [d for d in found.differences if d.main]
    for name in dict.fromkeys(map(title, main)):
        measures: dict[tuple[str, str], list[PairedDifference]] = {}
        for d in main:
            if title(d) == name:
                measures.setdefault((d.measure, d.inference), []).append(d)
        lines = [paragraph(paragraph_of(rows), style=_style(rows)) for rows in measures.values()]
        yield Section(heading_of(name), lines)


def _style(rows: Sequence[PairedDifference]) -> str:
    """Return the class of a paragraph: coloured where seeds and subjects do not contradict each other."""
    verdicts = {d.verdict for d in rows if d.n and d.verdict != SECONDARY}
    return f"verdict {verdicts.pop()}" if len(verdicts) == 1 else "verdict"


def _figure(drawn: ReportFigure) -> Section:
    panels = [Figure(svg, "") for svg in drawn.panels]
    part: Part = Panels(panels) if len(panels) > 1 else panels[0]
    return Section(drawn.heading, [part, Paragraph(drawn.caption, "caption")])


def _tables(found: Findings) -> Iterator[Table]:
    yield _summaries(found)
    if (grid := _inference_grid(found)) is not None:
        yield grid
    main = [d for d in found.differences if d.main]
    if any(d.unit == CROSSED for d in main):
        caption = "Differences over people crossed with seeds, both random"
        yield _differences(main, caption, CROSSED)
    if main:
        yield _differences(main, "Differences over paired seeds", SEEDS)
    if any(d.unit == SUBJECTS for d in main):
        caption = "Differences over test subjects, each averaged over seeds first"
        yield _differences(main, caption, SUBJECTS)
    if found.staleness:
        yield _staleness(found)
    if found.comparison.baselines:
        yield _baselines(found)


def _glance(differences: Sequence[PairedDifference], caption: str) -> Table:
    """Return the verdicts: a row for each pair of settings, a column for each measure."""
    main = [d for d in differences if d.main]
    columns = list(dict.fromkeys((d.measure, d.inference, d.unit) for d in main))
    found = {(_pair(d), (d.measure, d.inference, d.unit)): d for d in main}
    rows: list[list[str]] = []
    for pair in dict.fromkeys(map(_pair, main)):
        cells = [found.get((pair, column)) for column in columns]
        rows.append([*pair, *(_short(d) if d is not None and d.n else "–" for d in cells)])
    heads = ["compared", "at", *(_column(*c) for c in columns)]
    if not any(row[1] for row in rows):
        rows, heads = [[r[0], *r[2:]] for r in rows], [heads[0], *heads[2:]]
    return Table(caption, heads, rows, len(heads), "comparisons.tsv")


def _summaries(found: Findings) -> Table:
    comparison = found.comparison
    main = measure_name(comparison.main_score)
    heads = [*(a.name.replace("_", " ") for a in comparison.axes), "memory at inference", "runs",
             "diverged", main, "95 % CI", "interquartile mean", "best validation loss",
             "final training loss", "reached target", "median updates to target"]  # fmt: skip
    rows = [
        [*s.setting, s.inference or "–", f"{s.done + s.diverged} of {s.planned}", str(s.diverged),
         number(s.score), _span(s.low, s.high), number(s.iqm), number(s.best_validation_loss),
         number(s.final_training_loss), percent(s.reached), updates_words(s.updates)]
        for s in found.summaries
    ]  # fmt: skip
    words = len(comparison.axes) + 1
    return Table("Each setting by itself (means over seeds)", heads, rows, words, "summary.tsv")


def _inference_grid(found: Findings) -> Table | None:
    """Return the main score by memory in training (down) and at inference (across)."""
    policies = found.measured.inferences
    if len(policies) < 2:
        return None
    scores = {(s.setting, s.inference): s for s in found.summaries}
    rows = []
    for key in found.comparison.settings:
        cells = [scores[key, policy] for policy in policies]
        rows.append(
            [", ".join(key), *(with_interval(number(s.score), number(s.low), number(s.high))
                               if s.low == s.low else number(s.score) for s in cells)]
        )  # fmt: skip
    main = measure_name(found.comparison.main_score)
    caption = f"Memory in training (rows) and at inference (columns): mean {main} with 95 % CI"
    return Table(caption, ["trained with", *(f"inference: {p}" for p in policies)], rows)


def _differences(differences: Sequence[PairedDifference], caption: str, unit: str) -> Table:
    heads = ["compared", "measure", "pairs", "difference", "95 % CI", "d_z", "share higher", "p",
             "p corrected", "verdict"]  # fmt: skip
    rows = []
    for d in differences:
        if d.unit != unit:
            continue
        inside = f" ({d.within.replace('_', ' ')})" if d.within else ""
        measure = measure_name(d.measure) + (f", inference {d.inference}" if d.inference else "")
        if is_updates(d.measure):
            measure = f"ln({measure_name(d.measure)})"
        rows.append(
            [f"{d.setting} – {d.reference}{inside}", measure, str(d.n), signed(d.difference),
             _span(d.low, d.high), number(d.d_z, 2), percent(d.superiority),
             p_value(d.p).removeprefix("p = ").removeprefix("p "),
             p_value(d.p_holm).removeprefix("p = ").removeprefix("p "), d.verdict]
        )  # fmt: skip
    return Table(caption, heads, rows, 2, "comparisons.tsv")


def _baselines(found: Findings) -> Table:
    comparison, measured = found.comparison, found.measured
    scores = [n for n in comparison.shown_scores if n in measured.scores] or measured.scores
    names = list(dict.fromkeys([comparison.main_score, *scores]))[:MOST_SCORES]
    rows = [
        [f"{', '.join(s.setting) or 'network'}; inference {s.inference}", "network", number(s.score),
         *(number(s.others[n]) for n in names[1:])]
        for s in found.summaries if s.inference
    ]  # fmt: skip
    for b in comparison.baselines:
        kind = "baseline" if b.deployable else "not deployable"
        kind += f": {b.note}" if b.note else ""
        rows.append([b.name, kind, *(number(b.scores.get(n, math.nan)) for n in names)])
    heads = ["model", "kind", *map(measure_name, names)]
    return Table("Networks (means over seeds) and baselines", heads, rows, 2)


def _staleness(found: Findings) -> Table:
    rows = [
        [", ".join(s.setting), str(s.seeds), str(s.measured), number(s.lag, 1), number(s.distance),
         number(s.cost, 4), number(s.gain, 4), percent(s.ratio),
         "–" if s.low != s.low else f"{percent(s.low)} to {percent(s.high)}", number(s.turned, 5)]
        for s in staleness_by_setting(found.staleness)
    ]  # fmt: skip
    heads = ["setting", "runs", "measurements", "mean lag (updates)", "distance S", "cost of staleness",
             "gain of memory", "cost / gain", "95 % CI", "1 − cosine of gradients"]  # fmt: skip
    return Table("Staleness in training (loss in nats; ratio of means)", heads, rows)


def _environment(comparison: Comparison) -> Table | None:
    found = next((e for e in comparison.environments.values() if e), None)
    if found is None:
        return None
    libraries = found.get("libraries")
    named = {
        "memcell": found.get("memcell"), "git commit": found.get("git"),
        "Python": found.get("python"), "system": found.get("platform"),
        "device": found.get("device"), "threads": found.get("threads"),
        **(libraries if isinstance(libraries, dict) else {}),
    }  # fmt: skip
    rows = [[k, str(v)] for k, v in named.items() if v not in (None, "")]
    return Table("Environment of the first run", ["component", "version"], rows, 2)


def _span(low: float, high: float) -> str:
    return "–" if low != low else f"{number(low)} to {number(high)}"


def _pair(d: PairedDifference) -> tuple[str, str]:
    return f"{d.setting} vs. {d.reference}", d.within.replace("_", " ")


def _column(measure: str, inference: str, unit: str) -> str:
    name = measure_name(measure) + (f", inference {inference}" if inference else "")
    return name + {SUBJECTS: ", over subjects", CROSSED: ", over people and seeds"}.get(unit, "")


def _short(d: PairedDifference) -> Html:
    size = (
        f"×\u00a0{number(math.exp(d.difference), 2)}"
        if is_updates(d.measure)
        else signed(d.difference)
    )
    if never_reached(d):
        size = "never reached"
    if d.verdict == SECONDARY:
        return text(size)
    return text(strong(d.verdict) if d.verdict != "undecided" else d.verdict, f" {size}")
