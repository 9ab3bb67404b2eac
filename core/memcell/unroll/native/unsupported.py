"""What the fast unroll cannot express."""

from __future__ import annotations

from memcell.errors import MemcellError


class Unsupported(MemcellError):
    """This cell, normalizer, call or machine cannot run natively; the eager loop can.

    The message names the operation or the circumstance.
    """


class Seldom(Unsupported):
    """A refusal of one window only: the next may run this way."""
