"""Checkpoints: one safetensors file with a digest of its own, and no pickle anywhere.

safetensors itself accepts a file whose tensors or metadata were altered, so a SHA-256 over both stands
inside and is checked on loading.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from memcell.errors import CheckpointError
from memcell.files import write_atomic

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


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint and check its digest.

    Raises:
        CheckpointError: It is missing, altered, cut off, or of a newer version.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(f"checkpoint '{path}' cannot be read: {reason}") from None
    try:
        length = int.from_bytes(data[:8], "little")
        seal = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["memcell"])
        text, digest = seal["meta"], seal["sha256"]
        tensors = load(data)
        meta = json.loads(text)
        version = int(meta["format"])
    except (
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
        OverflowError,
    ) as error:
        reason = "it lacks " if isinstance(error, KeyError) else ""
        reason += " ".join(str(error).split())[:200]
        raise CheckpointError(f"checkpoint '{path}' is damaged: {reason}") from None
    if digest != _digest(tensors, text):
        raise CheckpointError(
            f"checkpoint '{path}' is damaged: its SHA-256 does not match its content"
        )
    if version > FORMAT:
        raise CheckpointError(
            f"checkpoint '{path}' has format {version}, made by a newer memcell; this one reads up to "
            f"{FORMAT}: update memcell"
        )
    return tensors, meta


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
