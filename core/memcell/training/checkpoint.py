"""Checkpoints: one safetensors file with a digest of its own, and no pickle anywhere.

safetensors itself accepts a file whose tensors or metadata were altered, so a SHA-256 over both stands
inside and is checked on loading. Whoever alters a file on purpose can make it fit again: what is inside is
compared with what it is for, and taken for nothing more than numbers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from memcell.errors import CheckpointError, RunFolderError
from memcell.files.atomic import write_atomic
from memcell.files.reading import MOST_WEIGHTS, opened, parse_json, read_bytes, refusing

#: Name to type and shape.
Shapes = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]

#: Version of the file's layout. A larger one than ours is refused by name.
FORMAT = 1


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON values, atomically.

    Args:
        path: The file.
        tensors: By name.
        meta: JSON values.

    Raises:
        MemcellError: It cannot be written; an older file stays as it was.
    """
    plain = {name: t.detach().to("cpu").contiguous().clone() for name, t in tensors.items()}
    text = json.dumps({"format": FORMAT, **meta}, sort_keys=True)
    # One key only: safetensors writes several in an order that differs from process to process, and
    # the same content must be the same bytes.
    seal = json.dumps({"meta": text, "sha256": _digest(plain, text)})
    write_atomic(path, save(plain, metadata={"memcell": seal}))


#: Bytes of the part that names and describes the tensors.
_MOST_HEAD = 32_000_000
#: Of the types that a network has, by the file's names for them.
_TYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "I32": torch.int32,
    "I64": torch.int64, "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32,
    "F64": torch.float64,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a checkpoint says of itself, read without its numbers.

    Args:
        tensors: Name to type and shape.
        meta: JSON values.
        digest: SHA-256 of both and the numbers.
    """

    tensors: Shapes
    meta: dict[str, Any]
    text: str
    digest: str


def read_head(path: Path) -> Head:
    """Return what a checkpoint says of itself, without reading its numbers.

    Raises:
        RunFolderError: It is missing, cut off or damaged.
        CheckpointError: It is of a newer version.
    """
    with opened(path, MOST_WEIGHTS) as file, refusing(path):
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(_MOST_HEAD, size - 8):
            raise RunFolderError(f"'{path}' is damaged: it does not begin as a safetensors file")
        found = parse_json(file.read(length).decode("utf-8"), path)
        seal = parse_json(found.pop("__metadata__")["memcell"], path)
        text, digest = str(seal["meta"]), str(seal["sha256"])
        meta = dict(parse_json(text, path))
        version = int(meta["format"])
        tensors, total = {}, 0
        for name, each in found.items():
            kind, shape = _TYPES[each["dtype"]], tuple(int(n) for n in each["shape"])
            tensors[name] = (kind, shape)
            count = kind.itemsize
            for n in shape:
                if n < 0:
                    raise RunFolderError(f"'{path}': tensor {name} has the shape {shape}")
                count *= n
            total += count
        if total != size - 8 - length:
            raise RunFolderError(
                f"'{path}' is damaged: its tensors take {total} bytes, and it holds {size - 8 - length}"
            )
    if version > FORMAT:
        raise CheckpointError(
            f"checkpoint '{path}' has format {version}, made by a newer memcell; this one reads up to "
            f"{FORMAT}: update memcell"
        )
    return Head(tensors=tensors, meta=meta, text=text, digest=digest)


def shapes_of(network: torch.nn.Module) -> Shapes:
    """Return types and shapes of a network's state."""
    return {name: (value.dtype, tuple(value.shape)) for name, value in network.state_dict().items()}


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint and check its digest.

    Raises:
        RunFolderError: It is missing, altered or cut off.
        CheckpointError: It is of a newer version.
    """
    head = read_head(path)
    with refusing(path):
        try:
            tensors = load(read_bytes(path, MOST_WEIGHTS))
        except SafetensorError as error:
            raise RunFolderError(
                f"'{path}' is damaged: {' '.join(str(error).split())[:200]}"
            ) from None
        if head.digest != _digest(tensors, head.text):
            raise RunFolderError(f"'{path}' is damaged: its SHA-256 does not match its content")
    return tensors, head.meta


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        t = tensors[name]
        digest.update(f"\0{name}\0{t.dtype}\0{tuple(t.shape)}\0".encode())
        if t.numel():
            digest.update(t.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def split_tensors(value: Any, prefix: str, tensors: dict[str, Tensor]) -> Any:
    """Take the tensors out of nested dicts and lists.

    Args:
        value: Dicts, lists, tuples, numbers, strings, None and tensors.
        prefix: Names of the tensors begin with it.
        tensors: Filled with the tensors by name.

    Returns:
        The same as JSON values, each tensor as ``{"tensor": name}`` and each dict as a list of pairs
        (keys of optimizer states are numbers, which JSON objects cannot have).
    """
    if isinstance(value, Tensor):
        tensors[prefix] = value
        return {"tensor": prefix}
    if isinstance(value, Mapping):
        pairs = [[k, split_tensors(v, f"{prefix}.{k}", tensors)] for k, v in value.items()]
        return {"pairs": pairs}
    if isinstance(value, (list, tuple)):
        return [split_tensors(v, f"{prefix}.{i}", tensors) for i, v in enumerate(value)]
    return value


def join_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Put back together what `split_tensors` took apart."""
    if isinstance(value, Mapping):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {k: join_tensors(v, tensors) for k, v in value["pairs"]}
    if isinstance(value, list):
        return [join_tensors(v, tensors) for v in value]
    return value
