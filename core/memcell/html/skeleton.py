"""The page around the parts: head, style for screen, phone and paper."""

from __future__ import annotations

from html import escape

from memcell.html.parts import Html, text

# Colours reach a contrast of at least 4.5 to 1 (WCAG 2.2, AA); a verdict is a word, never a colour alone.
STYLE = """
:root { color-scheme: light; --ink: #1d1d1f; --soft: #55555c; --line: #c9c9d1; --back: #ffffff; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem clamp(1rem, 4vw, 2.5rem) 4rem; max-width: 60rem; color: var(--ink);
  background: var(--back); font: 1rem/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 1rem 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.4rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; }
p, ul { margin: .5rem 0; max-width: 46rem; }
ul { padding-left: 1.3rem; }
li { margin: .3rem 0; }
.warning { border-left: .35rem solid #b3540a; background: #fff4e8; padding: .6rem .9rem; max-width: none; }
.lead { color: var(--soft); }
.verdict { border-left: .35rem solid #77777f; padding: .3rem 0 .3rem .9rem; max-width: none; }
.verdict.better { border-color: #0072b2; }
.verdict.worse { border-color: #d55e00; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .88rem; line-height: 1.35; }
caption { text-align: left; font-weight: 600; padding: 0 0 .4rem; }
caption span { display: inline-block; position: sticky; left: 0; max-width: calc(100vw - 2.2rem); }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: normal; }
thead th { border-bottom: 2px solid var(--ink); vertical-align: bottom; }
tbody th { font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
td:not(.number), tbody th { min-width: 5.5rem; }
figure { margin: 1.2rem 0; }
img { display: block; max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 46rem; margin-top: .4rem; }
pre { background: #f3f3f6; padding: .7rem .9rem; overflow-x: auto; font-size: .85rem; }
pre code { white-space: pre-wrap; overflow-wrap: anywhere; }
:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
@media (max-width: 30rem) { h1 { font-size: 1.4rem; } table { font-size: .82rem; } }
@page { margin: 16mm 14mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h3, caption { break-after: avoid; }
  figure, tr, .verdict, .warning { break-inside: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; }
  table { font-size: 7pt; width: 100%; }
  th, td { padding-right: .3rem; }
  td:not(.number), tbody th { min-width: 0; }
  caption span { position: static; max-width: none; }
  img { max-width: 80%; max-height: 225mm; }
  .warning { border: 1px solid #b3540a; background: none; }
}
"""


def document(title: str, *parts: str) -> str:
    """Return a whole page as text.

    Args:
        title: Of the tab, and its first heading.
        parts: From `memcell.html.parts`; plain strings are escaped.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{Html(STYLE)}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{text(*parts)}</main>\n</body>\n</html>\n"
    )
