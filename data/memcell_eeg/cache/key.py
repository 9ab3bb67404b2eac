"""Cache key of a recording's features: a digest of everything that they depend on.

The file (its place, size, times and number on the disk, and what its reader goes by), the whole
pipeline, the versions of the libraries, the source of the two packages that make features, and the
processor's instruction sets, which decide the last bits of sums. Labels and their rules are not part of
it: targets are always made anew. A digest tells nobody the name of a file.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from memcell.version import __version__
from memcell_data.formats.reader import companions
from memcell_data.recording import Recording
from memcell_eeg.features.built_in import BUILT_IN
from memcell_eeg.features.extractors import entry_of

#: Counts up when what is stored changes its form.
FORMAT = 2
LIBRARIES = ("numpy", "scipy", "mne")


def key_of(recording: Recording, pipeline: Mapping[str, Any]) -> str | None:
    """Return the key, 64 hexadecimal digits; None for a recording that cannot be identified.

    Args:
        recording: Its ``fingerprint`` is needed: without one nobody knows when it has changed.
        pipeline: The facts of what makes features of it.
    """
    if not recording.fingerprint:
        return None
    path = recording.path
    facts = {
        "format": FORMAT,
        # Sizes and times alone are the same for files of one archive, so the place counts too.
        "file": _stamps(path) if path is not None else [recording.dataset, recording.name],
        "fingerprint": recording.fingerprint,
        # A data set may give a part of a file only.
        "of": [recording.dataset, recording.duration],
        "channels": [[c.name, c.kind, c.rate] for c in recording.channels],
        "pipeline": dict(pipeline),
        **_extractors(pipeline.get("features", ())),
        "made_with": _made_with(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _stamps(path: Path) -> list[list[Any]]:
    """Return path, size and time of a file and of the files that belong to it.

    The time of the last change of a file's entry (``st_ctime``) cannot be set by hand, so a file that was
    replaced by one of the same size and date is noticed.
    """
    files = [path, *companions(path)] if path.is_file() else sorted(path.rglob("*"))
    out: list[list[Any]] = []
    for file in files:
        s = file.stat()
        out.append([str(file.resolve()), s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino])
    return out


@lru_cache(maxsize=1)
def _made_with() -> dict[str, Any]:
    config: Any = np.show_config(mode="dicts")
    return {
        "memcell": __version__,
        "libraries": [_version(name) for name in LIBRARIES],
        "source": _source_digest(),
        "machine": platform.machine(),
        "instructions": config.get("SIMD Extensions", {}).get("found", []),
    }


def _extractors(words: Sequence[str]) -> dict[str, Any]:
    """Return versions and package digests of the plugins that compute features; none for built-in ones."""
    found = {}
    for entry in map(entry_of, words):
        if entry.spec.name not in BUILT_IN:
            package = import_module(entry.spec.factory.partition(":")[0].partition(".")[0])
            found[entry.spec.name] = [entry.distribution, entry.version, _digest_of(package)]
    return {"extractors": found} if found else {}


def _version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} absent"


def _source_digest() -> str:
    """Return a digest of the source of the packages that read recordings and compute features."""
    import memcell_data

    return _digest([Path(str(memcell_data.__file__)).parent, Path(__file__).parents[1]])


def _digest_of(package: ModuleType) -> str:
    file = Path(str(package.__file__))
    return _digest([file.parent if file.stem == "__init__" else file])


def _digest(roots: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for root in roots:
        if root.is_file():
            digest.update(root.read_bytes())
        for file in sorted(root.rglob("*.py")):
            digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
