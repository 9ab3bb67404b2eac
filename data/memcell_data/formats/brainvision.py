"""The check of a BrainVision recording's three files: all there, and as long as the header says."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from memcell.errors import DataError

_WIDTHS = {"INT_16": 2, "UINT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}
_WANTED = ("DataFile", "MarkerFile", "NumberOfChannels", "DataPoints", "BinaryFormat")


def check_companions(header: Path) -> tuple[str, ...]:
    """Look for the files that a ``.vhdr`` names.

    Returns:
        What is odd, one line each: no marker file, or a data file that is cut.

    Raises:
        DataError: The file with the samples is not there; names both.
    """
    entries = _entries(header)
    data, markers = (_beside(header, entries.get(key, "")) for key in ("DataFile", "MarkerFile"))
    if data is not None and not data.is_file():
        raise DataError(
            f"{header}: its samples are in '{data.name}', which is not beside it{_renamed(header, data)}"
        )
    messages = []
    for named in (data, markers):
        if named is None or named.stem == header.stem or not named.is_file():
            continue
        own = header.with_suffix(named.suffix)
        if own.is_file() and not own.samefile(named):
            messages.append(
                f"{header.name}: its header names '{named.name}', which is read, although '{own.name}' is "
                "there too; if the files were renamed, write their new names into the header"
            )
    if markers is not None and not markers.is_file():
        messages.append(
            f"{header.name}: its marker file '{markers.name}' is not beside it, so labels and interruptions "
            f"of the recording are unknown{_renamed(header, markers)}"
        )
    width = _WIDTHS.get(entries.get("BinaryFormat", ""), 0)
    n_channels = entries.get("NumberOfChannels", "")
    if (
        data is not None
        and width
        and n_channels.isascii()
        and n_channels.isdigit()
        and int(n_channels)
    ):
        samples, rest = divmod(data.stat().st_size, width * int(n_channels))
        if rest:
            messages.append(
                f"{header.name}: '{data.name}' ends in the middle of a sample: it was cut"
            )
        points = entries.get("DataPoints", "")
        if points.isascii() and points.isdigit() and int(points) > samples:
            messages.append(
                f"{header.name}: the header says {points} samples and '{data.name}' holds {samples}; the "
                "rest is missing"
            )
    return tuple(messages)


def missing_parts(header: Path) -> str:
    """Return what of a recording is not beside its header, or shorter than it says; empty for nothing."""
    entries = _entries(header)
    for key in ("DataFile", "MarkerFile"):
        named = _beside(header, entries.get(key, ""))
        if named is not None and not named.is_file():
            return f"its '{named.name}' is not there"
    data = _beside(header, entries.get("DataFile", ""))
    if data is None:
        return "its header is not all there"
    width, points = _WIDTHS.get(entries.get("BinaryFormat", ""), 0), entries.get("DataPoints", "")
    channels = entries.get("NumberOfChannels", "")
    if not (width and all(n.isascii() and n.isdigit() and int(n) for n in (points, channels))):
        return ""
    there = data.stat().st_size // (width * int(channels))
    if there >= int(points):
        return ""
    return f"{there} of {points} samples ({100 * there // int(points)} %) are there"


def _renamed(header: Path, named: Path) -> str:
    """Say what to write where a file of the header's own name is there instead of the one that it names."""
    own = header.with_suffix(named.suffix)
    if not own.is_file():
        return ""
    key = "MarkerFile" if named.suffix.lower() == ".vmrk" else "DataFile"
    return f"; '{own.name}' is: if they were renamed, write {key}={own.name} into the header"


def _entries(header: Path) -> dict[str, str]:
    """Return the entries of the header that tell of other files, as far as they can be found."""
    found: dict[str, str] = {}
    for line in header.read_text(encoding="latin-1").splitlines():
        if line.strip().casefold() == "[comment]":
            break
        key, _, value = line.partition("=")
        if key.strip() in _WANTED:
            found.setdefault(key.strip(), value.strip())
    return found


def _beside(header: Path, name: str) -> Path | None:
    # "$b" stands for the header's own name, and names are in the header's encoding
    name = name.replace("$b", header.stem)
    with suppress(UnicodeDecodeError):
        name = name.encode("latin-1").decode("utf-8")
    return header.with_name(name) if name and "/" not in name and "\0" not in name else None
