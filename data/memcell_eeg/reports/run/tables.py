"""The tables of a run's page: what was trained on what, and the scores."""

from __future__ import annotations

import math
from collections.abc import Iterator

from memcell.reports import Html, listing, paragraph, strong, table, text
from memcell.reports.numbers import count, number, percent
from memcell_eeg.reports.run.held import Run, Scored
from memcell_eeg.reports.run.phrasing import name_of, short
from memcell_eeg.reports.tables_in import value
from memcell_eeg.scores.scores import MEANING, SHOWN

MOST_SUBJECTS = 60


_PARTS = {"train": "trained on", "valid": "validated on", "test": "tested on"}


def what_was_trained(run: Run) -> Html:
    """Return what was trained on what."""
    s, facts = run.sections, run.facts
    training, network = s.get("training", {}), s.get("network", {})
    pipeline = facts.get("pipeline", {})
    policy = s.get("policy", {}).get("name", "")
    subjects = facts.get("subjects", {})
    own = s.get(run.task.name, {})
    protocol = facts.get("protocol") or own.get("protocol")
    rows: list[tuple[str, object]] = [
        ("data set", facts.get("dataset") or s.get("data", {}).get("name")),
        ("real or simulated", ("simulated" if run.simulated else "recordings of people") if facts else None),
        ("protocol", protocol),
        ("split", "each subject left out in turn" if run.folds else _by(facts.get("split"))),
        *(
            [("left out in turn", _who([p.name for p in run.folds]))] if run.folds
            else [(words, _who(subjects[part])) for part, words in _PARTS.items() if part in subjects]
        ),
        ("channels", ", ".join(map(str, facts.get("channels", ())))),
        ("step", f"{pipeline['step']:g} s" if "step" in pipeline else None),
        ("features", _feature_words(facts, pipeline)),
        ("normalization", pipeline.get("normalization")),
        ("delay of the filters", f"{facts['delay_seconds']:.2f} s" if facts.get("delay_seconds") else None),
        ("theta that begins has half its power after",
         f"{facts['onset_delay_seconds']:.2f} s" if facts.get("onset_delay_seconds") else None),
        ("without features after a start or gap",
         f"{facts['blind_seconds']:.1f} s" if facts.get("blind_seconds") else None),
        ("cell", s.get("cell", {}).get("name")),
        ("hidden units", _units(network)),
        ("normalizer", s.get("normalizer", {}).get("name")),
        ("memory in training", policy),
        ("order of windows", s.get("sampler", {}).get("name")),
        ("window", f"{training['time_steps']} steps" if "time_steps" in training else None),
        ("optimizer", s.get("optimizer", {}).get("name")),
        ("updates", _updates(run)),
        ("seed", training.get("seed")),
    ]  # fmt: skip
    shown = [[k, str(v)] for k, v in rows if v not in (None, "", "None")]
    if not shown:
        return paragraph("The folder does not say what was trained.")
    return table("What was trained on what", ["what", "value"], shown, 2)


def _by(split: object) -> str:
    return f"by {split}" if split else ""


def _units(network: dict[str, object]) -> str:
    return f"{network.get('hidden_size')} in {network.get('layers')} layer(s)" if network else ""


def _who(names: list[str]) -> str:
    shown = ", ".join(map(str, names[:12])) + (
        f" and {len(names) - 12} more" if len(names) > 12 else ""
    )
    return f"{len(names)} subject{'' if len(names) == 1 else 's'}: {shown}" if names else "nobody"


def _feature_words(facts: dict[str, object], pipeline: dict[str, object]) -> str:
    names = facts.get("feature_names") or ()
    kinds = pipeline.get("features") or ()
    n = f"{len(names)} a step" if isinstance(names, list) and names else ""
    kind = " and ".join(map(str, kinds)) if isinstance(kinds, list) else ""
    return f"{n} ({kind})" if n and kind else n or kind


def _updates(run: Run) -> str:
    own = [c for c in run.learning if c.training]
    return (
        ", ".join(dict.fromkeys(f"{c.training[-1][0]} {c.name}" for c in own))
        if len(own) <= 2
        else ""
    )


def score_table(run: Run) -> Html:
    """Return networks and baselines with the scores that a page has room for."""
    names = list(dict.fromkeys([run.main_score, *SHOWN, "event_sensitivity", "event_precision"]))
    names = [n for n in names if any(not math.isnan(r.get(n)) for r in run.rows)] or names[:1]
    rows = [
        [
            strong(short(row)) if row is run.own else short(row),
            _kind(row),
            *(_with_interval(row, n) for n in names),
        ]
        for row in run.rows
    ]  # fmt: skip
    many = " with 95 % intervals over subjects" if any(r.intervals for r in run.rows) else ""
    return table(
        f"Scores on the test recordings{many}", ["model", "kind", *map(name_of, names)], rows, 2
    )


def _kind(row: Scored) -> str:
    return "not deployable" if "not deployable" in row.name else row.kind


def score_notes(run: Run) -> Html | None:
    """Return what must be known to read the rows of the score table, the same words once."""
    noted: dict[str, list[str]] = {}
    for row in run.rows:
        if row.note:
            noted.setdefault(row.note, []).append(short(row))
    lines = [text(strong("; ".join(names)), f": {note}.") for note, names in noted.items()]
    return listing(lines) if lines else None


def _with_interval(row: Scored, score: str) -> str:
    digits = _digits(score)
    said = number(row.get(score), digits)
    if score not in row.intervals:
        return said
    low, high = (number(v, digits) for v in row.intervals[score])
    return Html(f"{said}<br><small>{low} to {high}</small>")


def _digits(score: str) -> int:
    return 1 if score in ("false_alarms_per_hour", "onset_delay_s") else 3


def all_scores(run: Run) -> Html:
    """Return every score of the networks, with what it is."""
    networks = [r for r in run.rows if r.kind == "network"]
    names = list(dict.fromkeys(n for r in networks for n in r.scores))
    rows = [[name_of(n), MEANING.get(n, ""), *(number(r.get(n)) for r in networks)] for n in names]
    return table(
        "Every score of the networks", ["score", "what it is", *map(short, networks)], rows, 2
    )


def subject_table(run: Run) -> Iterator[Html]:
    """Return the run's own network subject by subject, and beside it the same without memory."""
    own, other = run.own, run.other
    rows = run.table("subjects", own) if own else []
    if own is None or not rows:
        return
    beside = {r.get("subject"): r for r in run.table("subjects", other)} if other else {}
    names = [n for n in dict.fromkeys([run.main_score, "kappa", "auc_pr", "event_f1", "false_alarms_per_hour",
                                       "onset_delay_s"]) if n in rows[0]]  # fmt: skip
    cells = []
    for r in rows[:MOST_SUBJECTS]:
        there = beside.get(r.get("subject"))
        other_value = value(there, run.main_score) if there else math.nan
        share = value(r, "positive_steps") / value(r, "steps") if value(r, "steps") else math.nan
        cells.append(
            [r.get("subject", ""), count(value(r, "steps")), percent(share, 1),
             *(number(value(r, n), _digits(n)) for n in names),
             number(other_value), number(value(r, run.main_score) - other_value)]
        )  # fmt: skip
    way = other.inference if other else "the other"
    heads = ["subject", "labelled steps", "positive", *map(name_of, names),
             f"{name_of(run.main_score)}, memory {way}", "difference"]  # fmt: skip
    left = len(rows) - len(cells)
    more = f" (the first {MOST_SUBJECTS}; {left} more stand in subjects.tsv)" if left > 0 else ""
    yield table(f"Each test subject: {short(own)}{more}", heads, cells)
