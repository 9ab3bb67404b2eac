"""Every reason not to believe a run's answer."""

from __future__ import annotations

import math

from memcell.reports import Html, text
from memcell_eeg.reports.run.held import Run

FEW_SUBJECTS = 6


MOST_WORDS = 600


def doubts(run: Run) -> list[str | Html]:
    """Return every reason for doubt, the weightiest first."""
    lines: list[str | Html] = []
    subjects = run.facts.get("subjects")
    test = sorted({r.get("subject", "") for r in run.table("subjects")})
    if not test and isinstance(subjects, dict):
        test = list(subjects.get("test", []))
    if run.simulated:
        lines.append("The recordings are simulated: a score on them is no result about people.")
    if len(test) == 1:
        lines.append("There is one test subject: nothing here speaks about any other person.")
    elif 0 < len(test) < FEW_SUBJECTS:
        lines.append(
            f"There are {len(test)} test subjects: too few to say how it does on other people; no "
            "test over subjects can reach .05."
        )
    if one := _one_class(run):
        lines.append(one)
    if run.facts.get("split") == "time":
        lines.append(
            "The split is by time: the same people are trained on and tested on. It is easier than "
            "new people."
        )
    seed = run.sections.get("training", {}).get("seed", 0)
    lines.append(
        f"One seed ({seed}): another start of the weights gives other scores. Differences between the "
        "networks of this page may be luck."
        if run.seeds == 1
        else f"{run.seeds} seeds, from {seed} on, stand behind these scores (seeds.tsv has each by itself); "
        "the curves and recordings drawn here are of the first."
    )
    for policy, decision in run.decisions.items():
        # where validation has both classes its cost is known, whether or not it chose
        if decision.get("threshold_chosen") == 0 and "cost" not in decision:
            lines.append(
                f"The threshold under {policy} was not tried on anything, since the validation split lacks "
                f"a class; it is {decision.get('threshold', math.nan):.3g}, which holds for a calibrated "
                "network."
            )
    if any(decision.get("weight_odds", 1.0) != 1.0 for decision in run.decisions.values()):
        lines.append(
            "In training the classes did not weigh what they occur (class weights, sampler, "
            "--around-transitions), so a raw probability of .5 is not an even chance; the calibration below "
            "undoes this."
        )
    if run.folds:
        lines.append(
            f"Each of the {len(run.folds)} subjects was left out in turn and scored by networks that "
            "never saw them; no single network has these scores."
        )
    return [text(line[:MOST_WORDS]) for line in lines]


def _one_class(run: Run) -> str:
    """Say so where no test recording has both classes: then no change was ever tested."""
    own = run.own
    sequences = [s for part in run.judged.get(own.name, ()) for s in part.sequences] if own else []
    both = sum(bool((s.targets == 1).any() and (s.targets == 0).any()) for s in sequences)
    if not sequences or both:
        return ""
    return (
        "No test recording has both classes: to tell whole recordings apart is another thing than to "
        "notice a change within one, which nothing here has tested."
    )
