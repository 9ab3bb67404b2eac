"""A comparison's folder, also where the process died in the middle of writing it."""

from __future__ import annotations

import pytest

from memcell.compare import folder as folder_module
from memcell.compare.axes import Axis
from memcell.compare.folder import ComparisonFolder
from memcell.compare.grid import grid_of
from memcell.compare.plan import plan_of
from memcell.plugins import default_registry


class Killed(BaseException):
    """Nothing that runs catches it."""


@pytest.mark.parametrize("whole", [0, 1])
def test_a_folder_whose_writing_was_cut_off_is_gone_on_with(tmp_path, monkeypatch, whole):
    registry = default_registry()
    axes = [Axis("policy", ("carry", "reset"))]
    grid = grid_of("memory", {}, axes, registry)
    plan = plan_of("memory", grid.base, grid.axes, [0], registry, None)
    write, written = folder_module.write_atomic, []

    def killed(path, content):
        if len(written) == whole:
            raise Killed
        written.append(path)
        write(path, content)

    folder = ComparisonFolder(tmp_path / "c")
    monkeypatch.setattr(folder_module, "write_atomic", killed)
    with pytest.raises(Killed):
        folder.write(plan, "memcell compare memory")
    monkeypatch.setattr(folder_module, "write_atomic", write)
    folder.check_free()
    folder.write(plan, "memcell compare memory")
    assert folder.base.exists()
    assert folder.read()["seeds"] == [0]
