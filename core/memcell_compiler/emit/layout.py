"""What a plan's arrays and programs are: all that a call needs to know of them, and all that is stored."""

from __future__ import annotations

from dataclasses import dataclass

from memcell_compiler.passes.gradient_epilogue import TorchOperations


@dataclass(frozen=True)
class SumArray:
    """An array in which the backward loop adds something up.

    Args:
        name: In C.
        shape: In memory.
        swapped: It is the transpose of what is wanted.
    """

    name: str
    shape: tuple[int, ...]
    swapped: bool


@dataclass(frozen=True)
class ArrayLayout:
    """The arrays of a plan.

    Args:
        saved: Columns saved for each lane and step, and for each step.
        output: Width.
        states: Widths.
        statistics: Shape of each tensor of statistics without time; ``None`` for the lanes.
        parameters: Names of the parameters that are read, by their C names.
        buffers: Likewise.
        read: C names of what the forward loop is given, normalizers' inputs among it.
        input_gradients: Whether each step input gets one.
        output_state: The part of the state that is the output, where one is.
        sums: What the backward loop adds up.
        epilogue: The parameters' gradients from those sums.
        statistics_sites: How many tensors of statistics each site has.
        before: What is computed from parameters and buffers before the loop, by C name.
    """

    saved: tuple[int, int]
    output: int
    states: tuple[int, ...]
    statistics: tuple[tuple[int | None, ...], ...]
    parameters: dict[str, str]
    buffers: dict[str, str]
    read: tuple[str, ...]
    input_gradients: tuple[bool, ...]
    output_state: int | None
    sums: tuple[SumArray, ...]
    epilogue: TorchOperations
    statistics_sites: dict[str, int]
    before: TorchOperations


@dataclass(frozen=True)
class Written:
    """A program in C.

    Args:
        source: The functions ``NAME``, ``NAME_pack`` and ``NAME_sizes``.
        arrays: Names of the arrays that it is handed, in order.
        mixes: Lanes meet: all threads take part in every step.
        weights: Numbers of the weights of each step's products, where threads may share their columns.
    """

    source: str
    arrays: tuple[str, ...]
    mixes: bool
    weights: int = 0
