"""What samples say of themselves: amplitudes, flat and clipped segments, hum of the mains."""
