"""Names of electrodes that tests of several rooms make recordings of."""

from __future__ import annotations

#: The 19 scalp electrodes of the 10-20 system, from front to back, under their older names (T3 is T7).
TEN_TWENTY = [
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8",
    "T3", "C3", "Cz", "C4", "T4", "T5",
    "P3", "Pz", "P4", "T6", "O1", "O2",
]  # fmt: skip
