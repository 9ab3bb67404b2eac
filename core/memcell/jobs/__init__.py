"""Many tasks, one after the other or on Dask: the same results either way."""

from memcell.jobs.contract import Mode, Outcome, Task, Working
from memcell.jobs.run import run_tasks

__all__ = ["Mode", "Outcome", "Task", "Working", "run_tasks"]
