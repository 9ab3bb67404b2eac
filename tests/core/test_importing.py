"""What an import is not blamed for; what it is named for stands in tests/packaging/test_rude_plugins.py."""

from __future__ import annotations

import random
import threading
import warnings

from memcell.plugins.importing import watched


def said_of(work):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with watched("plugin 'odd'"):
            work()
    return [str(w.message) for w in caught]


def test_draws_of_another_thread_are_no_imports_and_stay():
    go, done, end = (threading.Event() for _ in range(3))

    def other():
        go.wait(10)
        random.random()
        done.set()
        end.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    before = random.getstate()

    def work():
        go.set()
        assert done.wait(10)

    try:
        assert said_of(work) == []
        assert random.getstate() != before
    finally:
        end.set()
        thread.join()
