"""EDF, EDF+ and BDF: header, times, reading, writing."""
