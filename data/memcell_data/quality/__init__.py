"""Signal quality: amplitudes, flat and clipped segments, hum of the mains."""
