"""Scores by step and by event, with confidence intervals and curves."""
