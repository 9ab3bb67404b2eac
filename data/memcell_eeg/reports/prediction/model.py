"""The model that made a prediction: its training data, its test scores, its caveats."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from memcell.reports.numbers import number
from memcell.reports.parts import Listing, Paragraph, Part, Table
from memcell_eeg.reports.phrasing import name_of, score_text, sentence
from memcell_eeg.reports.reading import as_float, as_object, read_facts

SHOWN = ("balanced_accuracy", "kappa", "auc_pr", "event_sensitivity", "event_precision", "event_f1",
         "false_alarms_per_hour", "onset_delay_s")  # fmt: skip


FEW_SUBJECTS = 6


@dataclass(frozen=True, kw_only=True)
class ReportedModel:
    """The model that predicted; any field may be unknown.

    Args:
        about: ``prediction.json``, as the engine wrote it.
        origin: ``GeneratedBy`` of a sidecar.
    """

    about: Mapping[str, Any]
    origin: Mapping[str, Any]

    @classmethod
    def of(cls, about: Mapping[str, Any], origin: Mapping[str, Any]) -> ReportedModel:
        """Return the model of a prediction."""
        return cls(about=about, origin=origin)

    @property
    def threshold(self) -> float:
        """Threshold from which a step is positive; NaN if unknown."""
        own = as_float(self.origin.get("threshold"))
        return (
            own if own == own else as_float(as_object(self.about.get("decision")).get("threshold"))
        )

    @property
    def facts(self) -> Mapping[str, Any]:
        """Settings that the run resolved from its data."""
        return read_facts(self.about.get("facts"))

    @property
    def simulated(self) -> bool:
        """Whether it was trained on simulated recordings."""
        return bool(self.origin.get("trained_on_simulated_data") or self.facts.get("simulated"))

    @property
    def subjects(self) -> dict[str, list[str]]:
        """Subjects of each split."""
        found = self.facts.get("subjects", {})
        return {k: [str(s) for s in v] for k, v in found.items()}

    def knows(self, recording: str) -> bool:
        """Return whether a recording has the name of one used in training or tuning."""
        used = {s for part in ("train", "valid") for s in self.subjects.get(part, ())}
        names = {
            str(r.get("name"))
            for r in self.facts.get("recordings", [])
            if str(r.get("subject")) in used or self.facts.get("split") == "time"
        }
        return recording in names or recording in used

    def parts(self) -> Iterator[Part]:
        """Return tables of its properties and scores, and the notes of every output."""
        subjects = self.subjects
        subjects_by_split = ", ".join(
            f"{len(v)} {name}" for name, v in (
                ("training", subjects.get("train", [])), ("validation", subjects.get("valid", [])),
                ("test", subjects.get("test", [])))
        )  # fmt: skip
        pipeline = self.facts.get("pipeline", {})
        rows = {
            "network": self.about.get("network"),
            "run": self.about.get("run"),
            "model": self.origin.get("model_id") or self.about.get("model_id"),
            "memory at inference": self.about.get("inference"),
            "threshold": number(self.threshold, 4),
            "trained on": self.facts.get("dataset"),
            "subjects": subjects_by_split if subjects else None,
            "channels": ", ".join(map(str, self.facts.get("channels", ()))),
            "features": ", ".join(map(str, pipeline.get("features", ()))),
            "step": f"{pipeline['step']:g} s" if "step" in pipeline else None,
            "rate": f"{self.facts['rate']:g} Hz" if "rate" in self.facts else None,
            "normalization": pipeline.get("normalization"),
            "options of this prediction": ", ".join(
                f"{name} {value}" for name, value in as_object(self.about.get("options")).items()
            ),
        }  # fmt: skip
        properties = [[k, str(v)] for k, v in rows.items() if v not in (None, "", "–")]
        if properties:
            yield Table("Model", ["property", "value"], properties, 2)
        else:
            yield Paragraph("The folder does not name the model that made it.")
        scores = {k: as_float(v) for k, v in as_object(self.about.get("scores")).items()}
        known = [n for n in SHOWN if not math.isnan(scores.get(n, math.nan))]
        if known:
            yield Table(
                "Scores on the test recordings of its training run",
                ["score", "value"],
                [[name_of(n), score_text(n, scores[n])] for n in known],
            )
        elif self.about:
            yield Paragraph(
                "The run itself has no scores. 'memcell models show' says what is known of a model that "
                "comes along; of any other the performance is unknown."
            )
        notes = self.about.get("notes")
        if isinstance(notes, list) and notes:
            yield Paragraph("Notes of its training run:")
            yield Listing([sentence(str(n)) for n in notes])

    def caveats(self) -> list[str]:
        """Return the limits of its use."""
        lines = []
        if knows := self.facts.get("knows"):
            lines.append(f"What the model knows: {knows}.")
        if self.simulated:
            lines.append(
                "The model was trained on simulated recordings only; the results say nothing about people."
            )
        people = len(self.subjects.get("train", []))
        if people and people < FEW_SUBJECTS:
            lines.append(
                f"The model was trained on {people} subject{'' if people == 1 else 's'}: its performance on "
                "other people, amplifiers and electrodes is unknown."
            )
        if self.facts.get("split") == "time":
            lines.append(
                "The model was tested on later recordings of the people that it was trained on; its scores "
                "do not generalize to other people."
            )
        decision = as_object(self.about.get("decision"))
        if decision.get("threshold_chosen") == 0 and "cost" not in decision:
            lines.append(
                "The threshold was not chosen on validation recordings; it is the optimal one of a "
                "calibrated network."
            )
        if decision.get("weight_odds") not in (None, 1, 1.0):
            lines.append(
                "Training weighted the classes, so a probability of .5 is not an even chance: the chance is "
                "lower where events are rare."
            )
        return lines
