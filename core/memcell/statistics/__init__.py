"""Statistics of paired runs, as pure functions of arrays: tests, effects, intervals, times to target."""
