"""Which formats need a package beside MNE, and what to type where it is not there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from memcell.errors import DataError
from memcell_data.content import first_bytes
from memcell_data.formats.mat_validator import is_hdf

_ANT = (b"RIFF", b"CNT ")  # at bytes 0 and 8; a CNT file of Neuroscan begins with "Version 3.0"
_ASKED = re.compile(r"the module ([\w.]+)")


@dataclass(frozen=True, kw_only=True)
class Need:
    """The packages that a format needs.

    Args:
        format: In words.
        packages: Names, as they are imported and as pip knows them.
    """

    format: str
    packages: tuple[str, ...]

    def missing(self) -> list[str]:
        """Return the packages that are not installed."""
        return [name for name in self.packages if find_spec(name) is None]


_EEGLAB_73 = Need(format="an EEGLAB file in MATLAB 7.3 (HDF5)", packages=("pymatreader", "h5py"))
_ANT_CNT = Need(format="a CNT file of ANT Neuro", packages=("antio",))
_CURRY = Need(format="a CURRY recording", packages=("curryreader", "pandas"))
#: By the ending of the name.
ENDINGS = {
    ".mff": Need(format="an EGI recording (MFF)", packages=("mffpy",)),
    ".nedf": Need(format="a Neuroelectrics recording (NEDF)", packages=("defusedxml",)),
    ".cdt": _CURRY,
    ".dap": _CURRY,
    ".rs3": _CURRY,
    ".mefd": Need(format="a MEF3 recording", packages=("pymef",)),
    ".snirf": Need(format="a SNIRF recording", packages=("h5py",)),
}


def need_of(path: Path) -> Need | None:
    """Return what a file's format needs, by its name and first bytes; None for nothing."""
    ending = path.suffix.lower()
    if ending == ".set":
        return _EEGLAB_73 if is_hdf(first_bytes(path)) else None
    if ending == ".cnt":
        return _ANT_CNT if is_ant(path) else None
    return ENDINGS.get(ending)


def is_ant(path: Path) -> bool:
    """Whether a ``.cnt`` file is one of ANT Neuro and not of Neuroscan."""
    head = first_bytes(path, 12)
    return head.startswith(_ANT[0]) and head[8:12] == _ANT[1]


def check_packages(path: Path) -> None:
    """Refuse a file whose format needs a package that is not installed.

    Raises:
        DataError: Names file, format and packages, and says what to type.
    """
    need = need_of(path)
    missing = need.missing() if need is not None else []
    if need is not None and missing:
        raise DataError(
            f"{path}: is {need.format}; to read it install {' and '.join(missing)}: "
            f"pip install {' '.join(missing)}"
        )


def asked_for(error: Exception) -> str:
    """Return the package that an error of MNE's asks for; empty where it is about something else."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name.partition(".")[0]
    text = " ".join(str(error).split())
    match = _ASKED.search(text) if isinstance(error, (RuntimeError, ImportError)) else None
    return match[1] if match and "could not be imported" in text else ""
