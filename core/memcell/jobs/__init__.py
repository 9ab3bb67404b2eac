"""Many tasks, one after the other or on Dask: the same results either way."""

from memcell.jobs.tasks import Mode, Outcome, Task, Working, run_tasks

__all__ = ["Mode", "Outcome", "Task", "Working", "run_tasks"]
