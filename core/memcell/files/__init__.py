"""Files: written whole or not at all, read with limits, in folders that nobody else can change."""

from typing import TYPE_CHECKING

from memcell.old_paths import renamed_in

if not TYPE_CHECKING:
    __getattr__ = renamed_in(__name__)  # names of version 0.1
