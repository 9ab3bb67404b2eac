"""A local copy, or a download: whether the publisher answers at all, so that no one waits for retries."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

from memcell.applications.datasets import DataUnavailable
from memcell.errors import DataError

PATIENCE = 8.0


def require_reachable(address: str, what: str, instead: str) -> None:
    """Ask a publisher's server for its first page, as any client of this machine would.

    Args:
        address: The publisher's address.
        what: The data set, for the message.
        instead: What to type with a local copy.

    Raises:
        DataUnavailable: It does not answer within 8 s.
    """
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE):
            return
    except urllib.error.HTTPError:
        return  # it answers, if only to refuse its front page
    except OSError as error:
        raise unavailable(what, address, error, instead) from error


def unavailable(what: str, address: str, error: Exception, instead: str) -> DataUnavailable:
    """Return the error that says what could not be fetched from where, and what to type instead."""
    reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
    return DataUnavailable(
        f"{what} could not be fetched from {address}: {reason}. With a local copy, type {instead}"
    )


def local_copy(typed: str, expected: str) -> Path:
    """Return the path of a local copy that a person named.

    Args:
        typed: The path.
        expected: What the message says of the files there.

    Raises:
        DataError: It is not there.
    """
    path = Path(typed).expanduser()
    if not path.exists():
        raise DataError(f"{path}: there is no such folder; {expected}")
    return path
