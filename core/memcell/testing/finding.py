"""What a check found, as a record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check of one plugin.

    Args:
        check: Name of the check.
        ok: The contract was kept.
        reason: Why not, naming plugin, distribution and version; empty where it was.
    """

    check: str
    ok: bool
    reason: str = ""
