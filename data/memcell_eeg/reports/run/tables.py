"""Tables of a run's report: setup, scores, error counts, recordings and versions."""

from __future__ import annotations

import math
from collections.abc import Iterator

from memcell.applications.checking import CHECK_COLUMNS, CHECKS
from memcell.reports.numbers import count, length, number, percent
from memcell.reports.parts import Listing, Paragraph, Table, strong, text, with_interval
from memcell_eeg.reports.phrasing import digits_of, name_of, score_text
from memcell_eeg.reports.reading import as_float, read_json, value
from memcell_eeg.reports.run.by_recording import PER_RECORDING, mean_of_recordings
from memcell_eeg.reports.run.files import RunFiles, ScoreRow
from memcell_eeg.reports.run.phrasing import confusion_of, short
from memcell_eeg.scores.scores import MEANING, SHOWN

MOST_SUBJECTS = 60
MOST_RECORDINGS = 100
MOST_FEATURES = 10

_PARTS = {"train": "trained on", "valid": "validated on", "test": "tested on"}


def setup(run: RunFiles) -> Table | Paragraph:
    """Return a table of the network, its training and its data."""
    s, facts = run.sections, run.facts
    training, network = s.get("training", {}), s.get("network", {})
    pipeline = facts.get("pipeline", {})
    policy = s.get("policy", {}).get("name", "")
    subjects = facts.get("subjects", {})
    own = s.get(run.task.name, {})
    protocol = facts.get("protocol") or own.get("protocol")
    rows: list[tuple[str, object]] = [
        ("data set", facts.get("dataset") or s.get("data", {}).get("name")),
        ("recordings", ("simulated" if run.simulated else "of people") if facts else None),
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
        ("filter delay", f"{facts['delay_seconds']:.2f} s" if facts.get("delay_seconds") else None),
        (f"{run.task.rhythm[0]} onset reaches half its power after",
         f"{facts['onset_delay_seconds']:.2f} s" if facts.get("onset_delay_seconds") else None),
        ("no features after a start or gap for",
         f"{facts['blind_seconds']:.1f} s" if facts.get("blind_seconds") else None),
        ("cell", s.get("cell", {}).get("name")),
        ("hidden units", _units(network)),
        ("normalizer", s.get("normalizer", {}).get("name")),
        ("encoder before the memory", s.get("encoder", {}).get("name")),
        ("head behind the memory", s.get("head", {}).get("name")),
        ("memory in training", policy),
        ("sampler", s.get("sampler", {}).get("name")),
        ("window", f"{training['time_steps']} steps" if "time_steps" in training else None),
        ("optimizer", s.get("optimizer", {}).get("name")),
        ("updates", _updates(run)),
        ("chosen by cross-validation", _chosen(run)),
        ("seed", training.get("seed")),
    ]  # fmt: skip
    properties = [[k, str(v)] for k, v in rows if v not in (None, "", "None")]
    if not properties:
        return Paragraph("The folder does not describe the run.")
    return Table("Network, training and data", ["property", "value"], properties, 2)


def _by(split: object) -> str:
    if split == "none":
        return "none: trained on everybody, scored by cross-validation"
    return f"by {split}" if split else ""


def _chosen(run: RunFiles) -> str:
    """Return what cross-validation inside the training people chose; empty where it did not."""
    read = [read_json(path / "tuning" / "choice.json") for path in (run.folds or [run.folder])]
    found = [each for each in read if isinstance(each.get("updates"), int)]
    if not found:
        return ""
    updates = [each["updates"] for each in found]
    settings = sorted({str(each.get("candidate")) for each in found})
    least, most = min(updates), max(updates)
    length = f"{least}" if least == most else f"{least} to {most}"
    return f"{length} updates, setting {' or '.join(settings)} (tuning.tsv has all that were tried)"


def _units(network: dict[str, object]) -> str:
    return f"{network.get('hidden_size')} in {network.get('layers')} layer(s)" if network else ""


def _who(names: list[str]) -> str:
    listed = ", ".join(map(str, names[:12])) + (
        f" and {len(names) - 12} more" if len(names) > 12 else ""
    )
    return f"{len(names)} subject{'' if len(names) == 1 else 's'}: {listed}" if names else "none"


def _feature_words(facts: dict[str, object], pipeline: dict[str, object]) -> str:
    names = facts.get("feature_names") or ()
    kinds = pipeline.get("features") or ()
    n = f"{len(names)} a step" if isinstance(names, list) and names else ""
    kind = " and ".join(map(str, kinds)) if isinstance(kinds, list) else ""
    means = pipeline.get("context") or ()
    if kind and isinstance(means, list) and means:
        kind += f", and means of the past {' and '.join(f'{as_float(s):g}' for s in means)} s"
    return f"{n} ({kind})" if n and kind else n or kind


def _updates(run: RunFiles) -> str:
    own = [c for c in run.learning if c.training]
    return ", ".join(dict.fromkeys(f"{c.updates} {c.name}" for c in own)) if len(own) <= 2 else ""


def score_table(run: RunFiles) -> Table:
    """Return networks and baselines with the most important scores."""
    names = list(dict.fromkeys([run.main_score, *SHOWN, "event_sensitivity", "event_precision"]))
    names = [n for n in names if any(not math.isnan(r.get(n)) for r in run.rows)] or names[:1]
    each = [n for n in PER_RECORDING if run.table("recordings")]
    rows = [
        [
            strong(short(row)) if row is run.own else short(row),
            _kind(row),
            *(_with_interval(row, n) for n in names),
            *(number(mean_of_recordings(run, row, n)) for n in each),
        ]
        for row in run.rows
    ]  # fmt: skip
    many = " with 95 % CI over subjects" if any(r.intervals for r in run.rows) else ""
    return Table(
        f"Scores on the test recordings, all steps together{many}",
        [
            "model",
            "kind",
            *map(name_of, names),
            *(f"{name_of(n)}, mean of recordings" for n in each),
        ],
        rows,
        2,
        run.source("scores.tsv"),
    )


def _kind(row: ScoreRow) -> str:
    return row.kind if row.deployable else "not deployable"


def score_notes(run: RunFiles) -> Listing | None:
    """Return the notes on rows of the score table, each once."""
    noted: dict[str, list[str]] = {}
    for row in run.rows:
        if row.note:
            noted.setdefault(row.note, []).append(short(row))
    lines = [text(strong("; ".join(names)), f": {note}.") for note, names in noted.items()]
    return Listing(lines) if lines else None


def _with_interval(row: ScoreRow, score: str) -> str:
    digits = digits_of(score)
    text = number(row.get(score), digits)
    if score not in row.intervals:
        return text
    low, high = (number(v, digits) for v in row.intervals[score])
    return with_interval(text, low, high)


def all_scores(run: RunFiles) -> Table:
    """Return every score of the networks, with its definition."""
    networks = [r for r in run.rows if r.kind == "network"]
    names = list(dict.fromkeys(n for r in networks for n in r.scores))
    rows = [
        [name_of(n), MEANING.get(n, ""), *(score_text(n, r.get(n)) for r in networks)]
        for n in names
    ]
    return Table(
        "Every score of the networks",
        ["score", "definition", *map(short, networks)],
        rows,
        2,
        run.source("scores.tsv"),
    )


def subject_table(run: RunFiles) -> Iterator[Table]:
    """Return the scores of the run's network by test subject, with memory carried and reset."""
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
             *(number(value(r, n), digits_of(n)) for n in names),
             number(other_value), number(value(r, run.main_score) - other_value)]
        )  # fmt: skip
    inference = other.inferred_with if other else "the other"
    heads = ["subject", "labelled steps", "positive", *map(name_of, names),
             f"{name_of(run.main_score)}, memory {inference}", "difference"]  # fmt: skip
    left = len(rows) - len(cells)
    more = f" (the first {MOST_SUBJECTS}; {left} more in the file)" if left > 0 else ""
    yield Table(
        f"Each test subject: {short(own)}{more}", heads, cells, source=run.source("subjects.tsv")
    )


def confusion_matrices(run: RunFiles) -> Iterator[Table]:
    """Return a matrix with counts and shares for the run's network under both inference policies."""
    for row in (run.own, run.other):
        found = confusion_of(run, row) if row else None
        if row is None or found is None:
            continue
        tn, fp, fn, tp = (value(found, n) for n in
                          ("true_negative", "false_positive", "false_negative", "true_positive"))  # fmt: skip
        yield Table(
            f"Steps, {short(row)}", ["truth", "predicted negative", "predicted positive", "steps"],
            [["negative", _share(tn, tn + fp), _share(fp, tn + fp), count(tn + fp)],
             ["positive", _share(fn, tp + fn), _share(tp, tp + fn), count(tp + fn)]],
        )  # fmt: skip


def event_table(run: RunFiles) -> Table | None:
    """Return the events of each model in counts."""
    rows = []
    for row in run.rows:
        found = confusion_of(run, row)
        if found is None:
            continue
        true, detected, hits = (
            value(found, n) for n in ("true_events", "detected_events", "hit_events")
        )
        hours = value(found, "labelled_hours")
        rows.append(
            [short(row), count(true), _share(hits, true), count(true - hits), count(detected),
             count(detected - hits), number((detected - hits) / hours if hours else math.nan, 1)]
        )  # fmt: skip
    if not rows:
        return None
    heads = [
        "model",
        "true events",
        "detected true events",
        "missed",
        "detections",
        "false alarms",
        "false alarms per hour",
    ]
    longest = as_float(run.sections.get(run.task.name, {}).get("max_duration"))
    pieces = (
        f"; an event longer than {longest:g} s counts once per {longest:g} s" if longest > 0 else ""
    )
    return Table(f"Events in counts{pieces}", heads, rows, source=run.source("confusion.tsv"))


def _share(part: float, whole: float) -> str:
    return f"{count(part)} ({percent(part / whole if whole else math.nan, 1)})"


def feature_table(run: RunFiles) -> Table | None:
    """Return the features that differ most between the classes, over training subjects."""
    found = [r for r in run.table("features") if not math.isnan(value(r, "dz"))]
    if not found:
        return None
    ordered = sorted(found, key=lambda r: -abs(value(r, "dz")))[:MOST_FEATURES]
    rows = [
        [r.get("name", ""), number(value(r, "negative"), 2), number(value(r, "positive"), 2),
         number(value(r, "dz"), 2), number(value(r, "auc"), 2), number(value(r, "p_t_holm")),
         number(value(r, "p_flip_holm"))]
        for r in ordered
    ]  # fmt: skip
    n = value(ordered[0], "n")
    heads = ["feature", "mean, negative", "mean, positive", "d_z", "ROC AUC", "p (paired t, Holm)",
             "p (sign flip, Holm)"]  # fmt: skip
    caption = (
        f"Features that differ most between the classes, over {count(n)} training subjects "
        f"({len(ordered)} of {len(found)})"
    )
    return Table(caption, heads, rows, source=run.source("features.tsv"))


def recording_table(run: RunFiles) -> Table | Paragraph:
    """Return the quality of each recording."""
    rows_in = run.facts.get("recordings", [])
    if not rows_in:
        return Paragraph("The run has no description of its recordings.")
    part_of = {
        str(s): words
        for part, words in (("train", "train"), ("valid", "validation"), ("test", "test"))
        for s in run.facts.get("subjects", {}).get(part, ())
    }
    by_time = run.facts.get("split") == "time"
    rows = []
    for r in rows_in[:MOST_RECORDINGS]:
        labelled, positive, steps = (as_float(r.get(n)) for n in ("labelled", "positive", "steps"))
        part = (
            "cut by time"
            if by_time
            else "left out in turn"
            if run.folds
            else part_of.get(str(r.get("subject")), "")
        )
        warnings = "; ".join(map(str, r["warnings"]))
        rows.append(
            [str(r.get("name", "")), str(r.get("subject", "")), part, warnings or "none",
             length(as_float(r.get("seconds"))), number(as_float(r.get("rate")) or math.nan, 0),
             count(steps), percent(labelled / steps if steps else math.nan),
             percent(positive / labelled if labelled else math.nan, 1),
             f"{r.get('gaps', 0)} ({length(as_float(r.get('gap_seconds')))})"]
        )  # fmt: skip
    heads = ["recording", "subject", "part", "warnings", "length", "rate (Hz)", "steps", "labelled",
             "positive", "gaps"]  # fmt: skip
    left = len(rows_in) - len(rows)
    more = f" (the first {MOST_RECORDINGS} of {len(rows_in)})" if left > 0 else ""
    return Table(f"Recordings{more}", heads, rows, 4)


def check_table(run: RunFiles) -> Table | Paragraph:
    """Return what was found before training."""
    rows = run.table("checks")
    if not rows:
        return Paragraph("The run kept no checks before training.")
    cells = [
        ["looked for, not found" if r.get(c) == "nothing" else r.get(c, "") for c in CHECK_COLUMNS]
        for r in rows[:MOST_RECORDINGS]
    ]
    return Table("Checks before training", list(CHECK_COLUMNS), cells, 5, run.source(CHECKS))


def environment_table(run: RunFiles) -> Table | Paragraph:
    """Return the versions of the software."""
    e = run.environment
    libraries = e.get("libraries")
    named = {
        "memcell": e.get("memcell"), "git commit": e.get("git"), "Python": e.get("python"),
        "system": e.get("platform"), "device": e.get("device"), "threads": e.get("threads"),
        **(libraries if isinstance(libraries, dict) else {}),
    }  # fmt: skip
    rows = [[k, str(v)] for k, v in named.items() if v not in (None, "")]
    if not rows:
        return Paragraph("The run did not record the versions that it was made with.")
    return Table("Environment", ["component", "version"], rows, 2)
