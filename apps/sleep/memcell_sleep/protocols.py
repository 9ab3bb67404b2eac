"""Which stages are sleep, which wake, and which neither: the scoring protocols, by name.

``wake_vs_sleep``: every stage against wake. ``wake_vs_deeper``: N1, on which experts agree least, has no
class. Stages 3 and 4 of 1968 are N3; movement and epochs that nobody scored have no class anywhere.
"""

from __future__ import annotations

from memcell_eeg.targets.protocols import LabelProtocol, Protocols

WAKE = "wake"
SLEEP = ("N1", "N2", "N3", "REM")
STAGES = (WAKE, *SLEEP)


def _protocol(name: str, without: str = "") -> LabelProtocol:
    return LabelProtocol(
        name=name,
        positive=frozenset(SLEEP) - {without},
        negative=frozenset({WAKE}),
        unlabelled=frozenset({without} if without else ()),
        order=STAGES,
    )


PROTOCOLS = Protocols(
    classes=STAGES,
    graded=frozenset(SLEEP),
    named=(_protocol("wake_vs_sleep"), _protocol("wake_vs_deeper", without="N1")),
    usual="wake_vs_sleep",
)
