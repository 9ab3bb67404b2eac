"""The page, top down: what is missing, the answers, the doubts, the numbers, how to do it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from memcell.compare.report import tables
from memcell.compare.report.caveats import missing_line
from memcell.compare.report.differences import SEEDS, SUBJECTS, Difference
from memcell.compare.report.figures.drawn import Drawn
from memcell.compare.report.findings import Findings
from memcell.compare.report.folder import Comparison
from memcell.compare.report.words import (
    GLOSSARY,
    heading_of,
    listed,
    memory_sentence,
    paragraph_of,
    title,
)
from memcell.reports import (
    Html,
    code,
    document,
    figure,
    listing,
    paragraph,
    section,
    strong,
    table,
    text,
)

#: So many pairs of settings are put into words before the doubts.
FEW = 4


def page(found: Findings, drawn: Sequence[Drawn]) -> str:
    """Return the report as one page of HTML."""
    comparison = found.comparison
    axes = listed([a.name.replace("_", " ") for a in comparison.axes])
    incomplete = bool(comparison.missing)
    found_out, in_words = list(_answers(found)), list(_in_words(found))
    doubts = section("What to keep in mind", listing(found.doubts))
    parts = [
        paragraph(missing_line(comparison), kind="warning" if incomplete else "lead"),
        paragraph(_what(comparison), kind="lead"),
    ]
    if len(in_words) <= FEW:
        parts += [section("What was found", *found_out, *in_words), doubts]
    else:
        # many: the doubts must not stand behind a long list
        parts += [
            section("What was found", *found_out),
            doubts,
            section("Each comparison", *in_words),
        ]
    parts.append(section("Tables", *_tables(found)))
    if drawn:
        shown = [section(d.heading, figure(d.png, d.alt, d.caption), level=3) for d in drawn]
        parts.append(section("Pictures", *shown))
    parts += [
        section("What the words mean", _glossary()),
        section("To do it again", *_again(comparison)),
    ]
    return document(f"memcell compare {comparison.app}: {axes or 'one setting'}", *parts)


def _what(comparison: Comparison) -> Html:
    axes = "; ".join(f"{a.name.replace('_', ' ')} ({', '.join(a.values)})" for a in comparison.axes)
    reference = ", ".join(a.values[0] for a in comparison.axes)
    return text(
        f"Compared: {axes or 'one setting'}, each with {len(comparison.seeds)} seeds. The reference is ",
        strong(reference or "the only setting"),
        ". Runs with the same seed begin with the same weights where their networks are alike, so they are "
        "compared in pairs. ",
        _recordings(comparison),
    )


def _recordings(comparison: Comparison) -> str:
    parts = [
        f"{split.get('sequences')} {name} ({len(split.get('subjects', ()))} subjects)"
        for name, split in comparison.splits.items()
    ]
    return f"Recordings: {', '.join(parts)}." if parts else ""


def _answers(found: Findings) -> Iterator[Html]:
    main = [d for d in found.differences if d.main]
    if not main:
        yield paragraph("There is one setting only, so nothing is compared.")
        return
    there = [d for d in main if d.n]
    decided = sum(d.verdict != "undecided" for d in there)
    yield paragraph(f"{decided} of {len(there)} comparisons of the main measures are decided; one is decided "
                    "where its corrected p is at most .05.")  # fmt: skip
    yield tables.glance(main)
    for share in found.shares:
        yield paragraph(memory_sentence(share), kind="verdict")


def _in_words(found: Findings) -> Iterator[Html]:
    main = [d for d in found.differences if d.main]
    for name in dict.fromkeys(map(title, main)):
        measures: dict[tuple[str, str], list[Difference]] = {}
        for d in main:
            if title(d) == name:
                measures.setdefault((d.measure, d.inference), []).append(d)
        lines = [paragraph(paragraph_of(rows), kind=_kind(rows)) for rows in measures.values()]
        yield section(heading_of(name), *lines, level=3)


def _kind(rows: Sequence[Difference]) -> str:
    """Return the class of a paragraph: coloured where seeds and subjects do not contradict each other."""
    verdicts = {d.verdict for d in rows if d.n}
    return f"verdict {verdicts.pop()}" if len(verdicts) == 1 else "verdict"


def _tables(found: Findings) -> Iterator[Html]:
    comparison, differences = found.comparison, found.differences
    yield tables.summary_table(comparison, found.summaries)
    if any(d.main for d in differences):
        yield tables.difference_table(differences, "Comparisons over paired seeds", SEEDS)
    if any(d.unit == SUBJECTS for d in differences):
        caption = "Comparisons over test subjects, each averaged over seeds first"
        yield tables.difference_table(differences, caption, SUBJECTS)
    if found.seen:
        yield tables.staleness_table(found.seen)
    if comparison.baselines:
        yield tables.baseline_table(comparison, found.measured, found.summaries)
    yield paragraph(
        "The files beside this page hold every number in full: runs.tsv, subjects.tsv, summary.tsv, "
        "comparisons.tsv (also the scores that decide nothing), curves.tsv, and results.json with all of it."
    )


def _glossary() -> Html:
    return listing([text(strong(word), f": {meaning}") for word, meaning in GLOSSARY.items()])


def _again(comparison: Comparison) -> Iterator[Html]:
    commands = [c for c in comparison.commands if c]
    if commands:
        many = (
            "These commands, one after the other, make"
            if len(commands) > 1
            else "This command makes"
        )
        yield paragraph(f"{many} the same runs and this page:")
        yield code("\n".join(commands))
    environment = next((e for e in comparison.environments.values() if e), None)
    if environment is None:
        yield paragraph("No run says with which versions it was made.")
        return
    libraries = environment.get("libraries")
    named = {
        "memcell": environment.get("memcell"), "git commit": environment.get("git"),
        "Python": environment.get("python"), "system": environment.get("platform"),
        "device": environment.get("device"), "threads": environment.get("threads"),
        **(libraries if isinstance(libraries, dict) else {}),
    }  # fmt: skip
    rows = [[k, str(v)] for k, v in named.items() if v not in (None, "")]
    yield table("Environment of the first run", ["what", "version"], rows, 2)
