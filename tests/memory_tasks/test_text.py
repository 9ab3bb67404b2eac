"""Text as a task: which characters are told apart, how it is split, and what is known without a network."""

from __future__ import annotations

import numpy as np
import pytest

from memcell.errors import DataError
from memcell_memory_tasks import text
from memcell_memory_tasks.app import MemoryTasks
from memcell_memory_tasks.config import MemoryConfig
from memcell_memory_tasks.problem import symbols_of

SMALL = {"task": "text", "characters": 1000, "streams": 4, "test_streams": 2}


def spelled(problem, sequences):
    known = [*problem.facts["characters"], "?"]
    return ["".join(known[k] for k in symbols_of(s)) for s in sequences]


@pytest.fixture
def book(tmp_path):
    """A text whose every character tells where it is: digits in turn, and one that is rare."""
    path = tmp_path / "book.txt"
    path.write_text("0123456789" * 300 + "é" + "0123456789" * 20)
    return path


def test_the_next_character_is_asked_for_and_the_last_tenths_are_held_out(book):
    made = text.make(MemoryConfig(**SMALL, text=str(book)))
    assert made.n_classes == 11
    assert [len(made.train), len(made.valid), len(made.test)] == [4, 2, 2]
    for s in (*made.train, *made.valid, *made.test):
        assert np.array_equal(s.targets[:-1], symbols_of(s)[1:])
        assert s.targets[-1] == -1
    assert "".join(spelled(made, made.test)) == book.read_text()[2881:2981]
    others = [text.make(MemoryConfig(**SMALL, text=str(book), data_seed=n)) for n in (1, 2, 3)]
    assert any(spelled(one, one.train) != spelled(made, made.train) for one in others)
    assert all(spelled(one, one.test) == spelled(made, made.test) for one in others)


def test_what_training_hardly_has_is_one_class_and_counts(book):
    book.write_text("ab" * 600 + "é" * 3 + "ab" * 75 + "éüab" * 150)
    made = text.make(MemoryConfig(**SMALL, text=str(book)))
    assert made.facts["characters"] == ["a", "b"]
    assert made.facts["others"]["test"] == 0.5
    assert "".join(spelled(made, made.test))[:4] in ("??ab", "?ab?", "ab??", "b??a")


def test_files_that_name_their_splits_keep_them_and_letters_that_stand_apart_are_joined(tmp_path):
    for part, letters in (("train", "ab"), ("valid", "ba"), ("test", "bb")):
        (tmp_path / f"ptb.char.{part}.txt").write_text(" ".join(letters * 600) + "\n")
    made = text.make(MemoryConfig(**SMALL, text=str(tmp_path)))
    assert "".join(spelled(made, made.test)) == "b" * 100
    assert "".join(spelled(made, made.valid)) == "ba" * 50
    (tmp_path / "notes.md").write_text("of no split")
    assert text.make(MemoryConfig(**SMALL, text=str(tmp_path))).n_classes == made.n_classes
    (tmp_path / "more.test.txt").write_text("a second test")
    with pytest.raises(DataError, match=r"named for a split \(test, test, train, valid\)"):
        text.make(MemoryConfig(**SMALL, text=str(tmp_path)))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"short", "5 characters for 'train', 1,000 are asked for|type --characters"),
        (b"\xff\xfe" * 900, "is no UTF-8 text"),
    ],
)
def test_a_text_that_will_not_do_is_refused_by_name(tmp_path, content, says):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        text.make(MemoryConfig(**SMALL, text=str(path)))
    with pytest.raises(DataError, match="expected a text file"):
        text.make(MemoryConfig(**SMALL, text=str(tmp_path / "absent")))


def test_counts_of_what_followed_what_stand_beside_every_network(book):
    """In a text of digits in turn the last one tells the next; its share alone tells one in ten."""
    app = MemoryTasks(MemoryConfig(**SMALL, text=str(book)))
    rows = {row.name: row.scores for row in app.baselines(app.task())}
    assert rows["majority class"]["bits_per_character"] == pytest.approx(np.log2(10), abs=0.02)
    assert rows["this step alone"]["bits_per_character"] < 0.2
    assert rows["counts of the last 4 characters"]["accuracy"] == 1.0


def test_python_s_own_reference_is_the_text_where_none_is_named():
    made = text.make(MemoryConfig(task="text", characters=2000))
    assert "topics of the reference of Python" in made.notes[0]
    assert sum(s.n_steps for s in made.train) == 2000
