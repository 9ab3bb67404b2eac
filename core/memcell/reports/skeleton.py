"""The page around the parts: head, style for screen, phone and paper."""

from __future__ import annotations

from memcell.escape import markup as escape
from memcell.reports.parts import Html, text

# The gradients of .scroll are a shadow at an edge that something lies beyond.
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
.scroll { overflow-x: auto; margin: 1rem 0; background-repeat: no-repeat;
  background-size: 2.5rem 100%, 2.5rem 100%, .7rem 100%, .7rem 100%;
  background-position: 0 0, 100% 0, 0 0, 100% 0; background-attachment: local, local, scroll, scroll;
  background-image: linear-gradient(to right, #fff 30%, #fff0), linear-gradient(to left, #fff 30%, #fff0),
    linear-gradient(to right, #0003, #0000), linear-gradient(to left, #0003, #0000); }
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
.drawing { display: block; width: 100%; height: auto; font-family: inherit; }
.panels { display: grid; gap: 0 1.6rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
.panels figure { margin: .8rem 0; min-width: 0; }
ul.legend { list-style: none; padding: 0; margin: .4rem 0; max-width: none; display: flex; flex-wrap: wrap;
  gap: .1rem 1.1rem; font-size: .85rem; }
ul.legend li { margin: 0; }
summary { cursor: pointer; padding: .3rem 0; }
pre { background: #f3f3f6; padding: .7rem .9rem; overflow-x: auto; font-size: .85rem; }
pre code { white-space: pre-wrap; overflow-wrap: anywhere; }
:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
@media (max-width: 44rem) { .drawing.wide { min-width: 40rem; } }
@media (max-width: 30rem) { h1 { font-size: 1.4rem; } table { font-size: .82rem; } }
@page { margin: 16mm 14mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h3, caption { break-after: avoid; }
  figure, tr, .verdict, .warning { break-inside: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; background: none; }
  table { font-size: 7pt; width: 100%; }
  th, td { padding-right: .3rem; }
  td:not(.number), tbody th { min-width: 0; }
  caption span { position: static; max-width: none; }
  img { max-width: 80%; max-height: 225mm; }
  .drawing.wide { min-width: 0; }
  details::details-content { content-visibility: visible; height: auto; }
  .panels { grid-template-columns: 1fr 1fr; }
  .warning { border: 1px solid #b3540a; background: none; }
}
"""


def document(title: str, *parts: str) -> str:
    """Return a whole page as text.

    Args:
        title: Of the tab, and its first heading.
        parts: From `memcell.reports.parts`; plain strings are escaped.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{Html(STYLE)}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{text(*parts)}</main>\n</body>\n</html>\n"
    )
