"""Which labels are a microsleep, which its absence, and which neither: the scoring protocols, by name.

The same model has a kappa of .87 under one and .67 under another, so a protocol has a name and stands
beside every score. The words are those of a graded scoring (data set ``mwt``): ``wake`` is certain on both
sides, ``drowsy`` the time around sleep that is neither, ``candidate`` looks like a microsleep with the eyes
not closed, ``one-sided`` is a microsleep in one of O1 and O2 alone, ``microsleep`` one in both.

=====================  ================================  ========================  ===================
protocol               positive                          negative                  without a label
=====================  ================================  ========================  ===================
``sure``               microsleep                        wake                      all the others
``one_vs_rest``        microsleep                        all the others
``wake_drowsy_vs_ms``  microsleep, one-sided, candidate  wake, drowsy
``wake_vs_all``        all the others                    wake
=====================  ================================  ========================  ===================

"All microsleep kinds" are read as microsleep, one-sided and candidate: each names an episode of 1-15 s that
looks like sleep, and differs in how sure the scorer was; drowsy time has no such episode. These are the four
comparisons of Skorucak et al. 2020 and its replication. A label that is none of these words stays what the
data set says it is.
"""

from __future__ import annotations

from memcell_eeg.targets.protocols import LabelProtocol, Protocols

WAKE, DROWSY, CANDIDATE = "wake", "drowsy", "candidate"
ONE_SIDED, MICROSLEEP = "one-sided", "microsleep"

#: The words of a graded scoring, from wake to sleep.
CLASSES = (WAKE, DROWSY, CANDIDATE, ONE_SIDED, MICROSLEEP)


def _protocol(name: str, positive: set[str], negative: set[str]) -> LabelProtocol:
    return LabelProtocol(
        name=name,
        positive=frozenset(positive),
        negative=frozenset(negative),
        unlabelled=frozenset(CLASSES) - positive - negative,
        order=CLASSES,
    )


_ALL = set(CLASSES)

#: What ``--protocol`` chooses from. ``auto`` is, of those in which every step counts, the one that asks for
#: every episode that looks like sleep; `sure` leaves out just the steps that are hard.
PROTOCOLS = Protocols(
    classes=CLASSES,
    graded=frozenset({DROWSY, CANDIDATE, ONE_SIDED}),
    named=(
        _protocol("sure", {MICROSLEEP}, {WAKE}),
        _protocol("one_vs_rest", {MICROSLEEP}, _ALL - {MICROSLEEP}),
        _protocol("wake_drowsy_vs_ms", {MICROSLEEP, ONE_SIDED, CANDIDATE}, {WAKE, DROWSY}),
        _protocol("wake_vs_all", _ALL - {WAKE}, {WAKE}),
    ),
    usual="wake_drowsy_vs_ms",
)
