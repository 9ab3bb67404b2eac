"""The output of a live stream: an event log, result files in a folder, and a status line.

The event log has a line per event, JSON or tab-separated (``kind onset probability state``):

- ``step``: ``onset`` of the step, its ``probability``, and ``state``: 1 at the threshold or above;
- ``alarm``: ``onset`` when it sounds (the end of the step that raised it), ``first`` the start of the first
  positive step that counted, ``probability`` of the step that raised it;
- ``alarm_end``: ``onset`` of the alarm that is over, and its ``duration``;
- ``gap``: ``onset`` of the first sample after it, and the ``seconds`` that are missing;
- ``silent``: no samples arrive, and ``why``; ``begin``: source, model and settings; ``end``: the summary;
- ``heartbeat``: the ``steps`` until now, and the ``signal``: ``"running"``, ``"silent"`` or ``"flat"``.

All onsets are seconds from the stream's first sample. Every line ends with ``lsl_time``, LSL's time of the
sample it is about (an alarm's onset, its end, a step's first sample; else the moment), and ``time``, that
time of day in UTC (`memcell_eeg.live.clock`); a recording has neither.

The folder holds ``NAME_probability.tsv``, identical to that of ``memcell predict --causal``,
``NAME_alarms.tsv`` with the columns of a BIDS events file, and ``NAME_live.json`` with the settings and the
summary; of a stream also ``NAME_times.tsv``, the times of each row of ``NAME_probability.tsv``. The tables
are written during the stream, so that results survive a crash: an alarm is in its table, on the disk, from
its onset on, with the duration ``n/a`` until it ends. A stream that was killed has no summary; the next one
of the same name keeps its files and writes ``NAME-2_…``.

Where a step has another number than a probability (`StepForm`) it stands under that one's name, with no
state, in its line and in a table of its own, and there are no alarms.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from memcell.errors import MemcellError, UsageError
from memcell.escape import line
from memcell.files.atomic import make_folder, write_atomic
from memcell_eeg.export.outputs import PROBABILITY_HEADER
from memcell_eeg.live.clock import NO_TIMES, Times
from memcell_eeg.live.writing import GrowingTable, Output, Say, is_held

_ALARMS = "onset\tduration\ttrial_type\tfirst\tprobability\tlsl_time\ttime\n"
_TIMES = "onset\tlsl_time\ttime\n"
#: Seconds between two updates of the status line.
_EVERY = 0.2


def probability_row(start: float, probability: float, state: bool) -> str:
    """Return the row of a step, in the format of `memcell_eeg.export.outputs.probability_rows`."""
    thousandths, millionths = round(max(0.0, start) * 1e3), round(probability * 1e6)
    seconds = f"{thousandths // 1000}.{thousandths % 1000:03d}"
    return f"{seconds}\t{millionths // 10**6}.{millionths % 10**6:06d}\t{state:d}\n"


@dataclass(frozen=True, kw_only=True)
class StepForm:
    """What the number of a step is, and how it is written.

    Args:
        name: In an event's line, and in the name of the table.
        header: First line of the table.
        row: Line of the table of a step: its start, its number, whether it is positive.
        alarms: Steps are positive or not, and raise alarms.
    """

    name: str
    header: str
    row: Callable[[float, float, bool], str]
    alarms: bool = False


#: Of a detector.
PROBABILITY = StepForm(
    name="probability", header=PROBABILITY_HEADER, row=probability_row, alarms=True
)


class EventWriter:
    """Writes events and results; a full disk or a closed output does not stop it.

    Args:
        name: Name of the results.
        out: Folder for results; None to write none.
        show: ``"steps"``, ``"alarms"``, ``"none"``, or ``"auto"``: steps into a pipe, alarms on a terminal.
        written: ``"jsonl"`` or ``"tsv"``.
        to: Where the event log goes; None for the standard output.
        say: Called with a message when writing fails, and when it works again.
        wait: Whether to wait for a slow reader of the event log.
        stop: Whether to stop waiting.
        form: What a step has.
        timed: Whether steps have times, which get a table of their own.

    Raises:
        UsageError: The folder already holds results of this name.
        MemcellError: The folder cannot be written.
    """

    def __init__(
        self,
        name: str,
        out: Path | None,
        show: str,
        written: str,
        to: IO[str] | None = None,
        say: Say = str,
        wait: bool = False,
        stop: Callable[[], bool] = bool,
        form: StepForm = PROBABILITY,
        timed: bool = False,
    ) -> None:
        to = sys.stdout if to is None else to
        if show == "auto":
            show = "alarms" if to is not None and to.isatty() else "steps"
        self._show, self._written, self._say = show, written, say
        self._form, self._timed = form, timed
        self._status = Status()
        self._output = Output(to, say, wait, stop)
        self._steps: GrowingTable | None = None
        self._alarms: GrowingTable | None = None
        self._times: GrowingTable | None = None
        self._summary: Path | None = None
        self._alive: Path | None = None
        self._whole = True
        if out is not None:
            self._open(out, name)
        states = ("state",) if form.alarms else ()
        self._columns = ("onset", form.name, *states, "lsl_time", "time")
        if written == "tsv" and show != "none":
            self._output.write("\t".join(["kind", *self._columns]) + "\n")

    def _open(self, out: Path, name: str) -> None:
        make_folder(out)
        free = _free(out, name, self._form)
        if free != name:
            self._say(
                f"results of an earlier stream that was killed are kept; the new ones are named '{free}'"
            )
        table = _steps_path(out, free, self._form)
        self._steps = GrowingTable(table, self._form.header, self._say)
        if self._form.alarms:
            self._alarms = GrowingTable(out / f"{free}_alarms.tsv", _ALARMS, self._say)
        if self._timed:
            self._times = GrowingTable(out / f"{free}_times.tsv", _TIMES, self._say)
        self._summary = _summary_path(out, free)
        self._alive = out / f"{free}_heartbeat.json"
        write_atomic(self._summary, json.dumps({"summary": None}) + "\n")

    def begin(self, begun: Mapping[str, Any], times: Times = NO_TIMES) -> None:
        """Write the settings of the stream."""
        self.event("begin", times, **begun)
        self._write_summary({**begun, "summary": None})

    def step(
        self, start: float, value: float, state: bool = False, times: Times = NO_TIMES
    ) -> None:
        """Write a step: its number, and whether it is positive where it can be."""
        if self._steps is not None:
            self._steps.add(self._form.row(start, value, state))
        if self._times is not None:
            self._times.add(f"{max(0.0, start):.3f}\t{_cells(times)}\n")
        if self._show == "steps":
            states = {"state": int(state)} if self._form.alarms else {}
            self._line("step", times, onset=start, **{self._form.name: value}, **states)

    def alarm(
        self, onset: float, first: float, probability: float, times: Times = NO_TIMES
    ) -> None:
        """Write a raised alarm: its line at once, then its row, which is on the disk on return."""
        self.event("alarm", times, onset=onset, first=first, probability=probability)
        if self._alarms is not None:
            self._alarms.add(_alarm_row(onset, None, first, probability, times))
            self._alarms.sync()

    def alarm_over(
        self,
        onset: float,
        duration: float,
        first: float,
        probability: float,
        times: Times = NO_TIMES,
        end: Times = NO_TIMES,
    ) -> None:
        """Write the end of the last alarm, and its duration into its row.

        Args:
            onset: Of the alarm.
            duration: Of the alarm.
            first: Start of its first positive step.
            probability: Of the step that raised it.
            times: Of its onset.
            end: Of its end.
        """
        self.event("alarm_end", end, onset=onset, duration=duration)
        if self._alarms is not None:
            self._alarms.replace_last(_alarm_row(onset, duration, first, probability, times))
            self._alarms.sync()

    def heartbeat(self, values: Mapping[str, Any], times: Times) -> None:
        """Write a sign of life: its line, and its file, which is as old as the last one."""
        self.event("heartbeat", times, **values)
        self._write_alive({**values, "lsl_time": times.lsl, "time": times.iso})

    def event(self, kind: str, times: Times = NO_TIMES, **values: Any) -> None:
        """Write an event other than a step."""
        if self._show != "none":
            self._line(kind, times, **values)

    def _line(self, kind: str, times: Times, **values: Any) -> None:
        self._status.clear()
        values |= {"lsl_time": times.lsl, "time": times.iso}
        # seconds to the microsecond; the number of a step with all of its bits
        own = self._form.name if kind != "gap" else ""
        values = {
            k: round(v, 6) if isinstance(v, float) and k != own else v for k, v in values.items()
        }
        if self._written == "jsonl":
            self._output.write(json.dumps({"kind": kind, **values}) + "\n")
            return
        found = [values.get(n) if n != self._form.name or own else None for n in self._columns]
        cells = [kind, *("" if v is None else repr(v) for v in found[:-2]), _cells(times)]
        self._output.write("\t".join(cells) + "\n")

    def status(self, text: str) -> None:
        """Show the status, on a terminal."""
        self._status.show(text)

    def end(
        self, begun: Mapping[str, Any], summary: Mapping[str, Any], times: Times = NO_TIMES
    ) -> bool:
        """Write the summary and close the files; return whether they are complete."""
        self.event("end", times, **summary)
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

    def _write_alive(self, content: Mapping[str, Any]) -> None:
        """Replace the file of the heartbeat, without waiting for the disk; a full one leaves it old."""
        if self._alive is None:
            return
        beside = self._alive.with_name(f".{self._alive.name}")
        with suppress(OSError):
            beside.write_text(json.dumps(content) + "\n", encoding="utf-8")
            beside.replace(self._alive)

    def close(self) -> None:
        """Close the files, also after an error."""
        self._status.clear()
        for table in (self._steps, self._alarms, self._times):
            self._whole &= table is None or table.close()
        self._steps = self._alarms = self._times = None
        self._whole &= self._output.close()


def _steps_path(out: Path, name: str, form: StepForm) -> Path:
    return out / f"{name}_{form.name}.tsv"


def _summary_path(out: Path, name: str) -> Path:
    return out / f"{name}_live.json"


def _alarm_row(
    onset: float, duration: float | None, first: float, probability: float, times: Times
) -> str:
    lasted = "n/a" if duration is None else f"{duration:.3f}"
    return f"{onset:.3f}\t{lasted}\talarm\t{first:.3f}\t{probability:.6f}\t{_cells(times)}\n"


def _cells(times: Times) -> str:
    lsl = "n/a" if times.lsl is None else f"{times.lsl:.6f}"
    return f"{lsl}\t{times.iso or 'n/a'}"


def _free(out: Path, name: str, form: StepForm) -> str:
    """Return a free name for results: ``name``, or ``name-2`` and so on after streams that were killed.

    Raises:
        UsageError: Another stream is writing under the name.
    """
    free, n = name, 1
    while _was_killed(_summary_path(out, free)):
        table = _steps_path(out, free, form)
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
