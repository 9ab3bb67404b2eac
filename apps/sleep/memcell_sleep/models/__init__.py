"""The trained models that come with the application, each a run folder of its own name with a card.

Another one is added by its folder here and its spec in `memcell_sleep`.
"""

from __future__ import annotations

from pathlib import Path


def folder() -> Path:
    """Return the folder that the models lie in."""
    return Path(__file__).parent
