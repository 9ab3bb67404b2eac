"""Channels that a model can do without: left out at times in training, so that a recording may lack one.

In training each channel is left out for `SECONDS` at a time, with the chance that ``--channel-dropout`` says:
its features are 0 then, which is their mean in training, and so are their means of the past and what is made
of it and another channel. At least one channel is left. A prediction does the same with a channel that a
recording does not have, or that is lost, for the whole of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import ConfigError
from memcell.sequences.time_series import TimeSeries
from memcell_eeg.features.pipeline import Pipeline

SECONDS = 60.0


def has_optional(facts: Mapping[str, Any]) -> bool:
    """Return whether the run with these facts was trained to do without some of its channels."""
    return bool(facts.get("config", {}).get("channel_dropout"))


def columns_of(channel: str, names: Sequence[str]) -> NDArray[np.bool_]:
    """Return ``[F]``: which features are made of a channel, by their names."""
    return np.array([_is_of(channel, name) for name in names])


def _is_of(channel: str, name: str) -> bool:
    made_of = name.partition(",")[0]
    return made_of.startswith((f"{channel} ", f"{channel}~")) or made_of.endswith(f"~{channel}")


def columns_left_out(pipeline: Pipeline, channels: Sequence[str]) -> NDArray[np.bool_]:
    """Return ``[F]``: which features are made of a channel that is left out, alone or with another."""
    found = np.zeros(len(pipeline.feature_names), dtype=np.bool_)
    for channel in channels:
        found |= columns_of(channel, pipeline.feature_names)
    return found


def left_out_of(sequence: TimeSeries, pipeline: Pipeline, channels: Sequence[str]) -> TimeSeries:
    """Return a scaled sequence without what is made of some channels."""
    if not channels:
        return sequence
    left_out = columns_left_out(pipeline, channels)
    return replace(sequence, features=np.where(left_out, np.float32(0.0), sequence.features))


def check_optional(pipeline: Pipeline) -> None:
    """Refuse to leave out channels where 0 is not what their features are without them.

    Raises:
        ConfigError: Says what to type.
    """
    names = pipeline.feature_names
    reason = ""
    if len(pipeline.channels) < 2:
        reason = "the run has one channel: type two or more --channels"
    elif pipeline.normalization not in ("training", "causal"):
        reason = "0 has to be the mean of the features: type --normalization training"
    elif pipeline.reference == "average":
        reason = "the mean of the channels would be another one: type --reference none"
    elif not pipeline.normalized.all() or not np.all(
        np.any([columns_of(channel, names) for channel in pipeline.channels], axis=0)
    ):
        reason = "features have to be of single channels and scaled: type --features relative"
    if reason:
        raise ConfigError(f"'channel-dropout' cannot be used: {reason}, or leave it out.")


def with_dropout(
    sequences: Sequence[TimeSeries], pipeline: Pipeline, chance: float, seed: int
) -> tuple[TimeSeries, ...]:
    """Return training sequences in which channels are left out at times.

    Args:
        sequences: Scaled.
        pipeline: Of their features.
        chance: With which each channel is left out.
        seed: Of the draw.
    """
    masks = np.array([columns_of(channel, pipeline.feature_names) for channel in pipeline.channels])
    return tuple(
        _dropped(s, masks, chance, np.random.default_rng([seed, k]))
        for k, s in enumerate(sequences)
    )


def _dropped(
    sequence: TimeSeries, masks: NDArray[np.bool_], chance: float, random: np.random.Generator
) -> TimeSeries:
    features = sequence.features.copy()
    block = max(1, round(SECONDS / sequence.step_seconds))
    for first in range(0, len(features), block):
        out = random.random(len(masks)) < chance
        if out.all():
            out[random.integers(len(masks))] = False
        features[first : first + block, masks[out].any(axis=0)] = 0.0
    return replace(sequence, features=features)
