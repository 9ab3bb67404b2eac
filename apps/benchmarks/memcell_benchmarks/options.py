"""What a person asked to be measured. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from memcell.errors import UsageError, unknown

#: What can run a cell, and what each is; the first three are measured unless others are asked for.
BACKENDS = {
    "naive": "a loop that projects inside the step, as public code does",
    "eager": "memcell's reference loop, input projection hoisted",
    "native": "memcell's generated C loop",
    "bfloat16": "the same multiplying bfloat16 numbers (mixed precision), beside torch.nn.LSTM in bfloat16",
    "torch": "torch's own kernel with the cell's weights, where it is one of torch's (cuDNN on a GPU)",
    "inductor": "memcell's chunks of steps through torch.compile, as CUDA graphs on a GPU",
    "torch.compile": "torch.compile of one step, in a loop",
    "jax": "the same LSTM as JAX lax.scan",
    "onnx": "the same LSTM in ONNX Runtime (inference only)",
}
#: Backends of version 0.1 by what they are called now.
FORMER_NAMES = {"compiled": "inductor"}
DEFAULT_BACKENDS = {
    "cpu": ("naive", "eager", "native"),
    "cuda": ("naive", "eager", "torch", "inductor"),
}
#: What can be measured.
KINDS = {
    "train": "forward and backward of a window",
    "infer": "forward of a window without gradient",
    "step": "one step of one lane, state carried",
    "memory": "growth of resident memory at its peak, forward and backward",
    "first-use": "the first forward and backward, caches of generated code empty, and again in a second "
    "process",
    "profile": "where the time of forward and backward goes, of the native backend",
}
DEFAULT_KINDS = ("train", "infer", "step", "memory", "first-use")
DTYPES = ("float32", "float64")


@dataclass(frozen=True, kw_only=True)
class Size:
    """Sizes of one comparison."""

    hidden_size: int
    batch_size: int
    time_steps: int
    input_size: int

    def __str__(self) -> str:
        """As speed tables write it."""
        return f"B{self.batch_size} H{self.hidden_size} T{self.time_steps} I{self.input_size}"


@dataclass(frozen=True, kw_only=True)
class CellChoice:
    """A cell with a normalizer at its sites.

    Args:
        cell: Name of the cell.
        normalizer: Name of the normalizer, or ``"none"``.
        options: Options of the cell that are not the default, with their values.
    """

    cell: str
    normalizer: str = "none"
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def cell_label(self) -> str:
        """The cell, with its options as they are typed."""
        typed = ",".join(f"{k}={str(v).lower()}" for k, v in self.options)
        return f"{self.cell}:{typed}" if typed else self.cell

    def __str__(self) -> str:
        """Both names, or the cell's alone."""
        cell = self.cell_label
        return cell if self.normalizer == "none" else f"{cell}+{self.normalizer}"


@dataclass(frozen=True, kw_only=True)
class Options:
    """All of it.

    Args:
        subjects: Which cells with which normalizers.
        sizes: At which sizes, one comparison each.
        backends: What they are run on.
        kinds: What is measured.
        device: ``"cpu"`` or ``"cuda"``.
        dtype: ``"float32"`` or ``"float64"``.
        threads: Of torch.
        rounds: How often each contender is sampled, in turn with the others.
        sample: Seconds that a sample should last.
        check: Verify against the eager loop in float64 first.
    """

    subjects: tuple[CellChoice, ...]
    sizes: tuple[Size, ...]
    backends: tuple[str, ...]
    kinds: tuple[str, ...]
    device: str
    dtype: str
    threads: int
    rounds: int
    sample: float
    check: bool


def words(what: str, text: str, known: Collection[str]) -> tuple[str, ...]:
    """Split ``a,b`` and check each word.

    Raises:
        UsageError: One is not known; says which is near.
    """
    found = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    return each(what, found, known)


def each(what: str, names: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Check each name.

    Raises:
        UsageError: One is not known; says which is near.
    """
    names = tuple(names)
    for name in names:
        if name not in known:
            raise UsageError(unknown(what, name, known))
    return names


def cell_with_options(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Split ``lstm97:gate_recurrence=false,block_size=2``.

    Raises:
        UsageError: Something after the colon is no option with a value.
    """
    name, colon, rest = text.partition(":")
    found = []
    for word in rest.split(",") if colon else ():
        option, equals, value = (part.strip() for part in word.partition("="))
        if not (option and equals and value):
            raise UsageError(
                f"--cell got '{text}'; after the colon options with values are expected, as in "
                "lstm97:gate_recurrence=false"
            )
        found.append((option, value))
    return name, tuple(found)


def numbers(flag: str, text: str) -> tuple[int, ...]:
    """Split ``32,128``.

    Raises:
        UsageError: A word is no whole number of at least 1, or there is none.
    """
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found or not all(word.isdecimal() and int(word) > 0 for word in found):
        raise UsageError(f"{flag} got '{text}'; whole numbers of at least 1 expected, as in 64,128")
    return tuple(dict.fromkeys(int(word) for word in found))
