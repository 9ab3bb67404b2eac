"""Comparison of a live stream's rate, channels and units with what the model needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError, UsageError
from memcell_data.channel_lookup import MissingChannel, find, numbered
from memcell_data.renaming import NOTHING, Renaming
from memcell_data.units import ALL, KNOWN, microvolts_per
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.signal.absent import absent_of, check_enough
from memcell_eeg.signal.channels import how_to_rename, trained_on
from memcell_eeg.signal.references import References

#: Highest accepted rate, Hz; memory for windows and filters grows with it.
FASTEST = 200_000.0
#: Further spellings of units in streams: words, and powers of ten of a volt (mne-lsl).
_WORDS = {
    "microvolts": "uV", "microvolt": "uV", "millivolts": "mV", "millivolt": "mV", "nanovolts": "nV",
    "nanovolt": "nV", "volts": "V", "volt": "V", "0": "V", "-3": "mV", "-6": "uV", "-9": "nV",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Matched:
    """The rows of a stream that are the model's channels.

    Args:
        rows: One for each channel of the model that is not left out, in the model's order.
        names: The stream's names of them.
        microvolts: Conversion factor of each to uV.
        left_out: Channels of the model that it lacks and that are left out.
    """

    rows: tuple[int, ...]
    names: tuple[str, ...]
    microvolts: NDArray[np.float64]
    left_out: tuple[str, ...] = ()


def match(
    name: str,
    rate: float,
    labels: Sequence[str] | None,
    units: Sequence[str | None] | None,
    pipeline: Pipeline,
    unit: str = "",
    renaming: Renaming = NOTHING,
    optional: References | None = None,
) -> Matched:
    """Find the model's channels in a stream.

    Args:
        name: The stream's.
        rate: Sampling rate, Hz; 0 if irregular.
        labels: Names of its channels; None if it does not state them.
        units: Units of its channels, likewise.
        pipeline: The pipeline of the run.
        unit: Unit of channels that name none, from ``--unit``.
        renaming: Other names for its channels.
        optional: Of a model that was trained to do without some of its channels; None for one that needs all.

    Raises:
        DataError: The rate is too low or irregular, channels are missing (all of them are named) or
            ambiguous, or a unit is unknown.
        UsageError: ``unit`` is no voltage.
    """
    where = f"stream '{name}'"
    if not math.isfinite(rate) or rate <= 0:
        raise DataError(
            f"{where} has no regular rate; a signal of {pipeline.rate:g} Hz or more is needed."
        )
    if rate > FASTEST:
        raise DataError(
            f"{where} states a rate of {rate:g} Hz, and no EEG has more than {FASTEST:g} Hz; correct "
            "the rate in the sending program."
        )
    pipeline = pipeline.at(rate, where)
    if rate < pipeline.rate:
        raise DataError(
            f"{where} has {rate:g} Hz and the run works at {pipeline.rate:g} Hz; stream {pipeline.rate:g} "
            f"Hz or more, or train with --rate {rate:g}."
        )
    if not labels:
        raise DataError(
            f"{where} does not name its channels; the model needs {', '.join(pipeline.channels)}: set the "
            "labels in the sending program."
        )
    labels = numbered(labels)
    named = renaming.names(labels, where)
    left_out = [] if optional is None else absent_of(optional, named)
    try:
        check_enough(where, pipeline.channels, left_out)
    except DataError as error:
        hint = how_to_rename(pipeline.channels, named)
        raise DataError(f"{error} It has: {', '.join(labels)}.{hint}") from error
    rows, wrong = [], []
    for channel in pipeline.channels:
        if channel in left_out:
            continue
        try:
            rows.append(find(channel, named, where))
        except DataError as error:
            wrong.append((channel, error))
    if wrong:
        if len(wrong) == 1:
            lacks = wrong[0][1]
            text = lacks.has if isinstance(lacks, MissingChannel) else str(lacks)
        else:
            text = (
                f"{where} lacks {', '.join(repr(c) for c, _ in wrong)}, or has several of that name. It has: "
                f"{', '.join(labels)}."
            )
        needed = [c for c in pipeline.channels if c not in left_out]
        hint = how_to_rename(needed, named)
        raise DataError(f"{text}{trained_on(pipeline.channels)}{hint}")
    factors = [_factor(where, labels[r], units[r] if units else None, unit) for r in rows]
    return Matched(
        rows=tuple(rows),
        names=tuple(labels[r] for r in rows),
        microvolts=np.array(factors),
        left_out=tuple(left_out),
    )


def _factor(where: str, channel: str, written: str | None, fallback: str) -> float:
    own = (written or "").strip()
    known = microvolts_per(_WORDS.get(own.casefold(), own))
    if fallback.startswith(ALL):
        fallback, known = fallback.removeprefix(ALL), None
    if known is not None:
        return known
    if fallback:
        given = microvolts_per(_WORDS.get(fallback.casefold(), fallback))
        if given is None:
            raise UsageError(f"--unit got '{fallback}', expected one of {KNOWN}.")
        return given
    problem = f"has the unit '{own}'" if own else "has no unit"
    raise DataError(
        f"{where}: channel '{channel}' {problem}, expected one of {KNOWN}; a guess could be wrong by a "
        "factor of a million. If you know it, type --unit uV (or mV, V, nV)."
    )
