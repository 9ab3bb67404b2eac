"""The page on data of one's own: its blocks run from top to bottom and print what stands below them."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

from memcell.cli.main import run

PAGE = Path(__file__).parents[2] / "docs/own-data.md"
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def test_blocks_run_and_print_what_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert {kind for kind, _, _ in blocks} == {"python", "sh"}
    names: dict[str, object] = {}
    for kind, code, expected in blocks:
        printed = io.StringIO()
        if kind == "sh":
            for line in code.splitlines():
                program, *words = shlex.split(line)
                assert program == "memcell"
                assert run(words) == 0, line
            continue
        with contextlib.redirect_stdout(printed):
            exec(compile(code, PAGE.name, "exec"), names)
        assert printed.getvalue() == expected, code
    assert (tmp_path / "regression/report.html").is_file()
    assert len(list((tmp_path / "nights-predicted").glob("n*.tsv"))) == 12
