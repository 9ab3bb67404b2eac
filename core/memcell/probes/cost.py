"""What a probe costs, counted and not timed, so that a resumed run probes the same updates.

The unit is about half a microsecond of the machine on which the factors were measured: an LSTM of 32 units as
generated C on one CPU core. A call has a price of its own, a step has one that no lane pays, a lane has one
for being read, and a lane's step is what it is all about. With wider cells the last outweighs the others, and
probes then stay further below their budget than they count. Validation and checkpoints are not counted as
training, which leaves room on the same side.
"""

from __future__ import annotations

#: A probe's call, a lane of it, and a lane's step; a step costs 1.
CALL, LANE, LANE_STEP = 2500.0, 25.0, 1.5
#: The same on the eager loop, which pays for each operation of a step.
EAGER_STEP, EAGER_LANE_STEP = 130.0, 2.4
#: Forward and backward, as a multiple of forward.
BOTH, EAGER_BOTH = 2.0, 4.0


def forward(steps: int, lanes: int, eager: bool = False) -> float:
    """Return the price of windows run forward by a probe."""
    if eager:
        return CALL + lanes * LANE + steps * (EAGER_STEP + EAGER_LANE_STEP * lanes)
    return CALL + lanes * LANE + steps * (1.0 + LANE_STEP * lanes)


def both(steps: int, lanes: int, eager: bool = False) -> float:
    """Return the price of windows run forward and backward by a probe."""
    return (EAGER_BOTH if eager else BOTH) * forward(steps, lanes, eager)


def update(steps: int, lanes: int, eager: bool = False) -> float:
    """Return the price of an update of the training."""
    if eager:
        return EAGER_BOTH * steps * (EAGER_STEP + EAGER_LANE_STEP * lanes)
    return 3.0 * (1100.0 + steps * (1.0 + lanes))
