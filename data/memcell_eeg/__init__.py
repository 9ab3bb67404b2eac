"""EEG for recurrent networks: all that an application needs beside its own labels, rules and wording.

An application is a subclass of `memcell_eeg.app.EegApp` with a description, `memcell_eeg.task.EegTask`. The
way of the data, each room importing only from those before it:

- `store`, `left_out`: features kept in a folder; recordings and labels that cannot be used;
- `config`: every option, which an application extends;
- `signal`: from a recording's channels to a clean signal;
- `targets`: from an expert's intervals to a target of each step (`targets.protocols`: which label is which
  class); `task`: what tells one detector from another;
- `features`: from a signal to the features of each step (`features.stream`: as it comes in), and the encoder;
- `decisions`: from probabilities to decisions; `splits`: who is trained on, validated and tested;
- `scores`, `baselines`: how good that is, and what stands beside it;
- `cache`: features from one run to the next; `advice`: checks before training;
- `preparation`: all recordings to sequences;
- `export`, `prediction`: a trained network over recordings, and the files that it leaves;
- `live`: the same step by step on a signal that is still coming in;
- `reports`: what a person looks at;
- `app`: all of it behind the engine's `memcell.applications.app.App`.
"""

from __future__ import annotations

from collections.abc import Iterable

from memcell import FeatureExtractorSpec, hookimpl

__all__ = ["LATE_IMPORTS", "memcell_feature_extractors"]

#: What training and scoring import where they are reached (`memcell.AppSpec.late_imports`).
LATE_IMPORTS = (
    *("memcell_eeg.baselines", "statsmodels.discrete.discrete_model"),
    *("memcell_eeg.features.encoder", "memcell_eeg.features.raw", "memcell_eeg.scores.tables"),
)


@hookimpl
def memcell_feature_extractors() -> Iterable[FeatureExtractorSpec]:
    """Return the feature extractors that come with memcell."""
    from memcell_eeg.features.built_in import BUILT_IN

    return BUILT_IN.values()
