"""The report of a training run, also of leave-one-subject-out runs."""
