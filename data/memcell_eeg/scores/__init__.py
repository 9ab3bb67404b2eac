"""Scores by step and by event, their intervals and curves."""
