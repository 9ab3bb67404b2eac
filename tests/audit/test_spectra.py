"""Features of signals whose spectrum is known: sines at stated frequencies and noise of stated density."""

from __future__ import annotations

import numpy as np
import pytest

from memcell_eeg.features import stft
from memcell_eeg.features.stft import Magnitudes
from memcell_eeg.features.windows import SignalWindow


@pytest.mark.parametrize("window", [0.5, 0.7, 1.0, 1.01, 1.1, 1.3, 2.02])
def test_lines_of_the_stft_stand_where_their_names_say(window) -> None:
    """Each line, one after the other, is the largest for a sine of its own frequency ``k / window``."""
    rate, high = 100.0, 35.0
    width = round(window * rate)
    made = Magnitudes(SignalWindow(channels=("O1",), rate=rate, window=window, high=high))
    frequencies = np.arange(1, width // 2 + 1) * rate / width
    frequencies = frequencies[frequencies <= high + 1e-6]
    assert stft.names(["O1"], rate, window, high) == tuple(f"O1 {f:.4g} Hz" for f in frequencies)
    t = np.arange(width) / rate
    for k, f in enumerate(frequencies):
        sine = 20 * np.sin(2 * np.pi * f * t + 0.7)[None, None].astype(np.float32)
        assert int(np.argmax(made(sine)[0])) == k
