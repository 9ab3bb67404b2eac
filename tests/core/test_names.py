"""Names of files made from names that somebody else chose."""

from __future__ import annotations

import pytest

from memcell.files.names import LONGEST, file_name, file_names

HOSTILE = [
    "a\nb", "-rf", "=1+1", "@x", "..", ".", "", "...", "a/b", "/etc/passwd", "../../x", "CON", "con.x",
    "lpt1",
    "x" * 300, "ü" * 200, "\udcff\udcfe", "\u202egpj", "a\x00b", "trailing.", "trailing ", " leading", "~",
    "a\\b", "a:b", "a*b?", "\x1b[31m", "\u2028",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_every_name_is_one_everywhere(text, tmp_path):
    name = file_name(text)
    assert name != text
    assert len(name.encode("utf-8")) <= LONGEST + 9
    assert name.strip(" .") == name
    assert name[0] not in "-=+@~."
    assert not set(name) & set('\\/:*?"<>|\n\0')
    path = tmp_path / f"{name}_probability.tsv"
    path.write_text("x")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "text", ["night1", "sub-01_ses-2_eeg", "Müller, E (2)", "日本", "a.b", "x" * 180]
)
def test_names_of_people_stay(text):
    assert file_name(text) == text


def test_different_names_stay_different():
    texts = [*HOSTILE, "A", "a", "e\u0301", "\u00e9", "a_b", "x" * 301]
    names = file_names(texts)
    assert len({name.casefold() for name in names}) == len(texts)
    assert file_names(["night1", "night2"]) == ["night1", "night2"]
