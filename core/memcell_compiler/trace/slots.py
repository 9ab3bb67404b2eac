"""Where a module holds its parameters and buffers."""

from __future__ import annotations

from torch import nn


def slots(module: nn.Module) -> dict[str, str]:
    """Return the name of every place that holds a parameter or buffer, and that of the tensor in it.

    A module that is registered twice is one place, and tensors that modules share are several: what
    `torch.func.functional_call` finds by names alone it does not put back as it was.
    """
    names = {id(t): n for n, t in (*module.named_parameters(), *module.named_buffers())}
    found = {}
    for prefix, part in module.named_modules():
        held = {**part._parameters, **part._buffers}
        for key, tensor in held.items():
            if tensor is not None:
                found[f"{prefix}.{key}" if prefix else key] = names[id(tensor)]
    return found
