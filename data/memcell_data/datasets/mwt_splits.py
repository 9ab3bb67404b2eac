"""The two published splits of the ``mwt`` set, by file name without extension (each file is one patient).

- ``malafeev``: 53 to train on, 12 to validate, 11 to test (Malafeev et al. 2021; the authors'
  ``file_sets.mat``).
- ``skorucak``: 53 to train on, 23 to test (the split of Skorucak et al. 2020 on these files, as listed by
  S. Jonsson's thesis, github.com/sindrijonsson/microsleep_master_thesis). It has no validation part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from memcell.errors import DataError
from memcell_data.formats.mwt_file import load_mat

FILE_SETS = "file_sets.mat"
_VARIABLES = {"files_train": "train", "files_val": "valid", "files_test": "test"}

_MALAFEEV_VALID = "y5We 9JQY zaca 3J4W sNMf d3ET JCpz oOMR RM1S uXdB ipxV AsLD"
_MALAFEEV_TEST = "6iwd f8H5 Y4FK fT68 ddTG QDsa 0pai R2f3 csxQ Af8a puoa"
_SKORUCAK_TEST = (
    "0pai 6JVj 40kO DSfb EyTS hcml hRMy Kn9O mBks mZje R2f3 Xii6 kj2l 3P0D 6iwd BSvO csxQ ibbz IhpU "
    "N1nM Otq3 tG6i Xg1l"
)

_NAMES = (
    "0ncr 5bSg Af8a C1Wu DjrT EMcQ G7PJ ibbz JCpz MS6u Nzhl QDsa SOZ3 uXdB y5We ZYFG 0pai 6iwd AsLD cblr "
    "Dr51 EyTS go56 IhpU kj2l Msy4 oOMR R2f3 svlu X7s0 YHLr 3J4W 6JVj AXbm csxQ DSfb f8H5 hcml ipxV Kn9O "
    "muls Otq3 RfL0 tG6i Xg1l YOh8 3P0D 9098 bkx9 d3ET DYYI fNe4 hRMy iSqw LR2s mZje pPpj RM1S UsSz Xii6 "
    "zaca 40kO 9JQY BSvO ddTG EHED fT68 hT38 Ivfn mBks N1nM puoa sNMf UwK6 Y4FK Zpwh"
)

#: The published files.
FILES = tuple(_NAMES.split())


def _parts(valid: str, test: str) -> dict[str, str]:
    return (
        dict.fromkeys(FILES, "train")
        | dict.fromkeys(valid.split(), "valid")
        | dict.fromkeys(test.split(), "test")
    )


#: File name to ``"train"``, ``"valid"`` or ``"test"``, by split.
SPLITS = {
    "malafeev": _parts(_MALAFEEV_VALID, _MALAFEEV_TEST),
    "skorucak": _parts("", _SKORUCAK_TEST),
}


def read_file_sets(path: Path) -> dict[str, str]:
    """Return the part of each file that a ``file_sets.mat`` names.

    Raises:
        DataError: It cannot be read, lacks a part, or has a file in two.
    """
    variables = load_mat(path)
    missing = [name for name in _VARIABLES if name not in variables]
    if missing:
        raise DataError(f"{path}: lacks {', '.join(missing)}; expected {', '.join(_VARIABLES)}")
    parts: dict[str, str] = {}
    for variable, part in _VARIABLES.items():
        for name in _words(variables[variable]):
            if parts.setdefault(name.removesuffix(".mat"), part) != part:
                raise DataError(f"{path}: '{name}' is in two parts of the split")
    return parts


def _words(cell: Any) -> list[str]:
    """Return the strings of a MATLAB cell array, however deeply they lie."""
    if isinstance(cell, str):
        return [cell]
    return [word for item in np.atleast_1d(cell).ravel() for word in _words_of(item)]


def _words_of(item: Any) -> list[str]:
    return [str(item)] if isinstance(item, str) else _words(item) if np.size(item) else []
