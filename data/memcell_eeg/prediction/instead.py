"""Options under which a recording that was refused is predicted; they are tried before they are said."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from memcell.errors import DataError
from memcell_data.recording import Recording
from memcell_data.renaming import Renaming
from memcell_data.units import ALL, microvolts_per
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.prediction.model import DetectionModel
from memcell_eeg.prediction.sources import RecordingFile
from memcell_eeg.signal.absent import with_absent
from memcell_eeg.signal.channels import native_rate
from memcell_eeg.signal.stand_in import with_stand_ins
from memcell_eeg.signal.unit import Unit

#: What a refusal says that a unit may end.
_UNIT_OFFERED = "--unit "
_UNITS = ("uV", "mV", "V", "nV")
#: Median absolute deviation of an EEG within a second, uV; units lie a thousand times apart.
_LEAST, _MOST = 1.0, 300.0
#: Refusals of one recording that are answered one after the other.
_MOST_ANSWERS = 3


def options_instead(
    model: DetectionModel, item: RecordingFile, error: DataError
) -> tuple[dict[str, Any], str]:
    """Return options under which a recording is predicted, and what stands against it with the first of them.

    Args:
        model: What would predict it.
        item: The recording.
        error: Why it was refused.

    Returns:
        The options, empty where none are known; and the next refusal, empty where there is none.
    """
    found: dict[str, Any] = {}
    for _ in range(_MOST_ANSWERS):
        more = _answer(model, item, error)
        if not more:
            break
        found |= more
        model = _with(model, more)
        try:
            _rehearse(model, item)
        except DataError as another:
            error = another
        else:
            return found, ""
    return {}, str(error) if found else ""


def _answer(model: DetectionModel, item: RecordingFile, error: DataError) -> dict[str, Any]:
    """Return the options that may end one refusal."""
    options = dict(getattr(error, "options", {}))
    if "rename" in options:  # what is typed replaces the rules that held until now
        options["rename"] = [*(rule.text for rule in model.renaming.rules), *options["rename"]]
    if not options and _UNIT_OFFERED in str(error):
        unit = _fitting_unit(model, item)
        return {"unit": unit} if unit else {}
    return options


def _with(model: DetectionModel, options: Mapping[str, Any]) -> DetectionModel:
    changes: dict[str, Any] = {}
    if "rename" in options:
        changes["renaming"] = Renaming.of(options["rename"])
    if "reference" in options:
        changes["reference"] = options["reference"]
    if "unit" in options:
        changes["unit"] = Unit(name=options["unit"])
    return replace(model, **changes)


def _rehearse(model: DetectionModel, item: RecordingFile) -> list[float]:
    """Read a recording as a prediction reads it, to the end: what is wrong with a unit is known there.

    Returns:
        Spreads of its first seconds, uV.

    Raises:
        DataError: It cannot be predicted.
    """
    recording, _ = model.opened(item)
    pipeline = model.pipeline
    if not isinstance(pipeline, Pipeline):
        return []
    spreads: list[float] = []

    def read(recording: Recording) -> None:
        own = model.channels_of(recording)
        rate = native_rate(own, recording)
        pipeline.at(rate, f"recording '{recording.name}'")
        for block in recording.blocks([c.name for c in own]):
            n = min(600, max(1, block.values.shape[1] // max(1, round(rate))))
            for second in np.array_split(block.values, n, axis=1):
                middle = np.median(second, axis=1, keepdims=True)
                spreads.append(float(np.median(np.abs(second - middle))))

    if model.optional:
        with_absent(recording, model.references, lambda recording, _: read(recording))
    else:
        with_stand_ins(recording, pipeline.channels, read)
    return spreads


def _fitting_unit(model: DetectionModel, item: RecordingFile) -> str:
    """Return the ``--unit`` under which a recording has the amplitudes of an EEG; empty for none."""
    fits = []
    for unit in (*_UNITS, *(ALL + unit for unit in _UNITS)):
        with suppress(DataError):
            spreads = _rehearse(_with(model, {"unit": unit}), item)
            if spreads and _LEAST <= float(np.median(spreads)) <= _MOST:
                fits.append(unit)
    # a unit for channels that state none is enough where it is
    return fits[0] if len({microvolts_per(u.removeprefix(ALL)) for u in fits}) == 1 else ""
