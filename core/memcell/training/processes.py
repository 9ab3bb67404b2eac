"""Several processes that train one network together, each on its share of the lanes.

Started by ``torchrun --nproc-per-node N -m memcell train …``. Lanes are shared out, and a lane runs through
whole sequences, so what is carried stays where it is. Gradients are averaged by torch's
`DistributedDataParallel`; each process's loss is divided by the weight of the whole batch, so a share that
has fewer labelled steps, or none, counts for what it is. The result is that of one process, up to the
order of sums.
"""

from __future__ import annotations

import datetime
import inspect
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from memcell.errors import UsageError


class Processes:
    """This process among those that train together; alone unless told otherwise.

    Args:
        rank: Number of this process, from 0.
        count: How many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @classmethod
    def started(cls, device: torch.device) -> Processes:
        """Join the others, where torchrun started this process; else alone.

        Args:
            device: Where this process trains.
        """
        if not distributed.is_available() or not distributed.is_torchelastic_launched():
            return cls()
        if not distributed.is_initialized():
            backend = "gloo"
            if device.type == "cuda":
                gpus, here = torch.cuda.device_count(), int(os.environ["LOCAL_WORLD_SIZE"])
                # "cuda" is the current one from here on: each process has its own, as far as they go
                torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % gpus)
                backend = gpu_backend(gpus, here)
            distributed.init_process_group(backend, timeout=datetime.timedelta(minutes=30))
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def main(self) -> bool:
        """Whether this process writes files and speaks to the person."""
        return self.rank == 0

    def check(self, batch_size: int) -> None:
        """Refuse lanes that cannot be shared out evenly.

        Raises:
            UsageError: Names the nearest batch size that can.
        """
        if batch_size % self.count:
            fitting = max(1, round(batch_size / self.count)) * self.count
            raise UsageError(
                f"--batch-size {batch_size} lanes cannot be shared by {self.count} processes: "
                f"try --batch-size {fitting}"
            )

    def share(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this process's lanes ``[B / count]`` of a batch ``[B]``."""
        each = len(rows) // self.count
        return rows[self.rank * each : (self.rank + 1) * each]

    def wrapped(self, network: nn.Module) -> Callable[..., Any]:
        """Return what to call in training, so that gradients are averaged."""
        if self.count == 1:
            return network
        ddp: Any = nn.parallel.DistributedDataParallel
        # statistics are each process's own from here on; torch 2.13 has another word for it
        new = "forward_sync_buffers" in inspect.signature(ddp.__init__).parameters
        made: Callable[..., Any] = ddp(
            network, **{"forward_sync_buffers" if new else "broadcast_buffers": False}
        )
        return made

    def total(self, value: float) -> float:
        """Return the sum over the processes."""
        if self.count == 1:
            return value
        summed = torch.tensor([value], dtype=torch.float64)
        distributed.all_reduce(summed)
        return float(summed)

    def any(self, flag: bool) -> bool:
        """Return whether it is so in any process."""
        return flag if self.count == 1 else self.total(float(flag)) > 0

    def from_main(self, value: float) -> float:
        """Return the main process's value."""
        return value if self.count == 1 else self.total(value if self.main else 0.0)

    def lanes(self, values: Tensor) -> Tensor:
        """Return the values of all lanes ``[B, …]``, from each process's own ``[B / count, …]``."""
        if self.count == 1:
            return values
        pieces = [torch.empty_like(values) for _ in range(self.count)]
        distributed.all_gather(pieces, values.contiguous())
        return torch.cat(pieces)

    def each(self, value: Any) -> list[Any]:
        """Return every process's value, in the order of the processes."""
        if self.count == 1:
            return [value]
        found: list[Any] = [None] * self.count
        distributed.all_gather_object(found, value)
        return found

    def end(self) -> None:
        """Leave the others, once all have come so far."""
        if self.count > 1:
            distributed.barrier()
            distributed.destroy_process_group()


def gpu_backend(gpus: int, processes: int) -> str:
    """Return what processes on one machine speak through where they train on its GPUs.

    Numbers and memory go from CPU to CPU, which NCCL cannot do, and NCCL wants a GPU for each process.

    Args:
        gpus: GPUs of the machine.
        processes: Those that train on it.
    """
    return "cpu:gloo,cuda:nccl" if processes <= gpus else "gloo"


ALONE = Processes()
