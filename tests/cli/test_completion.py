"""What a shell offers while a command is being typed: commands, flags, and values by name."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.shell_completion import BashComplete

from memcell.cli.main import cli


def offered(line):
    *args, incomplete = line.split(" ")
    shell = BashComplete(cli, {}, "memcell", "_MEMCELL_COMPLETE")
    return shell.get_completions(args, incomplete)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("tra", "train"),
        ("train micro", "microsleep"),
        ("train microsleep --cel", "--cell"),
        ("train microsleep --cell lstm9", "lstm97"),
        ("train microsleep --normalization caus", "causal"),
        ("compare memory --policy carry,re", "carry,reset"),
        ("models show wake", "wake_sleep"),
        ("predict sleep --model wake", "wake_sleep"),
        ("doctor --cl", "--clear-cache"),
    ],
)
def test_a_name_is_offered(line, value):
    assert value in [item.value for item in offered(line)]


@pytest.mark.parametrize(
    "line", ["predict sleep nig", "train sleep --data my", "report run", "export r"]
)
def test_where_nothing_is_known_by_name_files_are_offered(line):
    (item,) = offered(line)
    assert (item.type, item.value) == ("file", line.split(" ")[-1])


def test_a_key_stroke_imports_neither_torch_nor_mne():
    script = (
        "import sys; from click.shell_completion import BashComplete; from memcell.cli.main import cli; "
        "print(*[i.value for i in BashComplete(cli, {}, 'memcell', 'X').get_completions("
        "['train', 'microsleep', '--cell'], 'gr')]); "
        "print(*{'torch', 'mne', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "gru\n\n"
