"""What the fast unroll cannot express."""

from __future__ import annotations

from typing import Any

from memcell.errors import MemcellError


class Unsupported(MemcellError):
    """This cell, normalizer, call or machine cannot run natively; the eager loop can.

    The message names the operation or the circumstance.

    Attributes:
        node: The operation of the traced step that it is about, where it is about one.
    """

    def __init__(self, message: str, node: Any = None) -> None:
        super().__init__(message)
        self.node = node


class Seldom(Unsupported):
    """A refusal of one window only: the next may run this way."""
