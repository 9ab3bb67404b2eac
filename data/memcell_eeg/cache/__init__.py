"""Cache of features on disk: the key of a recording (`key`), and the cache (`features`)."""

from memcell_eeg.cache.features import FeatureCache

__all__ = ["FeatureCache"]
