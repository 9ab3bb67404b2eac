"""What `report.html` needs to scroll through a recording, kept in ``views/`` beside the results.

The channels that the model uses, and some of the others up to four, high-passed and thinned
(`memcell.reports.viewer.packing`): at most 3 MB a recording, however long it is. Whoever shares results
without signals deletes that folder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from memcell.errors import DataError, DiskError, MemcellError
from memcell.reports.viewer.packing import MOST_CHANNELS, PackedSignals, SignalPacker
from memcell.reports.viewer.stored import StoredView, write_view
from memcell_data.datasets.finding import label_file_beside
from memcell_data.labels.predicted import was_predicted
from memcell_data.labels.reading import labels_in
from memcell_data.recording import Channel, LostChannels, Recording

FOLDER = "views"
#: Recordings that ``--views auto`` keeps one for.
AUTO = 30
WORDS = ("auto", "all", "none")
#: So many channels are shown where the model uses fewer and the recording has them.
AT_LEAST = 4
#: Of a recording; a file with more is no scoring.
MOST_MARKS = 20_000
_SHOWN_KINDS = ("eeg", "eog", "emg", "ecg")

Marks = tuple[tuple[float, float, str], ...]


def views_of(folder: Path) -> Path:
    """Return the folder of the views of a run or a prediction."""
    return folder / FOLDER


def view_path(folder: Path, name: str) -> Path:
    """Return the path of a recording's view; ``name`` is that of a file."""
    return views_of(folder) / f"{name}.npz"


def how_many(word: str, recordings: int) -> int:
    """Return how many recordings get a view under a word of `WORDS`."""
    return {"auto": min(AUTO, recordings), "all": recordings}.get(word, 0)


def keep_view(
    path: Path, recording: Recording, used: Sequence[str], marks: Marks, name: str = ""
) -> None:
    """Write a recording's view; what cannot be shown leaves a sentence that says why.

    Where it cannot be written there is none: the results are worth more than their picture.

    Args:
        path: The file.
        recording: To read from.
        used: Names of the model's channels, as the recording has them.
        marks: Made in it by somebody.
        name: Under which a report knows the recording; its own by default.
    """
    signals, why_not = None, ""
    try:
        signals = packed(recording, used)
    except (MemcellError, OSError, ValueError) as error:
        # the page says it; where a file lies is nothing that a page tells
        where = "" if recording.path is None else str(recording.path)
        why_not = str(error).replace(where, recording.name) if where else str(error)
    name = name or recording.name
    view = StoredView(name=name, signals=signals, marks=marks, why_not=why_not)
    try:
        write_view(path, view)
    except (DiskError, OSError):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def packed(recording: Recording, used: Sequence[str]) -> PackedSignals:
    """Return the signals of a recording; channels that are found lost are left out.

    Raises:
        MemcellError, ValueError: It has no signal, or one that cannot be shown.
    """
    if recording.features is not None:
        raise DataError("it has precomputed features and no signal")
    shown, lost = chosen(recording, used), set[str]()
    for _ in range(3):
        names = [c.name for c in shown if c.name not in lost]
        if not names:
            break
        try:
            return _read(recording, names, shown[0].rate, sorted(lost))
        except LostChannels as error:
            lost |= set(error.channels)
        except DataError:
            # another channel than the model's may be one that cannot be read
            own = [c for c in shown if c.name in set(used)]
            if not own or len(own) == len(shown):
                raise
            shown = own
    raise DataError("none of its channels has a signal")


def chosen(recording: Recording, used: Sequence[str]) -> list[Channel]:
    """Return the channels to show: those that are used, then others of the same rate up to `AT_LEAST`."""
    known = set(used)
    own = [c for c in recording.channels if c.name in known]
    rest = [c for c in recording.channels if c.name not in known and not c.bad]
    rest.sort(key=lambda c: _SHOWN_KINDS.index(c.kind) if c.kind in _SHOWN_KINDS else 9)
    if not own:
        own, rest = rest[:1], rest[1:]
    rate = own[0].rate if own else 0.0
    alike = [c for c in rest if c.rate == rate and c.kind in _SHOWN_KINDS]
    return [*own[:MOST_CHANNELS], *alike[: max(0, AT_LEAST - len(own))]]


def _read(
    recording: Recording, names: Sequence[str], rate: float, lost: Sequence[str]
) -> PackedSignals:
    packer = SignalPacker(names, "µV", rate, recording.duration)
    for block in recording.blocks(names):
        packer.push(block.values, block.onset, block.begins)
    left = [c.name for c in recording.channels if c.name not in {*names, *lost}]
    note = f"Shown are {len(names)} of its {len(recording.channels)} channels." if left else ""
    if lost:
        note = f"{note} Without a signal: {', '.join(lost)}.".strip()
    return packer.end(note)


def marks_in(recording: Recording) -> Marks:
    """Return what is marked in a recording's file or in the label file beside it; nothing if that fails."""
    path = recording.path
    if path is None or recording.features is not None:
        return ()
    with contextlib.suppress(MemcellError, OSError, ValueError):
        source = label_file_beside(path, path.parent)
        if source is not None and was_predicted(source):
            source = None
        found = labels_in(path, source).intervals
        return tuple((i.onset, i.duration, i.label) for i in found[:MOST_MARKS])
    return ()


def labels_of(recording: Recording) -> Marks:
    """Return the labels of a recording of a data set; nothing where they cannot be read."""
    with contextlib.suppress(MemcellError, OSError, ValueError):
        labels = recording.labels()
        if labels is not None:
            return tuple((i.onset, i.duration, i.label) for i in labels.intervals[:MOST_MARKS])
    return ()
