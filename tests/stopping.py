"""Interrupts for tests: a person who asks to stop after so many updates."""

from __future__ import annotations


class StopAfter:
    """Asks to stop when it was asked for the nth time."""

    def __init__(self, n):
        self.left = n

    @property
    def requested(self):
        self.left -= 1
        return self.left <= 0
