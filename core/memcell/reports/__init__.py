"""A page that stands alone: one file, no network, readable on a phone, on paper and by a screen reader."""

from memcell.reports.drawing import drawing, folded, legend, panels
from memcell.reports.parts import (
    Html,
    code,
    figure,
    listing,
    paragraph,
    section,
    strong,
    table,
    text,
)
from memcell.reports.skeleton import document

__all__ = [
    "Html",
    "code",
    "document",
    "drawing",
    "figure",
    "folded",
    "legend",
    "listing",
    "panels",
    "paragraph",
    "section",
    "strong",
    "table",
    "text",
]
