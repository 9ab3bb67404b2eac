"""Commands at alarms: facts without a shell, bounded in number and time, never waited for."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from memcell.errors import ConfigError, UsageError
from memcell_eeg.live.commands import MOST, Commands
from memcell_eeg.live.options import LiveConfig
from memcell_eeg.live.run import stream
from memcell_microsleep.app import MICROSLEEP

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's")
FACTS = {"onset": 3.2, "probability": 0.75, "time": None, "source": "$(touch x); `y` & \"'"}


def ran(words, seconds=5.0, kind="alarm", wait=5.0):
    commands = Commands({kind: words}, seconds)
    began = time.monotonic()
    commands.start(kind, FACTS)
    assert time.monotonic() - began < 0.5  # nothing is waited for
    commands.close(wait)
    return commands


def is_running(pid):
    with suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, 0)
        # a killed process may wait for its parent, which is not us
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    return False


def test_it_gets_facts_as_json_and_environment(tmp_path):
    found = tmp_path / "found"
    code = (
        "import json, os, sys; print(json.dumps([json.load(sys.stdin), {k: v for k, v in os.environ.items() "
        f"if k.startswith('MEMCELL_')}}]), file=open({str(found)!r}, 'w'))"
    )
    commands = ran([sys.executable, "-c", code])
    given, named = json.loads(found.read_text())
    assert given == {"kind": "alarm", **FACTS}
    assert named["MEMCELL_KIND"] == "alarm"
    assert named["MEMCELL_ONSET"] == "3.2"
    assert named["MEMCELL_TIME"] == ""
    assert named["MEMCELL_SOURCE"] == FACTS["source"]
    assert commands.summary() == {"started": 1, "failed": 0, "out_of_time": 0, "skipped": 0}


def test_megabytes_of_output_and_a_failure_are_one_line():
    noisy = "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2; echo >&2; echo no lamp >&2; exit 3"
    commands = ran(["sh", "-c", noisy])
    (line,) = commands.news()
    assert line.startswith("note: --on-alarm: 'sh' ended with 3: no lamp; the stream continues")
    commands = Commands({"alarm_end": ["false"]}, 5.0)
    for _ in range(3):
        commands.start("alarm_end", FACTS)
    commands.close()
    (line,) = commands.news()
    assert "--on-alarm-end: 'false' ended with 1;" in line
    assert commands.summary()["failed"] == 3


def test_a_command_that_never_ends_is_ended_with_its_children(tmp_path):
    pid = tmp_path / "pid"
    # neither hears the request to end
    child = f"trap '' TERM; echo $$ > {shlex.quote(str(pid))}; sleep 60; sleep 60"
    code = f"trap '' TERM; sh -c {shlex.quote(child)} & sleep 60; wait"
    commands = ran(["sh", "-c", code], seconds=0.5)
    assert "ran for more than 0.5 s and was ended" in commands.news()[0]
    assert commands.summary()["out_of_time"] == 1
    until = time.monotonic() + 5
    while is_running(int(pid.read_text())):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_so_many_run_at_once_and_further_ones_are_skipped():
    commands = Commands({"alarm": ["sleep", "30"]}, 60.0)
    for _ in range(MOST + 3):
        commands.start("alarm", FACTS)
    began = time.monotonic()
    commands.close(0.2)
    assert time.monotonic() - began < 2
    counts = commands.summary()
    assert counts["started"] == MOST
    assert counts["skipped"] == 3
    assert counts["out_of_time"] == MOST
    assert len(commands.news()) == 2


def test_a_program_that_is_not_there_is_refused_before_the_source_is_opened(asked_of):
    made = asked_of(file="no-such.edf", on_alarm="no-such-program --loud")
    with pytest.raises(UsageError, match=r"--on-alarm: no program 'no-such-program'.*sh -c"):
        stream(made.asked, MICROSLEEP)
    with pytest.raises(ConfigError, match=r"'on-alarm-end' got .*close the quote"):
        LiveConfig(file="x", on_alarm_end="echo 'a").validate()


def test_each_alarm_of_a_recording_runs_it(asked_of, capsys, gapped, tmp_path):
    log = tmp_path / "log"
    note = f"sh -c 'echo \"$MEMCELL_KIND $MEMCELL_ONSET\" >> {shlex.quote(str(log))}'"
    options = {"speed": "max", "threshold": 0.5, "on_alarm": note, "on_alarm_end": note}
    made = asked_of(file=str(gapped.path), out=tmp_path / "out", refractory=15.0, **options)
    assert stream(made.asked, MICROSLEEP) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counts = lines[-1]["commands"]
    assert counts["started"] + counts["skipped"] == 2 * lines[-1]["alarms"] > 2
    assert counts["failed"] == 0
    said = log.read_text().splitlines()
    assert len(said) == counts["started"]
    assert sum(line.startswith("alarm ") for line in said) > 0
    onsets = {line["onset"] for line in lines if line["kind"] == "alarm"}
    assert {float(line.split()[1]) for line in said} <= onsets
