"""The notebooks run from top to bottom and print what stands in them.

``python tests/docs/test_notebooks.py`` runs them and writes what they print into them.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
#: A number with a decimal point: what a network learned differs from machine to machine.
MEASURED = re.compile(r"-?\d+\.\d+")
#: No machine's own folders.
PLACES = re.compile(r"/(home|root|tmp|usr|var|Users|work)/|[A-Z]:\\\\")


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def said(cells):
    """Return the text that each cell puts out, measured numbers left out, and how many pictures it drew.

    What is printed may come in pieces: it is taken together.
    """
    found = []
    for cell in cells:
        text, pictures = "", 0
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                pictures += 1
            elif output.get("name") != "stderr":
                text += " " + "".join(output.get("text") or data.get("text/plain", ""))
        if text or pictures:
            found.append((" ".join(MEASURED.sub("#", text).split()), pictures))
    return found


def executed(path):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.read(path, 4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        client.NotebookClient(book, timeout=600, resources=resources).execute()
    return book


def test_there_are_notebooks():
    assert {p.stem for p in NOTEBOOKS} == {
        "layer",
        "own_arrays",
        "carry_or_reset",
        "detector",
        "cell",
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_small_and_of_no_machine(path):
    text = path.read_text(encoding="utf-8")
    assert len(text) < 100_000
    assert not PLACES.search(re.sub(r'"image/png": "[^"]*"', "", text))
    assert set(read(path)["metadata"]) == {"kernelspec", "language_info"}
    assert f"notebooks/{path.stem}.md" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_and_prints_what_stands_in_it(path):
    expected = said(read(path)["cells"])
    assert expected
    assert said(executed(path)["cells"]) == expected


def keep_outputs(path):
    """Write what a notebook prints into it: text, and pictures without their text."""
    book = read(path)
    for cell, run in zip(book["cells"], executed(path)["cells"], strict=True):
        if cell["cell_type"] != "code":
            continue
        cell["outputs"] = []
        for output in run["outputs"]:
            if output.get("name") == "stderr":
                continue
            before = cell["outputs"][-1] if cell["outputs"] else {}
            if output.get("name") == before.get("name") == "stdout":
                before["text"] += output["text"]
                continue
            kept = json.loads(json.dumps(output))
            kept.pop("metadata", None)
            data = kept.get("data", {})
            data.pop("text/html", None)
            if "image/png" in data:
                data = {"image/png": data["image/png"]}
            if data:
                kept |= {"data": data, "metadata": {}, "output_type": "display_data"}
                kept.pop("execution_count", None)
            cell["outputs"].append(kept)
    path.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for chosen in NOTEBOOKS:
        if chosen.stem in (sys.argv[1:] or chosen.stem):
            keep_outputs(chosen)
