"""Many tasks, one after the other or on Dask: the same results either way."""

from memcell.jobs.tasks import JobTask, Mode, Outcome, Working, run_tasks

__all__ = ["JobTask", "Mode", "Outcome", "Working", "run_tasks"]
