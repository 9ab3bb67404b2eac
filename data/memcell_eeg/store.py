"""The folder of kept features: two files an entry, whole or not there, checked at every reading.

``KEY.npy`` holds the features ``[n_steps, F]`` float32 and is mapped into memory, ``KEY.json`` the rest and
the digests of both. Each is written under another name, flushed and renamed, the .json last; two processes
that make the same entry write the same bytes, and a reader sees an entry whole or not at all. One that does
not hold what its digests say, or that another user could have written, counts as not there.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memcell.files.atomic import write_atomic
from memcell.files.trusted import open_file, open_folder, reason_against

#: Words of the option ``cache`` that are no folder.
OFF, DEFAULT = ("off", "none"), "default"

_OURS = re.compile(r"\.?[0-9a-f]{64}\.(npy|json)")
#: Entries that nobody used for so long are removed.
KEPT_DAYS = 90.0


@dataclass(frozen=True, kw_only=True)
class StoredFeatures:
    """What is kept of one recording; nothing in it says whose it is.

    Args:
        features: ``[n_steps, F]`` float32.
        times: ``[n_steps]`` start of each step, s.
        breaks: Steps before which the recording was interrupted.
        step_seconds: Length of a step, s.
        warnings: What was odd about the recording, names taken out.
    """

    features: NDArray[np.float32]
    times: NDArray[np.float64]
    breaks: tuple[int, ...]
    step_seconds: float
    warnings: tuple[str, ...]


def write(folder: Path, key: str, entry: StoredFeatures) -> None:
    """Write an entry.

    Raises:
        MemcellError: The disk is full, or writing is not permitted.
    """
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(entry.features))
    body = {
        "features": _digest(entry.features),
        "shape": list(entry.features.shape),
        "times": entry.times.tolist(),
        "breaks": list(entry.breaks),
        "step_seconds": entry.step_seconds,
        "warnings": list(entry.warnings),
    }
    write_atomic(folder / f"{key}.npy", buffer.getvalue())
    write_atomic(
        folder / f"{key}.json", json.dumps({"body": body, "digest": _digest_json(body)}) + "\n"
    )


def read(folder: Path, key: str, mapped: bool = True) -> StoredFeatures | None:
    """Return an entry, or None where there is none that is whole.

    Args:
        folder: Where entries are.
        key: Which one.
        mapped: Map the features into memory rather than load them.
    """
    about = folder / f"{key}.json"
    try:
        _check_whose(folder, about.name, f"{key}.npy")
        found = json.loads(about.read_text(encoding="utf-8"))
        body = found["body"]
        if found["digest"] != _digest_json(body):
            return None
        # Copied where it is written to ("c"): some libraries refuse what may only be read, and nothing
        # that anyone does to the array in memory reaches the file.
        mode: Any = "c" if mapped else None
        loaded = np.load(folder / f"{key}.npy", mmap_mode=mode, allow_pickle=False)
        features: NDArray[np.float32] = np.asarray(loaded).view(np.ndarray)
        if features.dtype != np.float32 or list(features.shape) != body["shape"]:
            return None
        if _digest(features) != body["features"]:
            return None
        entry = StoredFeatures(
            features=features,
            times=np.array(body["times"], dtype=np.float64),
            breaks=tuple(body["breaks"]),
            step_seconds=body["step_seconds"],
            warnings=tuple(body["warnings"]),
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    with suppress(OSError):  # a cache that may only be read has no last use
        os.utime(about)
    return entry


def _check_whose(folder: Path, *names: str) -> None:
    """Raise an OSError where a file is missing, a link, or could have been written by another user."""
    if not hasattr(os, "getuid"):
        return
    handle = open_folder(folder)
    try:
        for name in names:
            os.close(open_file(name, handle))
    finally:
        os.close(handle)


def known(option: str) -> bool:
    """Whether an option ``cache`` names no folder, or one in which this user keeps features already."""
    if option == DEFAULT or option.lower() in OFF:
        return True
    try:
        folder = Path(option).expanduser()
        return holds_entries(folder) and not reason_against(folder)
    except (OSError, RuntimeError, ValueError):
        return False


def holds_entries(folder: Path) -> bool:
    """Whether a folder is there and holds an entry: one that a run has kept features in."""
    return bool(_files(folder))


def size(folder: Path) -> int:
    """Return how many bytes the entries of a folder take."""
    return sum(s.st_size for _, s in _files(folder))


def sweep(folder: Path, days: float = KEPT_DAYS) -> None:
    """Remove entries that nobody used for so many days; other files are left alone."""
    oldest = time.time() - 86400 * days
    used = {path.stem: s.st_mtime for path, s in _files(folder) if path.suffix == ".json"}
    for path, s in _files(folder):
        if max(s.st_mtime, used.get(path.stem, 0.0)) < oldest:
            with suppress(OSError):  # another process was quicker
                path.unlink()


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        for e in entries:
            if _OURS.match(e.name):
                with suppress(OSError):
                    found.append((Path(e.path), e.stat(follow_symlinks=False)))
    return found


def _digest(values: NDArray[Any]) -> str:
    return hashlib.blake2b(np.ascontiguousarray(values).data, digest_size=32).hexdigest()


def _digest_json(body: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=32).hexdigest()
