"""What a layer is built from: cells and normalizers by name, class or instance, and what is not offered."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from memcell.errors import UsageError
from memcell.plugins import default_registry
from memcell.recurrent.cell import Cell
from memcell.recurrent.normalizer import Normalizer


def refuse_what_is_not_offered(bias: bool, proj_size: int, bidirectional: bool) -> None:
    """Refuse what torch's layers have and these do not, each with what to write instead."""
    if not bias:
        raise ValueError(
            "bias=False; cells have their own biases: set them to zero and freeze them"
        )
    if proj_size:
        raise ValueError(
            f"proj_size={proj_size}; no cell here recurs through a projection: write an nn.Linear behind the "
            "layer, or keep nn.LSTM"
        )
    if bidirectional:
        raise ValueError(
            "bidirectional=True; memory that is carried forward has no counterpart backwards: "
            "run a second Recurrent over x.flip(0) and join the outputs"
        )


def build_cell(
    cell: str | type[Cell] | Cell, width: int, hidden: int, layers: int, options: dict[str, Any]
) -> tuple[Cell, str]:
    """Return a cell, and whose code it is where it is not built in."""
    if isinstance(cell, Cell):
        if layers > 1 or options:
            raise ValueError(
                "a cell that is made already is one layer, with its options; give its class or name"
            )
        if (cell.input_size, cell.hidden_size) != (width, hidden):
            raise ValueError(
                f"the cell takes {cell.input_size} features and has {cell.hidden_size} units; "
                f"expected {width} and {hidden}"
            )
        return cell, f"cell {type(cell).__name__}"
    if isinstance(cell, type) and issubclass(cell, Cell):
        try:
            inspect.signature(cell).bind(width, hidden, **options)
        except TypeError as error:
            raise ValueError(
                f"{cell.__name__}(input_size, hidden_size, **cell_options): {error}; a plugin's class takes "
                "cell_options={'config': ITS_CONFIG()}, its name takes the options themselves"
            ) from None
        return cell(width, hidden, **options), f"cell {cell.__name__}"
    if not isinstance(cell, str):
        raise ValueError(f"cell is {cell!r}; expected a name, a class of cells, or a cell")
    entry = default_registry().get("cell", cell)
    built = entry.build(width, hidden, entry.config(options))
    if not isinstance(built, Cell):
        raise UsageError(f"{entry.origin} built a {type(built).__name__}; expected a Cell")
    return built, "" if entry.built_in else entry.origin


def normalizer_maker(
    normalizer: str | Callable[..., Normalizer] | None, options: dict[str, Any]
) -> tuple[Callable[[int], Normalizer] | None, str]:
    """Return what makes the normalizer of a width, and whose code it is where it is not built in."""
    if normalizer is None or normalizer == "none":
        return None, ""
    if isinstance(normalizer, Normalizer):
        raise ValueError(
            "normalizer is one instance; expected a name or a class, for each site gets its own"
        )
    if not isinstance(normalizer, str):
        return _OfClass(
            normalizer, options
        ), f"normalizer {getattr(normalizer, '__name__', normalizer)}"
    entry = default_registry().get("normalizer", normalizer)
    return _OfEntry(entry, entry.config(options)), "" if entry.built_in else entry.origin


class _OfClass:
    """Makes normalizers of a class; no closure, so that a layer can be pickled."""

    def __init__(self, make: Callable[..., Normalizer], options: dict[str, Any]) -> None:
        self.make, self.options = make, options

    def __call__(self, width: int) -> Normalizer:
        return self.make(width, **self.options)


class _OfEntry:
    """Makes normalizers of a plugin."""

    def __init__(self, entry: Any, config: Any) -> None:
        self.entry, self.config = entry, config

    def __call__(self, width: int) -> Normalizer:
        normalizer: Normalizer = self.entry.build(width, self.config)
        return normalizer
