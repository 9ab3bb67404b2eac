"""Folds: a run for each one who is held out, and scores pooled over all of them."""
