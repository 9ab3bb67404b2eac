"""``memcell bench quality``: wake and sleep on labelled recordings, beside YASA where it is installed."""

from memcell_benchmarks.quality.command import command

__all__ = ["command"]
