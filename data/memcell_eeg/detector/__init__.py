"""A trained EEG model in a program or a notebook: what `memcell.load` returns."""

from memcell_eeg.detector.detector import EegDetector
from memcell_eeg.detector.found import FoundEvents
from memcell_eeg.detector.streaming import StreamedStep

__all__ = ["EegDetector", "FoundEvents", "StreamedStep"]
