"""Tables and lines that outlive a full disk and a reader that goes away."""

from __future__ import annotations

import os
import threading
import time

import pytest

from memcell.errors import UsageError
from memcell_eeg.live.events import EventWriter
from memcell_eeg.live.writing import GrowingTable, Output, quietly


@pytest.fixture
def limited(monkeypatch):
    """A disk that takes no byte beyond ``limited.size`` of a file."""

    class Disk:
        size = 10**9

    disk, write = Disk(), os.pwrite

    def pwrite(file, content, at):
        room = disk.size - at
        if room <= 0:
            raise OSError(28, os.strerror(28))
        return write(file, content[:room], at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    return disk


@pytest.mark.parametrize("room", range(0, 11))
def test_table_has_whole_rows_whatever_the_disk_took(tmp_path, limited, room):
    said = []
    table = GrowingTable(tmp_path / "t.tsv", "a\tb\n", said.append)
    limited.size = 4 + room
    for i in range(5):
        table.add(f"{i}\t{i}\n")
        text = table.path.read_text()
        assert text == "a\tb\n" + "".join(f"{k}\t{k}\n" for k in range(min(i + 1, room // 4)))
    (line,) = said
    assert "No space left" in line
    assert "continues" in line
    limited.size = 10**9
    table.add("5\t5\n")
    assert table.path.read_text() == "a\tb\n" + "".join(f"{k}\t{k}\n" for k in range(6))
    assert "can be written again; no row was lost" in said[1]
    assert table.close()
    assert len(said) == 2


@pytest.mark.parametrize("room", range(0, 8))
def test_last_row_is_replaced_whole_or_stays_as_it_was(tmp_path, limited, room):
    said = []
    table = GrowingTable(tmp_path / "t.tsv", "a\n", said.append)
    table.add("one\n")
    table.add("n/a\n")
    limited.size = 6 + room
    table.replace_last("123.456\n")
    whole = room >= 8
    assert table.path.read_text() == "a\none\n" + ("123.456\n" if whole else "n/a\n")
    limited.size = 10**9
    table.add("x\n")
    assert table.path.read_text() == "a\none\n123.456\nx\n"
    assert table.close()


def test_rows_that_never_find_room_are_counted(tmp_path, limited, monkeypatch):
    said = []
    table = GrowingTable(tmp_path / "t.tsv", "a\n", said.append)
    monkeypatch.setattr("memcell_eeg.live.writing._KEPT", 20)
    limited.size = 2
    for i in range(9):
        table.add(f"{i:03d}\n")
    limited.size = 10**9
    table.add("end\n")
    assert "5 earlier rows were lost" in said[-1]
    assert table.path.read_text() == "a\n005\n006\n007\n008\nend\n"
    assert not table.close()


def test_disk_that_is_full_to_the_end_is_said(tmp_path, limited):
    said = []
    table = GrowingTable(tmp_path / "t.tsv", "a\n", said.append)
    limited.size = 2
    table.add("1\n")
    assert not table.close()
    assert "lacks its last 1 rows" in said[-1]


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    file = os.fdopen(writer, "w")
    yield reader, file
    file.close()


def test_reader_that_goes_away_is_said_once(pipe):
    reader, file = pipe
    said = []
    output = Output(file, said.append)
    output.write("1\n")
    assert os.read(reader, 10) == b"1\n"
    os.close(reader)
    for _ in range(5):
        output.write("2\n")
    assert output.close(), "whoever went away misses nothing"
    (line,) = said
    assert "the reader of the output has closed it" in line
    assert "continues" in line


def test_reader_that_sleeps_holds_up_nothing_and_gets_whole_lines(pipe):
    reader, file = pipe
    said = []
    output = Output(file, said.append)
    lines = [f"{i:07d} {'x' * 90}\n" for i in range(3000)]  # more than a pipe holds
    began = time.perf_counter()
    for line in lines:
        output.write(line)
    assert time.perf_counter() - began < 2
    got = bytearray()

    def read():
        while chunk := os.read(reader, 65536):
            got.extend(chunk)

    thread = threading.Thread(target=read)
    thread.start()
    output.close(10.0)
    file.close()
    thread.join()
    os.close(reader)
    assert got.decode() == "".join(lines)
    assert said == []


def test_recording_waits_for_a_slow_reader(pipe, monkeypatch):
    monkeypatch.setattr("memcell_eeg.live.writing._KEPT", 1000)
    reader, file = pipe
    output = Output(file, str, wait=True)
    got = bytearray()

    def read():
        while chunk := os.read(reader, 4096):
            got.extend(chunk)
            time.sleep(0.001)

    thread = threading.Thread(target=read)
    thread.start()
    lines = [f"{i:07d} {'x' * 90}\n" for i in range(3000)]
    for line in lines:
        output.write(line)
    output.close()
    file.close()
    thread.join()
    os.close(reader)
    assert got.decode() == "".join(lines)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
def test_output_onto_a_full_disk_is_said_once():
    said = []
    with open("/dev/full", "w") as file:  # noqa: PTH123
        output = Output(file, said.append)
        for _ in range(5):
            output.write("1\n")
        assert len(said) == 1
        assert not output.close()
    assert "No space left" in said[0]
    assert "5 lines of the output could not be written" in said[1]


def test_no_output_at_all_is_nothing_to_speak_of(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)  # memcell ... >&-
    monkeypatch.setattr("sys.stderr", None)
    lines = EventWriter("x", None, "auto", "jsonl")
    lines.step(0.0, 0.5, True)
    lines.close()


def test_who_cannot_be_told_is_not_told():
    def broken(line):
        raise BrokenPipeError

    quietly(broken)("hello")


def test_alarm_is_on_the_disk_from_when_it_sounds(tmp_path):
    lines = EventWriter("n", tmp_path, "none", "jsonl")
    lines.alarm(1.5, 1.0, 0.75)
    path = tmp_path / "n_alarms.tsv"
    header = "onset\tduration\ttrial_type\tfirst\tprobability\tlsl_time\ttime\n"
    assert path.read_text() == header + "1.500\tn/a\talarm\t1.000\t0.750000\tn/a\tn/a\n"
    lines.alarm_over(1.5, 2.25, 1.0, 0.75)
    assert path.read_text() == header + "1.500\t2.250\talarm\t1.000\t0.750000\tn/a\tn/a\n"
    lines.close()


def test_stream_after_one_that_was_killed_leaves_its_files_alone(tmp_path):
    said = []
    first = EventWriter("n", tmp_path, "none", "jsonl", say=said.append)
    first.begin({"rate": 128.0})
    first.alarm(1.5, 1.0, 0.75)
    with pytest.raises(UsageError, match="another stream is writing"):
        EventWriter("n", tmp_path, "none", "jsonl")
    for table in (first._steps, first._alarms):
        os.close(table._file)  # as when the process is killed
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    second = EventWriter("n", tmp_path, "none", "jsonl", say=said.append)
    assert "'n-2'" in said[-1]
    second.step(0.0, 0.5, False)
    assert second.end({"rate": 128.0}, {"steps": 1})
    assert {n: (tmp_path / n).read_bytes() for n in before} == before
    assert (tmp_path / "n-2_probability.tsv").read_text().endswith("0.000\t0.500000\t0\n")
    with pytest.raises(UsageError, match="exists already"):
        EventWriter("n", tmp_path, "none", "jsonl")


def test_results_of_a_prediction_are_never_taken_for_a_killed_stream(tmp_path):
    (tmp_path / "n_probability.tsv").touch()
    with pytest.raises(UsageError, match="exists already"):
        EventWriter("n", tmp_path, "none", "jsonl")
