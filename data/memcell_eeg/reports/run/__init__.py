"""The page of a training run's folder, also of one that leaves each subject out in turn."""
