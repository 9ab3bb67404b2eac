"""Which plugins are loaded, and failures of checks that are meant."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from memcell.errors import UsageError
from memcell.plugins import Entry, default_registry
from memcell.plugins.loader import LOAD_PLUGINS, Selection
from memcell.plugins.specs import CellSpec
from memcell.testing import check_plugin
from memcell.testing.failure import Finding
from memcell.testing.plugin import with_expected_failures


@dataclass(frozen=True)
class Distribution:
    name: str
    version: str = "1"


def point(distribution):
    found = EntryPoint(name="x", value="x", group="memcell")
    vars(found)["dist"] = Distribution(distribution)
    return found


OWN, OURS, THEIRS = point("memcell-rnn"), point("memcell_ours"), point("memcell-theirs")


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        (None, [OWN, OURS, THEIRS]),
        ("", [OWN]),
        (" ", [OWN]),
        ("memcell-ours", [OWN, OURS]),
        ("Memcell.Theirs, memcell_ours", [OWN, OURS, THEIRS]),
    ],
)
def test_the_environment_chooses_distributions(monkeypatch, text, taken):
    monkeypatch.delenv(LOAD_PLUGINS, raising=False)
    if text is not None:
        monkeypatch.setenv(LOAD_PLUGINS, text)
    selection = Selection.of_environment()
    assert [p for p in (OWN, OURS, THEIRS) if selection.takes(p)] == taken
    assert bool(str(selection)) == (text is not None)


def test_a_distribution_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv(LOAD_PLUGINS, "memcell-ours,memcell-hours")
    (failure,) = Selection.of_environment().missing([OWN, OURS])
    assert "memcell-hours" in str(failure)
    assert LOAD_PLUGINS in str(failure)


def entry(**declared):
    spec = CellSpec(name="c", factory="x:y", expected_failures=declared)
    return Entry(spec=spec, distribution="d", version="1")


GOOD, BAD = Finding(check="good", ok=True), Finding(check="bad", ok=False, reason="it did")


def test_a_failure_that_is_meant_is_in_order_and_keeps_its_reason():
    found = with_expected_failures(entry(), [GOOD, BAD], {"bad": "on purpose"})
    assert all(f.ok for f in found)
    assert [f.expected for f in found] == ["", "on purpose"]


def test_a_pass_that_was_expected_to_fail_is_none():
    (found,) = with_expected_failures(entry(), [GOOD], {"good": "on purpose"})
    assert not found.ok
    assert "expect it no longer" in found.reason


def test_a_failure_of_no_check_is_named_with_the_nearest():
    found = with_expected_failures(entry(), [GOOD], {"goud": "on purpose"})
    assert "Did you mean 'good'" in found[-1].reason


def test_what_a_spec_declares_counts_when_it_is_checked():
    plain = default_registry().get("optimizer", "sgd")
    meant = Entry(
        spec=type(plain.spec)(**{**vars(plain.spec), "expected_failures": {"state_resumes": "no"}}),
        distribution=plain.distribution,
        version=plain.version,
    )
    (bad,) = [f for f in check_plugin(meant) if not f.ok]
    assert bad.check == "state_resumes"
    assert "passes" in bad.reason


def test_what_is_typed_has_a_form():
    from memcell.cli.plugins import _expected

    assert _expected(("cell.c.bad=on purpose",), True) == {("cell", "c"): {"bad": "on purpose"}}
    with pytest.raises(UsageError, match=r"KIND\.NAME\.CHECK=REASON"):
        _expected(("bad=on purpose",), True)
    with pytest.raises(UsageError, match="--check"):
        _expected(("cell.c.bad=on purpose",), False)
