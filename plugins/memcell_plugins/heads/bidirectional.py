"""A second memory that reads each window backwards, for whole recordings only.

M. Schuster & K. Paliwal, "Bidirectional recurrent neural networks" (IEEE Transactions on Signal Processing,
1997)::

    h_t = memory(x_t, h_{t-1})          forwards, carried from window to window as the state policy says
    g_t = memory'(x_t, g_{t+1})         backwards, from nothing at the window's end
    o_t = [h_t, g_t]

x is what the app's encoder gives, before an encoder that is a layer. memory' is a cell of the run's kind with
weights of its own and no normalizer. It begins anew, from zeros, at the window's last step, and at every step
after which memory is reset: nothing of the next recording, or of the other side of a gap, is heard. Near a
window's end there is little future to hear; windows of ``--time-steps`` are what inference takes too. Of the
two only the forward memory has a state to carry.
"""

from __future__ import annotations

import torch
from torch import Tensor

from memcell.backends import Layer, StepMasks
from memcell.network.around import HeadPlace, WindowHead


class Bidirectional(WindowHead):
    """The memory's outputs beside those of one that reads the window from its end.

    Args:
        place: Where it stands.
        config: It has no options.
    """

    def __init__(self, place: HeadPlace, config: object = None) -> None:
        super().__init__()
        self.layer = Layer(place.cell(place.input_width), None, place.backend)
        self.output_size = place.width + self.layer.cell.output_size

    def forward(
        self,
        hidden: Tensor,
        inputs: Tensor,
        masks: StepMasks,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return ``[h_t, g_t]`` of each step."""
        lanes = inputs.shape[1]
        # read backwards, a reset before step t + 1 is one before step t
        last = torch.zeros_like(masks.resets[:1])
        resets = torch.cat((masks.resets[1:], last)).flip(0)
        age = torch.zeros(lanes, dtype=torch.int64, device=inputs.device)
        window = StepMasks.of(resets, masks.valid.flip(0), age)
        nothing = self.layer.cell.initial_state(lanes, device=inputs.device, dtype=inputs.dtype)
        backwards = self.layer(inputs.flip(0), nothing, nothing, window, (), False, generator)
        return torch.cat((hidden, backwards.outputs.flip(0)), dim=-1)
