"""``memcell bench microsleep``: from a recording to events, stage by stage, against peers in the same run.

Everything is measured in processes of its own, one thread each, as CPU time of the process; imports and
first uses are left out and said apart. Imports neither torch nor MNE to be listed.
"""

from memcell_benchmarks.microsleep.command import command

__all__ = ["command"]
