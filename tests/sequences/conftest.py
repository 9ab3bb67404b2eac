"""A run of own sequences that several tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from memcell.cli.main import run
from sequence_files import TINY, write_npz


@dataclass(frozen=True)
class Trained:
    data: Path
    run: Path


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    """A run of classes on npz, from the command line."""
    home = tmp_path_factory.mktemp("sequences")
    data = write_npz(home / "data")
    out = home / "run"
    command = ["train", "sequences", "--data", str(data), *TINY, "--out", str(out)]
    assert run(command) == 0
    return Trained(data=data, run=out)
