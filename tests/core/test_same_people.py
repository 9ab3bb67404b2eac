"""A network is not tested on somebody it was trained on, whatever became of the recordings since."""

from __future__ import annotations

import pytest

from memcell.errors import UsageError
from memcell.runs.evaluate import check_same_people


def facts(train, valid, test, split="subject"):
    return {"split": split, "subjects": {"train": train, "valid": valid, "test": test}}


@pytest.mark.parametrize("seen", [(["a", "b"], ["c"]), (["a"], ["d"])])
def test_who_was_seen_is_not_tested_on(seen) -> None:
    now = facts(["x"], ["y"], ["b" if "b" in seen[0] else "d", "e"])
    with pytest.raises(UsageError, match=r"trained with [bd], on whom it would now be tested"):
        check_same_people(facts(*seen, ["e"]), now)


def test_the_same_people_or_a_split_by_time_are_let_through() -> None:
    before = facts(["a", "b"], ["c"], ["d"])
    check_same_people(before, before)
    check_same_people(before, facts(["a"], ["b"], ["d", "e"]))
    by_time = facts(["a"], ["a"], ["a"], "time")
    check_same_people(by_time, by_time)
    check_same_people({}, before)
