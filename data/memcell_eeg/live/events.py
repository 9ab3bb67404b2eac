"""The output of a live stream: an event log, result files in a folder, and a status line.

The event log has a line per event, JSON or tab-separated (``kind onset probability state``):

- ``step``: ``onset`` of the step, its ``probability``, and ``state``: 1 at the threshold or above;
- ``alarm``: ``onset`` when it sounds (the end of the step that raised it), ``first`` the start of the first
  positive step that counted, ``probability`` of the step that raised it;
- ``alarm_end``: ``onset`` of the alarm that is over, and its ``duration``;
- ``gap``: ``onset`` of the first sample after it, and the ``seconds`` that are missing;
- ``silent``: no samples arrive, and ``why``; ``begin``: source, model and settings; ``end``: the summary.

All onsets are seconds from the stream's first sample. The folder holds ``NAME_probability.tsv``, identical
to that of ``memcell predict --causal``, ``NAME_alarms.tsv`` with the columns of a BIDS events file, and
``NAME_live.json`` with the settings and the summary. The tables are written during the stream, so that
results survive a crash: an alarm is in its table, on the disk, from its onset on, with the duration ``n/a``
until it ends. A stream that was killed has no summary; the next one of the same name keeps its files and
writes ``NAME-2_…``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from memcell.errors import MemcellError, UsageError
from memcell.escape import line
from memcell.files.atomic import make_folder, write_atomic
from memcell_eeg.export.outputs import PROBABILITY_HEADER
from memcell_eeg.live.writing import GrowingTable, Output, Say, is_held

_ALARMS = "onset\tduration\ttrial_type\tfirst\tprobability\n"
#: Seconds between two updates of the status line.
_EVERY = 0.2


def probability_row(start: float, probability: float, state: bool) -> str:
    """Return the row of a step, in the format of `memcell_eeg.export.outputs.probability_rows`."""
    thousandths, millionths = round(max(0.0, start) * 1e3), round(probability * 1e6)
    seconds = f"{thousandths // 1000}.{thousandths % 1000:03d}"
    return f"{seconds}\t{millionths // 10**6}.{millionths % 10**6:06d}\t{state:d}\n"


class EventWriter:
    """Writes events and results; a full disk or a closed output does not stop it.

    Args:
        name: Name of the results.
        out: Folder for results; None to write none.
        show: ``"steps"``, ``"alarms"``, ``"none"``, or ``"auto"``: steps into a pipe, alarms on a terminal.
        form: ``"jsonl"`` or ``"tsv"``.
        to: Where the event log goes; None for the standard output.
        say: Called with a message when writing fails, and when it works again.
        wait: Whether to wait for a slow reader of the event log.
        stop: Whether to stop waiting.

    Raises:
        UsageError: The folder already holds results of this name.
        MemcellError: The folder cannot be written.
    """

    def __init__(
        self,
        name: str,
        out: Path | None,
        show: str,
        form: str,
        to: IO[str] | None = None,
        say: Say = str,
        wait: bool = False,
        stop: Callable[[], bool] = bool,
    ) -> None:
        to = sys.stdout if to is None else to
        if show == "auto":
            show = "alarms" if to is not None and to.isatty() else "steps"
        self._show, self._form, self._say = show, form, say
        self._status = Status()
        self._output = Output(to, say, wait, stop)
        self._steps: GrowingTable | None = None
        self._alarms: GrowingTable | None = None
        self._summary: Path | None = None
        self._whole = True
        if out is not None:
            self._open(out, name)
        if form == "tsv" and show != "none":
            self._output.write("kind\tonset\tprobability\tstate\n")

    def _open(self, out: Path, name: str) -> None:
        make_folder(out)
        free = _free(out, name)
        if free != name:
            self._say(
                f"results of an earlier stream that was killed are kept; the new ones are named '{free}'"
            )
        steps = GrowingTable(_probability_path(out, free), PROBABILITY_HEADER, self._say)
        self._steps = steps
        self._alarms = GrowingTable(out / f"{free}_alarms.tsv", _ALARMS, self._say)
        self._summary = _summary_path(out, free)
        write_atomic(self._summary, json.dumps({"summary": None}) + "\n")

    def begin(self, begun: Mapping[str, Any]) -> None:
        """Write the settings of the stream."""
        self.event("begin", **begun)
        self._write_summary({**begun, "summary": None})

    def step(self, start: float, probability: float, state: bool) -> None:
        """Write a step."""
        if self._steps is not None:
            self._steps.add(probability_row(start, probability, state))
        if self._show == "steps":
            self._line("step", onset=start, probability=probability, state=int(state))

    def alarm(self, onset: float, first: float, probability: float) -> None:
        """Write a raised alarm: its line at once, then its row, which is on the disk on return."""
        self.event("alarm", onset=onset, first=first, probability=probability)
        if self._alarms is not None:
            self._alarms.add(_alarm_row(onset, None, first, probability))
            self._alarms.sync()

    def alarm_over(self, onset: float, duration: float, first: float, probability: float) -> None:
        """Write the end of the last alarm, and its duration into its row."""
        self.event("alarm_end", onset=onset, duration=duration)
        if self._alarms is not None:
            self._alarms.replace_last(_alarm_row(onset, duration, first, probability))
            self._alarms.sync()

    def event(self, kind: str, **values: Any) -> None:
        """Write an event other than a step."""
        if self._show != "none":
            self._line(kind, **values)

    def _line(self, kind: str, **values: Any) -> None:
        self._status.clear()
        # seconds to the microsecond; a probability with all of its bits
        values = {
            k: round(v, 6) if isinstance(v, float) and k != "probability" else v
            for k, v in values.items()
        }
        if self._form == "jsonl":
            self._output.write(json.dumps({"kind": kind, **values}) + "\n")
            return
        onset, p, state = (values.get(n) for n in ("onset", "probability", "state"))
        cells = [kind, *("" if v is None else repr(v) for v in (onset, p, state))]
        self._output.write("\t".join(cells) + "\n")

    def status(self, text: str) -> None:
        """Show the status, on a terminal."""
        self._status.show(text)

    def end(self, begun: Mapping[str, Any], summary: Mapping[str, Any]) -> bool:
        """Write the summary and close the files; return whether they are complete."""
        self.event("end", **summary)
        self.close()
        self._write_summary({**begun, "summary": dict(summary)})
        return self._whole

    def _write_summary(self, content: Mapping[str, Any]) -> None:
        if self._summary is None:
            return
        try:
            write_atomic(self._summary, json.dumps(content, indent=2) + "\n")
        except MemcellError as error:
            self._whole = False
            self._say(str(error))

    def close(self) -> None:
        """Close the files, also after an error."""
        self._status.clear()
        for table in (self._steps, self._alarms):
            self._whole &= table is None or table.close()
        self._steps = self._alarms = None
        self._whole &= self._output.close()


def _probability_path(out: Path, name: str) -> Path:
    return out / f"{name}_probability.tsv"


def _summary_path(out: Path, name: str) -> Path:
    return out / f"{name}_live.json"


def _alarm_row(onset: float, duration: float | None, first: float, probability: float) -> str:
    lasted = "n/a" if duration is None else f"{duration:.3f}"
    return f"{onset:.3f}\t{lasted}\talarm\t{first:.3f}\t{probability:.6f}\n"


def _free(out: Path, name: str) -> str:
    """Return a free name for results: ``name``, or ``name-2`` and so on after streams that were killed.

    Raises:
        UsageError: Another stream is writing under the name.
    """
    free, n = name, 1
    while _was_killed(_summary_path(out, free)):
        table = _probability_path(out, free)
        if is_held(table):
            raise UsageError(f"another stream is writing '{table}'; type another --out.")
        n += 1
        free = f"{name}-{n}"
    return free


def _was_killed(summary: Path) -> bool:
    try:
        found = json.loads(summary.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("summary", "") is None


class Status:
    """A status line on the terminal, overwritten at each update; nothing without a terminal."""

    def __init__(self) -> None:
        self._to: IO[str] | None = getattr(sys.stderr, "unguarded", sys.stderr)
        self._on = self._to is not None and self._to.isatty()
        self._width, self._next = 0, 0.0

    def show(self, text: str) -> None:
        """Show a line, at most a few times a second."""
        if self._to is None or not self._on or time.perf_counter() < self._next:
            return
        text = line(text)
        with suppress(OSError):  # a terminal that closed
            self._to.write("\r" + text.ljust(self._width))
            self._to.flush()
        self._width, self._next = len(text), time.perf_counter() + _EVERY

    def clear(self) -> None:
        """Clear the line, before other output."""
        if self._to is not None and self._on and self._width:
            with suppress(OSError):
                self._to.write("\r" + " " * self._width + "\r")
                self._to.flush()
            self._width = 0
