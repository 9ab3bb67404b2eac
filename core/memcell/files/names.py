"""Names of files made from names that somebody else chose: of recordings, of people."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from memcell.escape import line

#: Bytes of a name to which endings such as ``_probability.tsv`` are added; a file system takes 255.
LONGEST = 180
# what no file system of a colleague takes; what `memcell.escape` shows as an escape goes the same way
_NOT_TAKEN = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
#: Names of devices on Windows, whatever their ending.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def file_name(text: str) -> str:
    """Return the name of a file, without ending, for a name; most names as they are.

    A name that is not one everywhere (bytes that are no text, line breaks, ``/``, a dash or a formula's sign
    in front, the names of devices, more than `LONGEST` bytes) is made one, and ends with eight digits of
    the digest of what it was, so that two of them stay two.
    """
    clean = "".join(c if line(c) == c and not _NOT_TAKEN.match(c) else "_" for c in text)
    clean = re.sub(r"^[-=+@~.\s]+", "_", clean)
    clean = re.sub(r"[.\s]+$", "_", clean)
    if _DEVICES.fullmatch(clean):
        clean += "_"
    cut = clean.encode()[:LONGEST].decode("utf-8", "ignore")
    return cut if cut and cut == text else f"{cut or '_'}-{_digest(text)}"


def file_names(texts: Sequence[str]) -> list[str]:
    """Return a `file_name` for each of several names, no two the same, also where a file system ignores case.

    Args:
        texts: Names that differ.
    """
    names = [file_name(text) for text in texts]
    count = Counter(map(_folded, names))
    return [
        name if count[_folded(name)] == 1 else f"{name}-{_digest(text)}"
        for name, text in zip(names, texts, strict=True)
    ]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
