"""Features kept on disk: a store (`memcell.files.store`) of arrays, checked at every reading.

The object is an ``.npy`` file of the features ``[n_steps, F]`` float32 and is mapped into memory; the entry's
JSON says the rest. Two processes that make the same entry write the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from memcell.errors import MemcellError
from memcell.files.store import DiskStore
from memcell.files.trusted import make_private, reason_against

#: Words of the option ``cache`` that are no folder.
OFF, DEFAULT = ("off", "none"), "default"

_OURS = re.compile(r"\.?[0-9a-f]{64}(-[0-9a-f]{16})?\.(npy|json)(\..*)?")
#: Entries that nobody used for so long are removed.
KEPT_DAYS = 90.0
_KIND = "npy"


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

    def build(path: Path) -> None:
        np.save(path, np.ascontiguousarray(entry.features), allow_pickle=False)

    about = {
        "times": entry.times.tolist(),
        "breaks": list(entry.breaks),
        "step_seconds": entry.step_seconds,
        "warnings": list(entry.warnings),
    }
    try:
        make_private(folder)
        _store(folder).put(key, _KIND, build, about)
    except OSError as error:
        raise MemcellError(f"cannot write '{folder}': {error.strerror or error}") from error


def read(folder: Path, key: str, mapped: bool = True) -> StoredFeatures | None:
    """Return an entry, or None where there is none that is whole.

    Args:
        folder: Where entries are.
        key: Which one.
        mapped: Map the features into memory rather than load them.
    """
    found = _store(folder).open(key, _KIND)
    if found is None:
        return None
    with found.file as file:
        try:
            about = found.about
            features = _array(file, mapped)
            times = np.array(about["times"], dtype=np.float64)
            if features.dtype != np.float32 or features.ndim != 2 or len(features) != len(times):
                return None
            return StoredFeatures(
                features=features,
                times=times,
                breaks=tuple(about["breaks"]),
                step_seconds=about["step_seconds"],
                warnings=tuple(about["warnings"]),
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            return None


def _array(file: IO[bytes], mapped: bool) -> NDArray[Any]:
    """Return the array of an open ``.npy`` file; mapped, it goes on after the file is closed."""
    if not mapped:
        loaded: NDArray[Any] = np.load(file, allow_pickle=False)
        return loaded
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, fortran, dtype = read_header(file)
    # Copied where it is written to ("c"): some libraries refuse what may only be read, and nothing
    # that anyone does to the array in memory reaches the file.
    found = np.memmap(
        file, dtype=dtype, mode="c", offset=file.tell(), shape=shape, order="F" if fortran else "C"
    )
    return found.view(np.ndarray)


def _store(folder: Path) -> DiskStore:
    return DiskStore(
        folder=folder, names=_OURS, kept_days=KEPT_DAYS, workspace=".memcell-features-"
    )


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
    return size(folder) > 0


def size(folder: Path) -> int:
    """Return how many bytes the entries of a folder take."""
    return _store(folder).size()


def sweep(folder: Path) -> None:
    """Remove entries that nobody used for `KEPT_DAYS`; other files are left alone."""
    _store(folder).sweep()
