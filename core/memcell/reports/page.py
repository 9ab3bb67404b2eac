"""Rendering: Jinja2 templates with everything escaped, also what cannot be seen."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from memcell.escape import markup as escape
from memcell.reports import palette
from memcell.reports.parts import Contents, Html, Link, Part

TEMPLATES = Path(__file__).parent / "templates"
VIEWER = Path(__file__).parent / "viewer"
#: Of a viewer, in the order in which they stand in one script.
SCRIPTS = ("decoding.js", "spectrum.js", "drawing.js", "viewer.js", "controls.js")


def render(
    template: str, title: str, folder: Path | None = None, links: list[Link] | None = None, **values: Any
) -> str:  # fmt: skip
    """Return a page.

    Args:
        template: Name of a template that extends ``page.html``.
        title: Of the tab, and the first heading.
        folder: Where the template is, if not in `TEMPLATES`.
        links: The files beside the page.
        values: What the template names.
    """
    environment = _environment(folder or TEMPLATES)
    return environment.get_template(template).render(
        title=title, links=links or [], contents=Contents(), style=_style(),
        viewer_style=_viewer_style(), viewer_script=_viewer_script(), policy=_policy(), **values
    )  # fmt: skip


def html(part: Part) -> Html:
    """Return one part by itself."""
    module = (
        _environment(TEMPLATES).get_template("parts.html").make_module({"contents": Contents()})
    )
    # a template's module has its macros as attributes that no type knows
    return Html(module.part(part))  # type: ignore[attr-defined]


def standalone(svg: str) -> str:
    """Return an inline drawing as a file of its own, on white."""
    rules = f"svg{{background:#fff;{palette.LIGHT.css()}}}{palette.classes()}{DRAWING}"
    # a plain string: markup would escape what is put in
    head, _, rest = str(svg).partition(">")
    start = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"{start}><style>{rules}</style>{rest}"


#: Of a drawing, on a page and as a file.
DRAWING = (
    'svg.drawing{font-family:system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;color:var(--ink)}'
    "svg.drawing text{fill:currentColor}.edge{stroke:var(--soft);stroke-dasharray:3 2}"
)


@cache
def _style() -> Html:
    css = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    return Html(
        f":root{{color-scheme:light;{palette.LIGHT.css()}}}\n"
        f"@media screen and (prefers-color-scheme:dark)"
        f"{{:root{{color-scheme:dark;{palette.DARK.css()}}}}}\n"
        f"{palette.classes()}{DRAWING}\n{css}"
    )


@cache
def _viewer_style() -> Html:
    return Html((VIEWER / "viewer.css").read_text(encoding="utf-8"))


@cache
def _viewer_script() -> Html:
    parts = [(VIEWER / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return Html("\n".join(['(() => {\n"use strict";', *parts, "})();"]))


@cache
def _policy() -> str:
    """Return the content security policy of a page with a viewer: its own script and styles alone."""

    def digest(text: Html) -> str:
        return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    styles = f"{digest(_style())} {digest(_viewer_style())}"
    return (
        f"default-src 'none'; script-src {digest(_viewer_script())}; style-src {styles}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _environment(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader([folder, TEMPLATES]), autoescape=True, undefined=StrictUndefined,
        finalize=_formatted, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def _formatted(value: Any) -> Any:
    """Escape a value, controls and marks of direction included, which Jinja2 would let through."""
    return value if hasattr(value, "__html__") else Html(escape(value))
