"""Reset: every batch starts without memory.

The state is the model's start (zeros, unless it has learned another) and the age is 0. This is what most
training code does, and what ``carry`` is compared with.
"""

from __future__ import annotations

from memcell.recurrent.policy import StatePolicy


class Reset(StatePolicy):
    """The base policy as it is.

    Args:
        config: Ignored; the policy has no options.
    """

    def __init__(self, config: object = None) -> None:
        super().__init__()
