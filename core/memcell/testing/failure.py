"""What a check found, and how a failed one speaks: what was expected, what the plugin did, what to change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class CheckFailed(AssertionError):
    """A plugin does not keep its contract.

    Args:
        expected: What the contract asks for.
        did: What the plugin did.
        change: What its author is to change.
    """

    def __init__(self, expected: str, did: str, change: str) -> None:
        super().__init__(f"expected {expected}; {did}. {change}")
        self.expected, self.did, self.change = expected, did, change


def require(kept: bool, *, expected: str, did: str, change: str) -> None:
    """Go on if the contract was kept.

    Raises:
        CheckFailed: It was not.
    """
    if not kept:
        raise CheckFailed(expected, did, change)


@contextmanager
def must_work(expected: str, change: str) -> Iterator[None]:
    """Turn whatever the plugin raises inside into a `CheckFailed` that keeps the cause."""
    try:
        yield
    except CheckFailed:
        raise
    except Exception as error:
        raise CheckFailed(expected, f"it raised {line_of(error)}", change) from error


def line_of(error: BaseException) -> str:
    """Return type and message of an exception on one line, cut where it would fill a screen."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:400]}" if text else type(error).__name__


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check of one plugin.

    Args:
        check: Name of the check.
        ok: The contract was kept, or is not kept on purpose.
        reason: Why it is not kept, naming plugin, distribution and version; empty where it is.
        expected: Why its failure was expected; empty where it was not.
    """

    check: str
    ok: bool
    reason: str = ""
    expected: str = ""
