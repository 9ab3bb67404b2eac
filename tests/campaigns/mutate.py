"""Mutations of files of results: damaged, swapped, exaggerated, and made to fit their checksum again."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from safetensors.torch import load

from memcell.training.checkpoint import save_checkpoint

#: Values that take the place of others.
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 1e308, -1e308, 1e-300, float("nan"), float("inf"), 0.5,
    "", "x", "nan", "9" * 400, "\x1b[2J", "a\nb", "=1+1", "../../outside", "/etc/passwd", "\u202e",
    "x" * 9999,
    [], {}, [[]], [None], {"a": {"b": []}}, [1, 2, 3], ["a", "b"],
)  # fmt: skip
_PLAIN = (
    True,
    -1,
    0,
    2**31,
    2**63 - 1,
    1e308,
    1e-300,
    0.5,
    "",
    "x",
    "../../outside",
    [],
    [1],
    ["a"],
)


def flipped(rng: random.Random, data: bytes) -> bytes:
    """Flip a few bits."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if out else 0):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def cut(rng: random.Random, data: bytes) -> bytes:
    """Cut the end off, as a full disk does."""
    return data[: rng.randrange(len(data))] if data else data


def grown(rng: random.Random, data: bytes) -> bytes:
    """Put bytes into it."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 16, 5000))) + data[at:]


def doubled(rng: random.Random, data: bytes) -> bytes:
    """Repeat a part of it."""
    at, n = rng.randrange(len(data) + 1), rng.randrange(1, 2000)
    return data[:at] + data[at : at + n] + data[at:]


def deep(rng: random.Random, data: bytes) -> bytes:
    """Nest something deeply."""
    n = rng.choice((900, 20_000, 400_000))
    return rng.choice(
        (
            b"[" * n,
            b'{"a":' * n,
            b"[" * n + b"]" * n,
            b"a." * n + b"a = 1\n",
            b"x = " + b"{a = " * n,
        )
    )


def empty(rng: random.Random, data: bytes) -> bytes:
    """Leave nothing of it."""
    return b""


def digits(rng: random.Random, data: bytes) -> bytes:
    """Make a number of it an enormous one."""
    places = [i for i, c in enumerate(data[:200_000]) if chr(c).isdigit()]
    if not places:
        return data
    at = rng.choice(places)
    return data[:at] + b"9" * rng.choice((3, 25, 400, 6000)) + data[at:]


def changed(rng: random.Random, value: Any, of: tuple[Any, ...] = VALUES) -> Any:
    """Replace, remove or add something anywhere in nested lists and objects."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, inner in items:
            places.append((node, key))
            if isinstance(inner, dict | list) and len(places) < 5000:
                walk(inner)

    if not isinstance(value, dict | list) or not value or rng.random() < 0.03:
        return rng.choice(of)
    walk(value)
    node, key = rng.choice(places)
    what = rng.random()
    if what < 0.2:
        del node[key]
    elif what < 0.3 and isinstance(node, dict):
        node[rng.choice(("extra", "", "\x1b", "a" * 300))] = rng.choice(of)
    else:
        node[key] = rng.choice(of)
    return value


def of_json(rng: random.Random, data: bytes) -> bytes:
    """Change values of a JSON file, or of one line of a file of such."""
    try:
        return json.dumps(changed(rng, json.loads(data))).encode()
    except ValueError:
        lines = data.decode("utf-8", "replace").splitlines() or [""]
        at = rng.randrange(len(lines))
        try:
            lines[at] = json.dumps(changed(rng, json.loads(lines[at])))
        except ValueError:
            lines[at] = "{"
        return ("\n".join(lines) + "\n").encode()


def of_toml(rng: random.Random, data: bytes) -> bytes:
    """Change options of a config."""
    found = changed(rng, tomllib.loads(data.decode()), _PLAIN)
    return tomli_w.dumps(found if isinstance(found, dict) else {}).encode()


def of_table(rng: random.Random, data: bytes) -> bytes:
    """Change a cell, or the number of cells, of a table."""
    rows = [line.split("\t") for line in data.decode("utf-8", "replace").splitlines()] or [[""]]
    row = rng.choice(rows)
    if rng.random() < 0.2:
        row.append("more")
    elif len(row) > 1 and rng.random() < 0.2:
        row.pop()
    else:
        row[rng.randrange(len(row))] = str(rng.choice(VALUES))
    return "\n".join("\t".join(row) for row in rows).encode("utf-8", "surrogatepass")


def of_weights(rng: random.Random, data: bytes) -> bytes:
    """Change tensors or values of a checkpoint, and give it a checksum that fits."""
    length = int.from_bytes(data[:8], "little")
    seal = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["memcell"])
    meta, tensors = json.loads(seal["meta"]), dict(load(data))
    names = sorted(tensors)
    if names and rng.random() < 0.5:
        name = rng.choice(names)
        t = tensors[name]
        tensors[name] = rng.choice(
            (
                lambda: torch.zeros(3, 5),
                lambda: t.reshape(-1),
                lambda: t.to(torch.float64),
                lambda: t.to(torch.int64),
                lambda: torch.zeros(0),
                lambda: t[None],
                lambda: torch.cat([t.reshape(-1), t.reshape(-1)]),
                lambda: torch.full_like(t, 1) if t.dtype == torch.bool else t * float("nan"),
            )
        )()
        if rng.random() < 0.15:
            del tensors[name]
        elif rng.random() < 0.15:
            tensors[f"{name}.more"] = tensors.pop(name)
    else:
        meta = changed(rng, meta)
        if not isinstance(meta, dict):
            meta = {"meta": meta}
    form = meta.pop("format", 1)
    path = Path("resigned")
    save_checkpoint(path, tensors, {**meta, "format": form})
    return path.read_bytes()


def of_arrays(rng: random.Random, data: bytes) -> bytes:
    """Change the arrays of an ``.npz`` file."""
    with np.load(io.BytesIO(data)) as held:
        arrays = {name: held[name] for name in held.files}
    name = rng.choice(sorted(arrays))
    a = arrays[name]
    if "about" in arrays and rng.random() < 0.5:
        told = json.dumps(changed(rng, json.loads(arrays["about"].tobytes()))).encode()
        arrays["about"] = np.frombuffer(told, dtype=np.uint8)
    else:
        arrays[name] = rng.choice(
            (a[:-1], a[None], a.astype(str), a.astype("<M8[s]", copy=True) if a.dtype.kind == "i" else a,
             np.full_like(a, 1), a.astype(np.complex128), np.float64(3), np.zeros((0, 3)),
             a.astype(np.float64) * np.nan, a.astype(np.float64) * 1e300)
        )  # fmt: skip
    if rng.random() < 0.1:
        del arrays[name]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _bomb() -> bytes:
    buffer = io.BytesIO()
    head = np.lib.format.header_data_from_array_1_0(np.zeros(1))
    head["shape"] = (64 * 2**20,)
    first = io.BytesIO()
    np.lib.format.write_array_header_1_0(first, head)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name in ("times", "p0"):
            with packed.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(first.getvalue())
                for _ in range(512):
                    member.write(bytes(2**20))
    return buffer.getvalue()


def of_bomb(rng: random.Random, data: bytes) -> bytes:
    """Return arrays of a gigabyte in a file of one megabyte."""
    if not _BOMB:
        _BOMB.append(_bomb())
    return _BOMB[0]


_BOMB: list[bytes] = []


# what takes the place of a file: each is given the path and a folder outside


def as_link(path: Path, outside: Path, rng: random.Random) -> None:
    """A link to a file outside."""
    path.unlink()
    path.symlink_to(outside / rng.choice(("kept.json", "kept.txt", "nothing")))


def as_pipe(path: Path, outside: Path, rng: random.Random) -> None:
    """A pipe that nobody writes to."""
    path.unlink()
    os.mkfifo(path)


def as_folder(path: Path, outside: Path, rng: random.Random) -> None:
    """A folder."""
    path.unlink()
    path.mkdir()


def as_device(path: Path, outside: Path, rng: random.Random) -> None:
    """A link to a device that never ends."""
    path.unlink()
    path.symlink_to("/dev/zero")


def as_loop(path: Path, outside: Path, rng: random.Random) -> None:
    """A link to itself."""
    path.unlink()
    path.symlink_to(path.name)


def as_sparse(path: Path, outside: Path, rng: random.Random) -> None:
    """A file of a terabyte that takes no room."""
    with path.open("r+b") as file:
        file.truncate(2**40)


def as_nothing(path: Path, outside: Path, rng: random.Random) -> None:
    """Nothing."""
    path.unlink()


def as_hard_link(path: Path, outside: Path, rng: random.Random) -> None:
    """Another name of a file outside."""
    path.unlink()
    os.link(outside / "kept.txt", path)


def linked_folder(path: Path, outside: Path, rng: random.Random) -> None:
    """The folder of the file is a link to one outside."""
    folder = path.parent
    shutil.rmtree(folder)
    folder.symlink_to(outside)


CONTENT: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    flipped, cut, grown, doubled, deep, empty, digits,
)  # fmt: skip
PLACE: tuple[Callable[[Path, Path, random.Random], None], ...] = (
    as_link, as_pipe, as_folder, as_device, as_loop, as_sparse, as_nothing, as_hard_link,
)  # fmt: skip
BY_ENDING: dict[str, tuple[Callable[[random.Random, bytes], bytes], ...]] = {
    ".json": (of_json,),
    ".jsonl": (of_json,),
    ".toml": (of_toml,),
    ".tsv": (of_table,),
    ".txt": (of_table,),
    ".safetensors": (of_weights,),
    ".npz": (of_arrays, of_arrays, of_bomb),
}
