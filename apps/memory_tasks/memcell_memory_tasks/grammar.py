"""The embedded Reber grammar as a table: state to symbol to next state.

The Reber grammar (Reber 1967) stands inside of ``B (T|P) ... (T|P) E``, where the two T or P are the
same: the last but one symbol has to be remembered through the whole of the inside (Hochreiter and
Schmidhuber 1997, task 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError

SYMBOLS = "BTPSXVE"

_REBER: tuple[dict[str, int], ...] = (
    {"B": 1},
    {"T": 2, "P": 3},
    {"S": 2, "X": 4},
    {"T": 3, "V": 5},
    {"X": 3, "S": 6},
    {"P": 4, "V": 6},
    {"E": 7},
)


def _embedded() -> tuple[dict[int, int], ...]:
    inside = len(_REBER) + 1
    first = {"T": 2, "P": 2 + inside}
    table: list[dict[str, int]] = [{"B": 1}, dict(first)]
    last = 2 + 2 * inside
    for branch, start in first.items():
        table += [{s: start + to for s, to in row.items()} for row in _REBER]
        table.append({branch: last})
    table += [{"E": last + 1}, {}]
    return tuple({SYMBOLS.index(s): to for s, to in row.items()} for row in table)


#: State to symbol to next state; 0 begins a string, the last one ends it.
EMBEDDED = _embedded()
END = len(EMBEDDED) - 1


def draw(rng: np.random.Generator) -> tuple[int, ...]:
    """Return a string; where two symbols are legal, each has half the chance."""
    state, symbols = 0, []
    while state != END:
        symbol = int(rng.choice(sorted(EMBEDDED[state])))
        symbols.append(symbol)
        state = EMBEDDED[state][symbol]
    return tuple(symbols)


def states(symbols: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``[n]`` the state after each symbol of a stream of strings; `END` after a string's last.

    Raises:
        DataError: A symbol is not legal where it stands.
    """
    out = np.empty(len(symbols), dtype=np.int64)
    state = 0
    for t, symbol in enumerate(symbols.tolist()):
        if symbol not in EMBEDDED[state]:
            raise DataError(f"symbol '{SYMBOLS[symbol]}' at step {t} is not legal in the grammar")
        state = EMBEDDED[state][symbol]
        out[t] = state
        if state == END:
            state = 0
    return out


#: ``[n_states, 7]``: which symbols may follow a state.
LEGAL = np.array([[s in row for s in range(len(SYMBOLS))] for row in EMBEDDED])


def legal_next(symbols: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return ``[n, 7]``: which symbols may follow each of a stream of strings; none after a string's end.

    Raises:
        DataError: A symbol is not legal where it stands.
    """
    return np.asarray(LEGAL[states(symbols)])
