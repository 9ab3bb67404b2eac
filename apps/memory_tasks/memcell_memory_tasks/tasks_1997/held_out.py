"""The test set that a stopping rule looks at: laid out once, so that a look is one pass of the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from memcell_memory_tasks.grammar import legal_next
from memcell_memory_tasks.tasks_1997.network import Network1997
from memcell_memory_tasks.tasks_1997.sequences import Example


class HeldOut:
    """Sequences side by side, and what makes an answer to one of them wrong.

    In task 1 a string is wrong where at some step a legal next symbol is not above every illegal one;
    elsewhere a sequence is wrong where an output is on the wrong side of the middle between the two targets.

    Args:
        examples: The sequences.
        grammar: They are strings of the embedded Reber grammar.
    """

    def __init__(self, examples: Sequence[Example], grammar: bool) -> None:
        lengths = [len(e.inputs) for e in examples]
        longest, width = max(lengths), examples[0].inputs.shape[1]
        inputs = np.zeros((longest, len(examples), width), dtype=np.float32)
        for k, e in enumerate(examples):
            inputs[: lengths[k], k] = e.inputs
        self._inputs = torch.from_numpy(inputs)
        self._mask = torch.arange(longest)[:, None] < torch.tensor(lengths)
        steps = [len(e.targets) for e in examples]
        self._asked = np.arange(max(steps))[:, None] < np.array(steps)
        self._targets = np.zeros((max(steps), len(examples), examples[0].targets.shape[1]))
        self._legal = np.zeros(self._targets.shape, dtype=bool) if grammar else None
        for k, e in enumerate(examples):
            self._targets[: steps[k], k] = e.judged
            if self._legal is not None:
                self._legal[: steps[k], k] = legal_next(e.inputs.argmax(axis=1))
        # the targets are apart by 1, or where they are noisy by .6
        self._half = 0.3 if examples[0].noise_free is not None else 0.5

    def judge(self, network: Network1997) -> tuple[int, float]:
        """Return how many sequences are wrong, and the mean error of all of them."""
        with torch.no_grad():
            y = network.answers(self._inputs, self._mask).double().numpy()
        off = np.abs(y - self._targets).mean(axis=2)
        if self._legal is None:
            right = (np.abs(y - self._targets) < self._half).all(axis=2)
        else:
            lowest = np.where(self._legal, y, np.inf).min(axis=2)
            right = lowest > np.where(self._legal, -np.inf, y).max(axis=2)
        wrong = int((~right & self._asked).any(axis=0).sum())
        each = (off * self._asked).sum(axis=0) / self._asked.sum(axis=0)
        return wrong, float(each.mean())
