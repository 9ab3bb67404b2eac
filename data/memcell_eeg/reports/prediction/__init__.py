"""The report of a prediction."""
