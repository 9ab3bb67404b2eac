"""Notebooks as pages of the site: text, code, and what the code printed and drew when it was last run."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any


def page_of(path: Path) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown, and its pictures by the names that it calls them.

    Links to other notebooks lead to their pages; the notebook itself is there to take along.
    """
    book = json.loads(path.read_text(encoding="utf-8"))
    parts, pictures = [], {}
    for number, cell in enumerate(book["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source.replace(".ipynb)", ".md)"))
            continue
        source = source.removeprefix("%%capture\n")
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            picture = output.get("data", {}).get("image/png")
            if picture is None:
                parts.append(f"```text\n{_text(output).rstrip()}\n```")
                continue
            name = f"{path.stem}-{number}.png"
            pictures[name] = base64.b64decode("".join(picture))
            parts.append(f"![what the code above draws]({name})")
    title, _, rest = parts[0].partition("\n")
    taken = f"*A notebook: [{path.name}]({path.name}).*"
    return "\n\n".join([title, taken, rest.strip(), *parts[1:]]) + "\n", pictures


def _text(output: dict[str, Any]) -> str:
    return "".join(output.get("text") or output["data"]["text/plain"])
