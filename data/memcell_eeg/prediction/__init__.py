"""Predictions of a trained detector for recordings."""
