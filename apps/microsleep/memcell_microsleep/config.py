"""The options of the microsleep application: those of every EEG detector, with a microsleep's defaults."""

from __future__ import annotations

from dataclasses import dataclass

from memcell_eeg.config import AS_LABELLED, EegConfig, changed


@dataclass(frozen=True, kw_only=True)
class MicrosleepConfig(EegConfig):
    """From recordings to sequences, to splits, to decisions; see `memcell_eeg.config.EegConfig`.

    A microsleep lasts 1-15 s (BERN criteria, Hertig-Godeschalk et al. 2020), and a closure of the eyes under
    .45 s is a blink (S. Schumacher's rule).
    """

    protocol: str = changed(
        "protocol",
        "auto",
        choices=("auto", AS_LABELLED, "sure", "one_vs_rest", "wake_drowsy_vs_ms", "wake_vs_all"),
        help="Which labels count as which class, where they are graded (wake, drowsy, candidate, "
        "one-sided, microsleep); 'auto' is wake_drowsy_vs_ms there, and what the data set says elsewhere.",
    )
    blink: float = changed("blink", 0.45)
    min_duration: float = changed("min_duration", 1.0)
    max_duration: float = changed("max_duration", 15.0)
