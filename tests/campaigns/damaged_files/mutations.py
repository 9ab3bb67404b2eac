"""Random damage, and the judging of what reading a damaged file does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memcell.errors import MemcellError
from memcell_data.checks.check import Check
from memcell_data.formats.edf.fields import field_at
from memcell_data.formats.reader import open_recording
from memcell_data.labels.reading import read_labels
from memcell_data.recording import Recording, Signal

from .samples import GAP, PATIENT, RATE, Sample, values

LONGEST = 2.0
#: A spread that is further off than this is another unit, not another range.
UNIT_FACTOR = 30.0
_NUMBERS = b" 0123456789.-+eNa"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one damaged file.

    Args:
        number: Which of the mutations it was; seed and number make it again.
        sample: What was damaged.
        result: ``"read"``, ``"refused"`` or ``"uncaught"``.
        message: Why it was refused, or what was not caught.
        seconds: CPU time for describing, reading, labels and the check.
        faults: What must not be, one line each; empty as it should be.
    """

    number: int
    sample: str
    result: str
    message: str
    seconds: float
    faults: tuple[str, ...]


def damaged(content: bytes, rng: np.random.Generator, number: int) -> bytes:
    """Return a file's content damaged in one of five ways, by turns.

    One byte anywhere in the first 2 KiB (where headers are), a piece of such a number as headers hold, the
    end cut off, five bytes anywhere, or a block of zeros.
    """
    made = bytearray(content)
    head = min(len(made), 2048)
    way = number % 5
    if way == 0:
        made[rng.integers(head)] = rng.integers(256)
    elif way == 1:
        at, length = int(rng.integers(head)), int(rng.integers(1, 9))
        made[at : at + length] = bytes(rng.choice(list(_NUMBERS), length).tolist())
    elif way == 2:
        del made[rng.integers(len(made)) :]
    elif way == 3:
        for at in rng.integers(0, len(made), 5):
            made[at] = rng.integers(256)
    else:
        at, length = int(rng.integers(len(made))), int(rng.integers(1, 600))
        made[at : at + length] = bytes(len(made[at : at + length]))
    return bytes(made)


def try_one(number: int, seed: int, samples: Sequence[Sample]) -> Outcome:
    """Damage a sample, read it in every way there is, judge what happened, and put it back.

    Args:
        number: Which mutation; it chooses the sample, its file and the damage.
        seed: Of all of them.
        samples: As `tests.campaigns.damaged_files.samples.write_samples` wrote them.
    """
    rng = np.random.default_rng([seed, number])
    sample = samples[number % len(samples)]
    target = sample.damage[int(rng.integers(len(sample.damage)))]
    sound = target.read_bytes()
    changed = damaged(sound, rng, number // len(samples))
    target.write_bytes(changed)
    try:
        return _judged(number, sample, target, sound, changed)
    finally:
        target.write_bytes(sound)


def _judged(number: int, sample: Sample, target: Path, sound: bytes, changed: bytes) -> Outcome:
    begun = time.process_time()
    result, message, faults = "read", "", list[str]()
    signal: Signal | None = None
    said: list[str] = []
    try:
        recording = open_recording(sample.path)
        voltages = [c.name for c in recording.channels if c.kind in ("eeg", "eog")]
        signal = recording.read(voltages[:2] or [c.name for c in recording.channels[:1]])
        said += signal.warnings
        faults += _of_blocks(recording, signal)
        said += read_labels(sample.path)[1]
    except MemcellError as error:
        result, message = "refused", str(error)
        faults += _of_message(message, sample, target)
    except Exception as error:
        result, message = "uncaught", f"{type(error).__name__}: {error}"
        faults.append(f"uncaught {message}")
    report = Check().check(sample.path, samples=True)
    seconds = time.process_time() - begun
    if "cannot be read (" in report.refused:
        faults.append(f"the check met an error that nobody named: {report.refused}")
    said += [message, report.refused, *report.findings]
    if any(word in " ".join(said) for word in (PATIENT, *PATIENT.split("_"))):
        faults.append("the patient is named")
    if signal is not None:
        faults += _of_signal(sample, signal, sound, changed)
    if seconds > LONGEST:
        faults.append(f"took {seconds:.1f} s")
    return Outcome(
        number=number,
        sample=sample.name,
        result=result,
        message=message,
        seconds=seconds,
        faults=tuple(faults),
    )


def _of_message(message: str, sample: Sample, target: Path) -> list[str]:
    faults = []
    if sample.path.name not in message and target.name not in message:
        faults.append(f"the file is not named: {message}")
    if "\n" in message:
        faults.append("the message has several lines")
    reason = message.replace(str(sample.path), "").replace(str(target), "")
    if len(reason.split()) < 3 or "no reason given" in reason:
        faults.append(f"no reason is given: {message}")
    return faults


def _of_blocks(recording: Recording, signal: Signal) -> list[str]:
    """Hold reading block by block against reading all at once."""
    blocks = list(recording.blocks(signal.channels, seconds=7.0))
    joined = np.concatenate([b.values for b in blocks], axis=1)
    begun = [b.onset for b in blocks if b.begins]
    onsets = [s.onset for s in signal.segments]
    # an onset after samples that were cut out is a sum, added up in another order
    there = len(begun) == len(onsets) and np.allclose(begun, onsets, rtol=0, atol=1e-9)
    same = np.array_equal(joined, signal.values) and there
    return [] if same else ["read in blocks it is another recording"]


def _of_signal(sample: Sample, signal: Signal, sound: bytes, changed: bytes) -> list[str]:
    faults = []
    true = _spread(values()[0])
    flagged = any("unit" in w or "beyond" in w or "flat" in w for w in signal.warnings)
    for name, row in zip(signal.channels, signal.values, strict=True):
        found = _spread(row)
        far = not true / UNIT_FACTOR < found < true * UNIT_FACTOR
        if far and not flagged and len(row) >= RATE:
            faults.append(f"silent unit error: '{name}' spreads over {found:.3g} uV for {true:.3g}")
    if not np.isfinite(signal.values).all():
        faults.append("values that are no numbers were given")
    if sample.gap and _gap_is_told(sound, changed) and not _has_gap(signal):
        faults.append("the gap is lost")
    return faults


def _spread(row: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(row - np.median(row)))) if len(row) else 0.0


def _has_gap(signal: Signal) -> bool:
    # what is flat right behind the gap is cut out too, so the signal may go on later
    return any(s.onset >= sum(GAP) for s in signal.segments[1:])


def _gap_is_told(sound: bytes, changed: bytes) -> bool:
    """Whether the damage left the layout of the records, their time stamps, and both sides of the gap."""
    n = 3
    head = 256 * (n + 1)
    record = (len(sound) - head) // 20
    if len(changed) < head + record * (int(GAP[0]) + 1) or len(changed) < head:
        return False
    layout = [field_at("record duration"), field_at("number of signals"), field_at("header bytes")]
    layout += [field_at("samples per record", c, n) for c in range(n)]
    layout += [field_at("label", n - 1, n)]
    first = 2 * 2 * RATE  # the time stamps follow the two signals
    stamps = [(head + record * r + first, record - first) for r in range(20)]
    kept = min(len(sound), len(changed))
    return all(
        sound[at : at + length][: max(0, kept - at)] == changed[at : at + length]
        for at, length in [*layout, *stamps]
    )
