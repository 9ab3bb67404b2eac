"""The options of the sleep application: those of every EEG detector, with those of sleep for defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memcell_eeg.config import AS_LABELLED, EegConfig, changed

#: What every output of a model says.
KNOWS = "it tells wake from sleep; it does not know microsleeps, drowsiness or sleep stages"

#: Electrodes in the order in which the first that is there is taken, with any reference: the derivation that
#: the shipped model was fitted on, then the back of the head, then its middle.
SITES = ("Pz", "Oz", "O1", "O2", "P3", "P4", "Cz", "C3", "C4")
CHANNEL = " or ".join(["Pz-Oz", *(f"{site} or {site}-*" for site in SITES)])


@dataclass(frozen=True, kw_only=True)
class SleepConfig(EegConfig):
    """From recordings to sequences, to splits, to decisions; see `memcell_eeg.config.EegConfig`.

    A step is 5 s and looks 10 s back; its features are four relative powers of one channel, at the scale of
    the training people. A moment of wake within sleep counts, as it does in a hypnogram, so no event is too
    short. Both classes weigh the same in the loss, and a step is sleep from .5 on.
    """

    data: str = changed("data", "sleep-edf")
    channels: tuple[str, ...] = changed("channels", (CHANNEL,))
    low: float = changed("low", 0.3)
    high: float = changed("high", 45.0)
    step: float = changed("step", 5.0)
    window: float = changed("window", 10.0)
    features: tuple[str, ...] = changed("features", ("sleep_powers",))
    context: tuple[str, ...] = changed("context", ("none",))
    normalization: str = changed("normalization", "training")
    protocol: str = changed(
        "protocol",
        "auto",
        choices=("auto", AS_LABELLED, "wake_vs_sleep", "wake_vs_deeper"),
        help="Which stages count as which class: 'wake_vs_sleep' (which 'auto' is) all stages against wake, "
        "'wake_vs_deeper' leaves N1, the passage between them, without a class.",
    )
    decision: str = changed("decision", "cost")
    split_gap: float = changed("split_gap", 30.0)
    tolerance: float = changed("tolerance", 5.0)

    def engine_defaults(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the engine's defaults: a small network that begins as a regression and learns little more.

        A person's nights are few and their habits easily learned by heart: hence few units, noise on the
        inputs and a regression that stays as it starts.
        """
        return {
            "cell": {"name": "gru"},
            "optimizer": {"name": "adamw", "weight_decay": 0.01},
            "network": {"hidden_size": 8, "skip": "fixed", "input_noise": 0.3},
            "training": {"learning_rate": 0.003, "time_steps": 240, "batch_size": 16},
        }
