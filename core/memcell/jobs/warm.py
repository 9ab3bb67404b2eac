"""What workers import, imported once: this module is loaded by the process that they are forked from.

Nothing that goes wrong here may end that process: a worker that needs what cannot be imported says so.
"""

from __future__ import annotations

import os
from importlib import import_module

#: Names of modules with commas; set while that process is started, and at no other time.
NAMES = "MEMCELL_WORKER_IMPORTS"

for _name in filter(None, os.environ.pop(NAMES, "").split(",")):
    try:
        import_module(_name)
    # someone's module may raise anything, SystemExit included
    except (Exception, SystemExit):
        continue
