"""Which model a prediction was made with, in words: what it was trained on, and how well it did there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from memcell.reports import Html, listing, paragraph, table
from memcell.reports.numbers import number
from memcell_eeg.reports.tables_in import as_float, as_object, read_facts

SHOWN = ("balanced_accuracy", "kappa", "auc_pr", "event_sensitivity", "event_precision", "event_f1",
         "false_alarms_per_hour", "onset_delay_s")  # fmt: skip


FEW_SUBJECTS = 6


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is known of it; everything may be missing.

    Args:
        about: ``prediction.json``, as the engine wrote it.
        origin: ``GeneratedBy`` of a sidecar.
    """

    about: Mapping[str, Any]
    origin: Mapping[str, Any]

    @classmethod
    def of(cls, about: Mapping[str, Any], origin: Mapping[str, Any]) -> Model:
        """Return it."""
        return cls(about=about, origin=origin)

    @property
    def threshold(self) -> float:
        """From which probability on a step counts; NaN where it is not known."""
        own = as_float(self.origin.get("threshold"))
        return (
            own if own == own else as_float(as_object(self.about.get("decision")).get("threshold"))
        )

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the run resolved from its data."""
        return read_facts(self.about.get("facts"))

    @property
    def simulated(self) -> bool:
        """Whether it was trained on recordings made by a program."""
        return bool(self.origin.get("trained_on_simulated_data") or self.facts.get("simulated"))

    @property
    def subjects(self) -> dict[str, list[str]]:
        """Who is in which split."""
        found = self.facts.get("subjects", {})
        return {k: [str(s) for s in v] for k, v in found.items()}

    def knows(self, recording: str) -> bool:
        """Whether a recording has the name of one that was trained or tuned on."""
        used = {s for part in ("train", "valid") for s in self.subjects.get(part, ())}
        names = {
            str(r.get("name"))
            for r in self.facts.get("recordings", [])
            if str(r.get("subject")) in used or self.facts.get("split") == "time"
        }
        return recording in names or recording in used

    def told(self) -> Iterator[Html]:
        """Return a table of what it is, what every output on it must carry, and its scores."""
        subjects = self.subjects
        who = ", ".join(
            f"{len(v)} {name}" for name, v in (
                ("to train on", subjects.get("train", [])), ("for validation", subjects.get("valid", [])),
                ("to test on", subjects.get("test", [])))
        )  # fmt: skip
        pipeline = self.facts.get("pipeline", {})
        rows = {
            "network": self.about.get("network"),
            "run": self.about.get("run"),
            "model": self.origin.get("model_id") or self.about.get("model_id"),
            "memory at inference": self.about.get("inference"),
            "threshold": number(self.threshold, 4),
            "trained on": self.facts.get("dataset"),
            "subjects": who if subjects else None,
            "channels": ", ".join(map(str, self.facts.get("channels", ()))),
            "features": ", ".join(map(str, pipeline.get("features", ()))),
            "step": f"{pipeline['step']:g} s" if "step" in pipeline else None,
            "rate": f"{self.facts['rate']:g} Hz" if "rate" in self.facts else None,
            "normalization": pipeline.get("normalization"),
        }  # fmt: skip
        shown = [[k, str(v)] for k, v in rows.items() if v not in (None, "", "–")]
        if shown:
            yield table("What predicted", ["what", "value"], shown, 2)
        else:
            yield paragraph("The folder does not say which model made it.")
        scores = {k: as_float(v) for k, v in as_object(self.about.get("scores")).items()}
        known = [n for n in SHOWN if not math.isnan(scores.get(n, math.nan))]
        if known:
            yield table(
                "How it did on the test recordings of its own training run",
                ["score", "value"],
                [[n.replace("_", " "), number(scores[n])] for n in known],
            )
        elif self.about:
            yield paragraph("The run has no scores, so nothing is known about how good it is.")
        notes = self.about.get("notes")
        if isinstance(notes, list) and notes:
            yield paragraph("How it was trained and is to be read:")
            yield listing([_sentence(str(n)) for n in notes])

    def doubts(self) -> list[str]:
        """Return what speaks against believing it."""
        lines = []
        if self.simulated:
            lines.append(
                "The model has seen simulated recordings only; nothing here is about a person."
            )
        people = len(self.subjects.get("train", []))
        if people and people < FEW_SUBJECTS:
            lines.append(
                f"It was trained on {people} subject{'' if people == 1 else 's'}: how it does on "
                "other people, other amplifiers and other electrodes is not known."
            )
        if self.facts.get("split") == "time":
            lines.append(
                "It was tested on the same people that it was trained on, at a later time: its "
                "scores say little about anybody else."
            )
        decision = as_object(self.about.get("decision"))
        if decision.get("threshold_chosen") == 0 and "cost" not in decision:
            lines.append(
                "Its threshold could not be chosen on validation recordings; it holds for a calibrated "
                "network."
            )
        if decision.get("weight_odds") not in (None, 1, 1.0):
            lines.append(
                "In training the classes did not weigh what they occur, so a probability of .5 is not an "
                "even chance: true chances are lower where events are rare."
            )
        return lines


def _sentence(line: str) -> str:
    line = line.strip()
    return line[:1].upper() + line[1:].rstrip(".") + "." if line else line
