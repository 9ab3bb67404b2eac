"""The page of all claims: each has a verdict, what it means and what made it, and scripts that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[2] / "docs" / "results"
PAGE = (RESULTS / "claims.md").read_text()
FIELDS = ["verdict", "means", "outcome", "found", "made by", "another verdict"]
CLAIMS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def fields(body: str) -> dict[str, str]:
    rows = re.findall(r"^\| ([a-z][^|]*?) \| (.+) \|$", body, re.MULTILINE)
    return dict(rows)


def test_there_are_claims_of_all_five_texts():
    assert len(CLAIMS) >= 30
    assert PAGE.count("\n## ") == 5


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_says_all_that_a_verdict_needs(claim):
    found = fields(CLAIMS[claim])
    assert list(found)[:6] == FIELDS
    assert "**" in found["verdict"]
    if "not run" in found["verdict"]:
        assert "hours" in found["made by"]
    else:
        assert re.search(r"commit|as above", found["made by"])


def test_the_table_above_has_every_claim_with_its_verdict():
    rows = re.findall(r"^\| \[(.+?)\]\(#.+?\) \| (.+?) \|$", PAGE, re.MULTILINE)
    assert [name for name, _ in rows] == list(CLAIMS)
    for name, verdict in rows:
        assert fields(CLAIMS[name])["verdict"] == verdict


def test_scripts_that_are_named_are_there():
    named = set(re.findall(r"`(?:docs/results/)?([a-z0-9_-]+\.(?:py|sh|tsv))\b", PAGE))
    assert len(named) >= 8
    assert [name for name in named if not (RESULTS / name).exists()] == []
