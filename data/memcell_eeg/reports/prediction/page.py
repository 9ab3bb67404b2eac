"""The page of a prediction, top down: what was found, what to keep in mind, the model, recordings in time."""

from __future__ import annotations

from memcell.reports import document, listing, paragraph, section
from memcell_eeg.reports.prediction.files import Prediction
from memcell_eeg.reports.prediction.model import Model
from memcell_eeg.reports.prediction.phrasing import answers, doubts, failed_line, recordings
from memcell_eeg.reports.prediction.pictures import overall, strips
from memcell_eeg.reports.prediction.tables import every_recording, failures


def prediction_page(found: Prediction, app: str) -> str:
    """Return the report of a prediction's folder; ``app`` is the word after ``memcell predict``."""
    model = Model.of(found.about, found.origin)
    parts: list[str] = []
    if model.simulated:
        parts.append(
            paragraph(
                "The model was trained on simulated recordings. What it finds says nothing about people.",
                kind="warning",
            )
        )
    if found.failed:
        parts.append(paragraph(failed_line(found), kind="warning"))
    parts += [
        section("What was found", *answers(found)),
        section("What to keep in mind", listing(doubts(found, model))),
        section("The model", *model.told()),
    ]
    if found.failed:
        parts.append(section("Recordings without a result", failures(found)))
    parts += [
        section("Recordings in time", *strips(found, model)),
        section("Over all recordings", *overall(found, model)),
        section("All recordings", *every_recording(found)),
    ]
    return document(f"memcell predict {app}: {recordings(len(found.rows))}", *parts)
