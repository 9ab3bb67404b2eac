"""The page of a prediction's folder."""
