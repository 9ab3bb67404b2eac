"""Before a download: whether the publisher answers at all, so that no one waits for a library's retries."""

from __future__ import annotations

import urllib.error
import urllib.request

from memcell.applications.datasets import DataUnavailable

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
