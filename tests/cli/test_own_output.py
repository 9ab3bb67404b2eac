"""What a program reads is what the command writes, whoever prints beside it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

CHECKED = """
import ctypes, sys
from memcell.cli.main import run
from memcell_data.checks import check
report = check.Check.check

def prints(*args, **options):
    print("a library prints")
    ctypes.CDLL(None).puts(b"compiled code prints")
    ctypes.CDLL(None).fflush(None)
    return report(*args, **options)

check.Check.check = prints
sys.exit(run(sys.argv[1:]))
"""


def lay(folder):
    """A Persyst recording with a birth date that MNE prints."""
    values = np.random.default_rng(0).normal(0, 300, (4000, 2)).astype("<i2")
    values.tofile(folder / "a.dat")
    text = """[FileInfo]
File=a.dat
FileType=Interleaved
SamplingRate=200
HeaderLength=0
Calibration=0.1
WaveformCount=2
DataType=0
[Patient]
First=X
Last=X
Sex=
Hand=
ID=1
BirthDate=13/05/1970
TestDate=01/02/2020
TestTime=10:00:00
Medications=
History=
Comments1=
Comments2=
[SampleTimes]
0=36000.0
[ChannelMap]
O1-Ref=1
O2-Ref=2
[Comments]
"""
    (folder / "a.lay").write_text(text)
    return folder / "a.lay"


def ran(code, *words):
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_data_check_as_json_is_json_alone(tmp_path) -> None:
    path = lay(tmp_path)
    done = ran(CHECKED, "data", "check", "--json", path, path.parent)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [str(path)]
    assert "a library prints" in done.stderr
    assert "compiled code prints" in done.stderr
    assert "1970" not in done.stdout + done.stderr
    plain = ran(CHECKED, "data", "check", path)
    assert str(path) in plain.stdout


def test_a_plugin_that_prints_when_it_is_imported(tmp_path) -> None:
    code = """
import sys
from memcell.plugins import registry
load = registry.Registry.entries
def prints(self, *args):
    print("a plugin prints")
    return load(self, *args)
registry.Registry.entries = prints
from memcell.cli.main import run
sys.exit(run(["plugins", "--json"]))
"""
    done = ran(code)
    assert {"kind", "name"} <= set(json.loads(done.stdout)[0])
    assert "a plugin prints" in done.stderr
