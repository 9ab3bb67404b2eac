"""Signals that ask a loop to save and stop."""

from __future__ import annotations

import os
import signal

import pytest

from memcell.interrupt import Interrupts


def test_hanging_up_asks_to_stop_and_never_stops_at_once():
    with Interrupts() as asked:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
        assert asked.requested
        # a service that is stopped gets both, in either order
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
    with Interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not asked.requested
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_put_back():
    before = [signal.getsignal(n) for n in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)]
    with Interrupts():
        pass
    assert [signal.getsignal(n) for n in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)] == before
