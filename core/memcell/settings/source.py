"""The trained model that a training goes on from, as ``config.toml`` names it under ``[init]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memcell.applications.models import FINAL
from memcell.errors import ConfigError

SECTION = "init"


@dataclass(frozen=True, kw_only=True)
class SourceModel:
    """A trained model by name, and what tells it from any other.

    Args:
        model: The name of a model that comes along, or the path of a run folder.
        sha256: Of its file of weights.
        file: Where the weights are read, which is no part of the config: a run has a copy of its own. None
            until they were looked for.
    """

    model: str
    sha256: str
    file: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, section: Any) -> SourceModel:
        """Return what a section of a config file says.

        Raises:
            ConfigError: It is none.
        """
        names = {"model", "sha256"}
        if (
            not isinstance(section, Mapping)
            or section.keys() != names
            or not all(isinstance(v, str) and v for v in section.values())
        ):
            raise ConfigError(
                f"section [{SECTION}] must have model and sha256, which memcell train --init writes; got "
                f"{section!r}"
            )
        return cls(model=section["model"], sha256=section["sha256"])

    @property
    def name(self) -> str:
        """What is printed of it: the name, or the end of the path."""
        path = Path(self.model)
        return f"{path.parent.name}/{FINAL}" if path.name == FINAL else path.name or self.model

    def section(self) -> dict[str, str]:
        """Return what `of` reads back."""
        return {"model": self.model, "sha256": self.sha256}

    def __str__(self) -> str:
        """Return it as ``'wake_sleep' (SHA-256 803aed987d64...)``."""
        return f"'{self.name}' (SHA-256 {self.sha256[:12]}...)"
