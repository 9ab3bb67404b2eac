"""What samples say of themselves: amplitudes, flat and clipped stretches, hum of the mains."""
