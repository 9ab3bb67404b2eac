"""Text, character by character: which one comes next (Mikolov et al. 2012; Cooijmans et al. 2016).

Any text will do: a file, a folder of them, or what every Python carries, the topics of its own reference.
The text stays in its order. A folder that names its splits, as Penn Treebank's ``ptb.char.train.txt``,
``.valid.txt`` and ``.test.txt`` do, keeps them; otherwise the last tenth tests, the tenth before it
validates, and what trains is a stretch of the rest. Characters that are seen less than ten times in
training are one class of their own, and count like any other. The score is ``bits_per_character``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import DataError
from memcell.sequences.time_series import UNLABELLED, TimeSeries
from memcell_memory_tasks.config import MemoryConfig
from memcell_memory_tasks.problem import PARTS, MemoryProblem, Probabilities, symbols_of
from memcell_memory_tasks.scores import SMALLEST, labelled

ENDINGS = (".txt", ".md", ".rst")
#: Characters that training has fewer of are not told apart.
RARE = 10
#: Longest context of the baseline that counts.
ORDER = 4

Codes = NDArray[np.int64]


def make(config: MemoryConfig) -> MemoryProblem:
    """Return the task.

    Raises:
        DataError: A text cannot be read, or there is too little of it; names it.
    """
    source, texts = _splits(config)
    counts = Counter(texts["train"])
    known = sorted(c for c, n in counts.items() if n >= RARE)
    code = {c: k for k, c in enumerate(known)}
    codes = {
        part: np.array([code.get(c, len(known)) for c in text]) for part, text in texts.items()
    }
    others = {part: float(np.mean(c == len(known))) for part, c in codes.items()}
    n_classes = len(known) + 1
    train, valid, test = (
        _sequences(
            codes[part], n_classes, config.streams if part == "train" else config.test_streams, part
        )
        for part in PARTS
    )
    sizes = ", ".join(f"{len(text):,} {part}" for part, text in texts.items())
    return MemoryProblem(
        train=train,
        valid=valid,
        test=test,
        n_classes=n_classes,
        notes=(
            f"text: {source}; characters: {sizes}",
            f"{len(known)} characters are told apart, all others are one class "
            f"({others['train']:.2%} of training, {others['test']:.2%} of the test)",
        ),
        simulated=False,
        facts={"source": source, "characters": known, "others": others},
        extra_scores=extra_scores,
        rules=_counted(codes["train"], n_classes),
    )


def _splits(config: MemoryConfig) -> tuple[str, dict[str, str]]:
    """Return what the text is, and its three parts."""
    source, named = _read(config.text)
    n = config.characters
    if set(named) == set(PARTS):
        parts = {part: named[part] for part in PARTS}
    else:
        text = "\n".join(named.values())
        tenth = len(text) // 10
        parts = {
            "train": text[: len(text) - 2 * tenth],
            "valid": text[len(text) - 2 * tenth : len(text) - tenth],
            "test": text[len(text) - tenth :],
        }
    held = max(n // 10, 1)
    wanted = {"train": n, "valid": held, "test": held}
    for part, most in wanted.items():
        room = len(parts[part]) - most
        if room < 0:
            raise DataError(
                f"text: {source} has {len(parts[part]):,} characters for '{part}', {most:,} are asked "
                f"for; type --characters {len(parts[part]) * n // most} or less, or a longer --text"
            )
        # where to begin is drawn with the data; the held-out parts stay the same
        drawn = np.random.default_rng([config.data_seed, 3])
        begin = int(drawn.integers(room + 1)) if part == "train" else 0
        parts[part] = parts[part][begin : begin + most]
    return source, parts


def _read(text: str) -> tuple[str, dict[str, str]]:
    """Return a text's description, and its pieces by name: of the splits, where files are named so."""
    if not text:
        import platform
        from pydoc_data.topics import topics

        version = ".".join(platform.python_version_tuple()[:2])
        return f"topics of the reference of Python {version}", topics
    path = Path(text).expanduser()
    files = [path]
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in ENDINGS and p.is_file())
    if not files or not path.exists():
        raise DataError(
            f"{path}: expected a text file, or a folder with files {', '.join(ENDINGS)}"
        )
    splits = sorted(part for p in files if (part := _part(p.name)))
    if splits == sorted(PARTS):
        named = {part: next(p for p in files if _part(p.name) == part) for part in PARTS}
    elif splits and path.is_dir():
        raise DataError(
            f"{path}: some of its files are named for a split ({', '.join(splits)}); expected one each of "
            f"{', '.join(PARTS)}, or none, so that no text is in two of them"
        )
    else:
        named = {p.name: p for p in files}
    return str(path.name), {name: _characters(p) for name, p in named.items()}


def _part(name: str) -> str | None:
    found = [part for part in PARTS if part in name.lower().split(".")]
    return found[0] if len(found) == 1 else None


def _characters(path: Path) -> str:
    """Return a file's text; where characters stand apart by spaces, as in Penn Treebank's, without those.

    Raises:
        DataError: It cannot be read, or is no UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    apart = text.split()
    if len(apart) > 100 and all(len(one) == 1 for one in apart):
        return "".join(apart)
    return text


def _sequences(codes: Codes, n_classes: int, streams: int, part: str) -> tuple[TimeSeries, ...]:
    """Cut a text into equal streams; each character's target is the one after it."""
    one_hot = np.eye(n_classes, dtype=np.float32)
    pieces = np.array_split(codes, min(streams, max(len(codes) // 2, 1)))
    return tuple(
        TimeSeries(
            name=f"{part}-{k:03d}",
            subject=f"{part}-{k:03d}",
            features=one_hot[piece],
            targets=np.r_[piece[1:], UNLABELLED],
        )
        for k, piece in enumerate(pieces)
    )


def extra_scores(
    sequences: Sequence[TimeSeries], probabilities: Sequence[Probabilities]
) -> dict[str, float]:
    """Return ``bits_per_character``."""
    y, p = labelled(sequences, probabilities)
    bits = -np.log2(np.maximum(p[np.arange(len(y)), y], SMALLEST))
    return {"bits_per_character": float(bits.mean()) if len(bits) else float("nan")}


def _counted(train: Codes, n_classes: int) -> Mapping[str, Callable[[TimeSeries], Probabilities]]:
    """Return what knows how often a character followed the last one, or the last `ORDER`, in training."""
    tables: list[dict[tuple[int, ...], Counter[int]]] = []
    for order in range(ORDER + 1):
        table: dict[tuple[int, ...], Counter[int]] = {}
        for k in range(order, len(train)):
            table.setdefault(tuple(train[k - order : k].tolist()), Counter())[int(train[k])] += 1
        tables.append(table)

    def after(context: tuple[int, ...]) -> NDArray[np.float64]:
        """Mix orders by Witten and Bell: the more kinds followed a context, the less it is trusted."""
        p = np.full(n_classes, 1 / n_classes)
        for order in range(len(context) + 1):
            seen = tables[order].get(context[len(context) - order :])
            if seen is None:
                break
            kinds, total = len(seen), seen.total()
            p = kinds * p
            for c, n in seen.items():
                p[c] += n
            p /= kinds + total
        return p

    def model(most: int) -> Callable[[TimeSeries], Probabilities]:
        def of(sequence: TimeSeries) -> Probabilities:
            symbols = symbols_of(sequence).tolist()
            known: dict[tuple[int, ...], NDArray[np.float64]] = {}
            rows = []
            for t in range(len(symbols)):
                context = tuple(symbols[max(t + 1 - most, 0) : t + 1])
                if context not in known:
                    known[context] = after(context)
                rows.append(known[context])
            return np.array(rows, dtype=np.float32)

        return of

    return {"this step alone": model(1), f"counts of the last {ORDER} characters": model(ORDER)}
