"""A training run and its paired control run: folder, scores, folds, evaluation, compatibility."""
