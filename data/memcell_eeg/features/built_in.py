"""The feature extractors that come with memcell, as specs: nothing heavy is imported here."""

from __future__ import annotations

from memcell import FeatureExtractorSpec

_CHECKS = "memcell_eeg.features.checking:CHECKS"

#: Those that come with memcell. A run with these alone needs no plugin to be loaded.
BUILT_IN: dict[str, FeatureExtractorSpec] = {
    spec.name: spec
    for spec in (
        FeatureExtractorSpec(
            name="relative",
            factory="memcell_eeg.features.relative:RelativePowers",
            checks=_CHECKS,
            summary="Log powers of each channel relative to each other, and its mobility: free of the gain.",
            reference="Welch 1967; Hjorth 1970",
        ),
        FeatureExtractorSpec(
            name="sleep_powers",
            factory="memcell_eeg.features.sleep_powers:WakeSleepPowers",
            checks=_CHECKS,
            summary="Relative log powers, delta to beta, averaged over channels: sleep in any of them.",
            reference="Welch 1967",
        ),
        FeatureExtractorSpec(
            name="bandpower",
            factory="memcell_eeg.features.bandpower:BandPowers",
            checks=_CHECKS,
            summary="Log band powers of each channel, theta against alpha, slow against fast.",
        ),
        FeatureExtractorSpec(
            name="correlation",
            factory="memcell_eeg.features.correlation:Correlations",
            checks=_CHECKS,
            summary="Correlations of all pairs of channels, as Fisher's z.",
            reference="Fisher 1915",
        ),
        FeatureExtractorSpec(
            name="stft",
            factory="memcell_eeg.features.stft:Magnitudes",
            checks=_CHECKS,
            summary="Log magnitudes of a short-time Fourier transform up to --high.",
        ),
        FeatureExtractorSpec(
            name="raw",
            factory="memcell_eeg.features.raw:Raw",
            checks=_CHECKS,
            summary="The samples of the window, for an encoder that learns from them.",
        ),
    )
}
