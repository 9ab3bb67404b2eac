"""The CPU seconds of what a comparison does beside training, step by step in one process.

OMP_NUM_THREADS=1 python docs/results/comparison_steps.py

The data are those of ``memcell bench compare``, a draw for each of `SEEDS`, and their features come from the
cache. Imports stand in the order in which the process that workers are forked from makes them: each counts
what those before it have not imported. Runs are trained for one epoch, which is not counted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

APP = "microsleep"
SEEDS = (0, 1, 2, 3)
IMPORTS = ("torch", "distributed.nanny", "memcell.compare.run", "torch._dynamo")


@contextmanager
def timed(what: str, times: int = 1) -> Iterator[None]:
    """Print the CPU seconds of what is done while entered, a part of them where it is done several times."""
    began = time.process_time()
    yield
    print(f"{(time.process_time() - began) / times:8.2f} s  {what}")


def main() -> None:
    """Measure and print."""
    for name in IMPORTS:
        with timed(f"import {name}"):
            import_module(name)
    # imported here: importing them is what is measured
    from memcell.compare.prepared import prepared
    from memcell.plugins import default_registry
    from memcell.runs.own_functions import OwnFunctions
    from memcell.settings.run_config import resolve
    from memcell.threads import one_thread

    registry, own = default_registry(), OwnFunctions()
    spec = registry.get("app", APP).spec
    with timed("import the app"):
        import_module(spec.factory.partition(":")[0])
    with timed("import what the app imports late"):
        for name in getattr(spec, "late_imports", ()):
            import_module(name)
    configs = [resolve(APP, sections(seed), registry) for seed in SEEDS]
    for config in configs:
        prepared(config, own)  # so that features are in the cache
    with timed("prepare the data, each draw", len(SEEDS)):
        for config in configs:
            data = prepared(config, own)
    with timed("the baselines"), one_thread():
        data.app.baselines(data.task, every=True)
    with tempfile.TemporaryDirectory() as folder:
        first = [beside_training(seed, folder, "first") for seed in SEEDS]
        again = [beside_training(SEEDS[-1], folder, name) for name in "abcd"]
    print(f"{sum(first[1:]) / len(first[1:]):8.2f} s  a run beside training, the first of its data")
    print(f"{sum(again) / len(again):8.2f} s  a run beside training, another one of them")


def sections(seed: int) -> dict[str, Any]:
    """Return the config of a run as in ``config.toml``."""
    training = {"seed": seed, "epochs": 1, "min_updates": 0, "batch_size": 4, "device": "cpu"}
    data = {"name": "simulated", "subjects": 6, "minutes": 10.0, "seed": seed}
    # a comparison's runs choose no setting on inner folds
    return {APP: {"tune": "none"}, "data": data, "training": training}


def beside_training(seed: int, folder: str, name: str) -> float:
    """Do a run; return its CPU seconds beside preparing the data and training."""
    from memcell.compare.one_run import RunTask, do_run
    from memcell.compare.work import read_work
    from memcell.jobs import Working

    path = Path(folder) / "runs" / f"{name}-{seed}"
    path.parent.mkdir(exist_ok=True)
    task = RunTask(
        id=path.name, path=str(path), app=APP, sections=sections(seed), setting={}, seed=seed
    )
    record = do_run(task, Working())
    if record.status != "done":
        raise SystemExit(f"the run is {record.status}: {record.reason}")
    return sum(float(begun["all"]) - float(begun["training"]) for begun in read_work(path))


if __name__ == "__main__":
    main()
