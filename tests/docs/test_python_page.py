"""The page for those who come from Python: its blocks run as they stand and print what stands below them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/python.md"
#: A block of code, and the block of output that follows it, if one does.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def test_blocks_print_what_the_page_says(tmp_path):
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) >= 5
    mark = "=== block"
    program = "".join(f"print({mark!r})\n{code}" for code, _ in blocks)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _, *printed = done.stdout.split(f"{mark}\n")
    assert len(printed) == len(blocks)
    for (code, expected), found in zip(blocks, printed, strict=True):
        if expected:
            assert found == expected, code
    assert (tmp_path / "run/model.safetensors").is_file()
