"""Features kept on disk from one run to the next: what decides them (`key`), and the folder (`store`)."""

from memcell_eeg.cache.features import FeatureCache

__all__ = ["FeatureCache"]
