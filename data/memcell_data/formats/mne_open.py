"""Opening a recording with MNE, so that what goes wrong is one line that names the file and quotes nobody."""

from __future__ import annotations

import configparser
import math
import re
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from memcell.errors import DataError
from memcell_data.content import first_bytes
from memcell_data.formats.brainvision import check_companions
from memcell_data.formats.fif_parts import check_parts, is_fif
from memcell_data.formats.fif_validator import check_fif
from memcell_data.formats.gdf_validator import GdfFacts, check_gdf
from memcell_data.formats.mat_validator import check_mat, is_hdf
from memcell_data.formats.needs import asked_for, check_packages, is_ant

_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
# Of all that MNE warns of, what says that it guessed or left out something.
_TELLING = re.compile(
    r"record length|truncat|corrupt|omitted|limited|physical dimension", re.IGNORECASE
)
_LOOKED_AT = 1 << 16
SLOWEST = 1.0  # Hz; these formats have one rate for all channels, and no EEG is slower


@dataclass(frozen=True, kw_only=True)
class OpenedFile:
    """A recording as MNE opened it.

    Args:
        raw: MNE's object.
        remarks: What is odd, one line each.
        units: Unit of channels by name, as far as the file was asked.
        problems: Why a channel cannot be read, by name.
    """

    raw: Any
    remarks: tuple[str, ...]
    units: dict[str, str]
    problems: dict[str, str]


def open_raw(path: Path) -> OpenedFile:
    """Open a recording, not reading its samples.

    Raises:
        DataError: It cannot be opened, or holds no signal; names the file and the reason.
    """
    remarks: tuple[str, ...] = ()
    facts = GdfFacts(units={}, problems={})
    check_packages(path)
    if path.suffix.lower() == ".set" and not is_hdf(first_bytes(path)):
        check_mat(path)
    if path.suffix.lower() == ".vhdr":
        remarks = check_companions(path)
    if path.suffix.lower() == ".fif":
        check_fif(path)
    if is_fif(path):
        check_parts(path)
    if path.suffix.lower() == ".gdf":
        facts = check_gdf(path)
    # What MNE prints or logs may quote the person that was recorded.
    with warnings.catch_warnings(record=True) as caught, redirect_stdout(StringIO()):
        warnings.simplefilter("always")
        try:
            raw = _reader(path)(path, preload=False, verbose="warning")
            rate = float(raw.info["sfreq"])
            raw.get_channel_types()  # damage shows here in some formats
        except Exception as error:
            raise refused(path, error) from error
    if raw.n_times == 0 or not raw.ch_names:
        raise DataError(f"{path}: holds no signal")
    if not (math.isfinite(rate) and rate >= SLOWEST):
        raise DataError(f"{path}: is sampled at {rate:g} Hz, expected {SLOWEST:g} Hz or more")
    messages = [
        " ".join(str(w.message).split()) for w in caught if issubclass(w.category, RuntimeWarning)
    ]
    lines = [f"{path.name}: MNE says: {_unquoted(path, t)}" for t in messages if _TELLING.search(t)]
    return OpenedFile(
        raw=raw,
        remarks=(*remarks, *dict.fromkeys(lines)),
        units=facts.units or dict(getattr(raw, "_orig_units", {})),
        problems=facts.problems,
    )


def _reader(path: Path) -> Any:
    """Return MNE's reader; for CNT the one of the two formats, since trying both hides what was wrong."""
    import mne

    if path.suffix.lower() != ".cnt":
        return mne.io.read_raw
    return mne.io.read_raw_ant if is_ant(path) else mne.io.read_raw_cnt


def refused(path: Path, error: Exception) -> DataError:
    """Return the error that says in one line why MNE cannot read a file."""
    if isinstance(error, configparser.Error):
        return DataError(f"{path}: MNE cannot read it: its lines are not those of a header")
    if package := asked_for(error):
        return DataError(
            f"{path}: to read it MNE needs another package: pip install {package} (or a newer one)"
        )
    text = _unquoted(path, " ".join(str(error).split()))
    reason = text or "a check of its reader does not hold; the file is damaged"
    return DataError(f"{path}: MNE cannot read it: {type(error).__name__}: {reason}")


def _unquoted(path: Path, text: str) -> str:
    """Return a message without what it quotes from the file: that may be about the person."""
    try:
        with path.open("rb") as file:
            content = file.read(_LOOKED_AT).decode("latin-1")
    except OSError:  # a folder
        content = ""
    names = {path.name, path.stem, str(path), str(path.absolute())}

    def replacement(match: re.Match[str]) -> str:
        quoted = match[1] or match[2] or ""
        own = len(quoted) > 2 and quoted not in names and quoted in content
        return "'…'" if own and not (path.parent / Path(quoted).name).exists() else match[0]

    return _QUOTED.sub(replacement, text)
