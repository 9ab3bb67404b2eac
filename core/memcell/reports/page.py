"""Rendering: Jinja2 templates with everything escaped, also what cannot be seen."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from memcell.escape import markup as escape
from memcell.reports import palette
from memcell.reports.parts import Contents, Html, Link, Part

TEMPLATES = Path(__file__).parent / "templates"


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
        title=title, links=links or [], contents=Contents(), style=_style(), **values
    )


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
def _environment(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader([folder, TEMPLATES]), autoescape=True, undefined=StrictUndefined,
        finalize=_formatted, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def _formatted(value: Any) -> Any:
    """Escape a value, controls and marks of direction included, which Jinja2 would let through."""
    return value if hasattr(value, "__html__") else Html(escape(value))
