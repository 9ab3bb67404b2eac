"""What may be typed as ``--reference``; options are checked by it where help is printed, without numpy."""

from __future__ import annotations

import re

from memcell.errors import UsageError
from memcell_data.channels import electrode_of

#: Words of ``--reference`` beside names of references.
AS_IS, MODEL = "as-is", "model"
_WORDS = {
    "average": "average",
    "avg": "average",
    "car": "average",
    "ears": "ears",
    "linked-ears": "ears",
}
_BOTH_EARS = re.compile(r"^\(?([am])1\+\1?2\)?(/2)?$")
EXPECTED = "as-is, model, an electrode such as M2 or Cz, M1+M2 or average"


def reference_named(typed: str) -> str:
    """Return a typed reference as `Derivation.kept` has it.

    Raises:
        UsageError: It is none.

    >>> reference_named("A2"), reference_named("M1+M2"), reference_named("Average")
    ('m2', 'ears', 'average')
    """
    word = typed.strip().casefold()
    found = _WORDS.get(word) or ("ears" if _BOTH_EARS.match(word) else electrode_of(word))
    if not found:
        raise UsageError(f"--reference got '{typed}'; expected {EXPECTED}")
    return found


def check_word(typed: str) -> None:
    """Refuse what is no ``--reference``.

    Raises:
        UsageError: It is none.
    """
    if typed and typed not in (AS_IS, MODEL):
        reference_named(typed)
