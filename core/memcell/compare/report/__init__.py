"""Statistics, tables, pictures and a page of a comparison, made from its folder alone."""

from memcell.compare.report.build import build_report

__all__ = ["build_report"]
