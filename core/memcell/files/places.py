r"""Where memcell keeps files of its own on this machine: fetched data, and what can be made again.

On every system ``$XDG_DATA_HOME`` and ``$XDG_CACHE_HOME`` come first. Without them it is the platform's place
(`platformdirs`): ``~/.local/share/memcell`` and ``~/.cache/memcell`` on Linux, ``~/Library/Application
Support/memcell`` and ``~/Library/Caches/memcell`` on macOS, ``%LOCALAPPDATA%\memcell`` for both on Windows.
"""

from __future__ import annotations

import os
from pathlib import Path

_NAME = "memcell"


def data_folder() -> Path:
    """Return the folder for fetched data sets."""
    from platformdirs import user_data_path

    return _under("XDG_DATA_HOME") or user_data_path(_NAME, appauthor=False)


def cache_folder() -> Path:
    """Return the folder for what can be made again."""
    from platformdirs import user_cache_path

    return _under("XDG_CACHE_HOME") or user_cache_path(_NAME, appauthor=False, opinion=False)


def _under(variable: str) -> Path | None:
    named = os.environ.get(variable)
    return Path(named).expanduser() / _NAME if named else None
