"""What a live stream writes: a line for everything that happens, results in a folder, one line of status.

Lines go to the output as they happen, JSON or tab-separated (``kind onset probability state``):

- ``step``: ``onset`` of the step, ``probability``, ``state`` 1 from the threshold on;
- ``alarm``: ``onset`` when it sounds (the end of the step that raised it), ``first`` the start of the first
  positive step that counted, ``probability`` of the step that raised it;
- ``alarm_end``: ``onset`` of the alarm that is over, and its ``duration``;
- ``gap``: ``onset`` of the first sample after it, and the ``seconds`` that are missing;
- ``silent``: nothing comes, and ``why``; ``begin``: what is streamed; ``end``: the summary.

All onsets are seconds from the stream's first sample. In a folder stand ``NAME_probability.tsv``, with the
bytes that ``memcell predict --causal`` writes, ``NAME_alarms.tsv`` with the columns of a BIDS events file,
and ``NAME_live.json`` with what was streamed and the summary. The tables grow as the stream goes, so that
what came before a crash is there.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from memcell.errors import MemcellError, UsageError
from memcell.files import make_folder, write_atomic
from memcell_microsleep.outputs import PROBABILITY_HEADER

_ALARMS = "onset\tduration\ttrial_type\tfirst\tprobability\n"
#: Seconds between two looks of the status line.
_EVERY = 0.2


def probability_row(start: float, probability: float, state: bool) -> str:
    """Return the line of a step, as `memcell_microsleep.rows.probability_rows` makes thousands of them."""
    thousandths, millionths = round(max(0.0, start) * 1e3), round(probability * 1e6)
    seconds = f"{thousandths // 1000}.{thousandths % 1000:03d}"
    return f"{seconds}\t{millionths // 10**6}.{millionths % 10**6:06d}\t{state:d}\n"


class Lines:
    """Writes what happens.

    Args:
        name: What results are called.
        out: Folder for results; None to keep none.
        show: ``"steps"``, ``"alarms"``, ``"none"``, or ``"auto"``: steps into a pipe, alarms on a terminal.
        form: ``"jsonl"`` or ``"tsv"``.
        to: Where lines go; None for the output.

    Raises:
        UsageError: The folder holds results of this name already.
        MemcellError: It cannot be written.
    """

    def __init__(
        self, name: str, out: Path | None, show: str, form: str, to: IO[str] | None = None
    ) -> None:
        self._to = sys.stdout if to is None else to
        if show == "auto":
            show = "alarms" if self._to.isatty() else "steps"
        self._show, self._form = show, form
        self._status = Status()
        self._files = ExitStack()
        self._steps: IO[str] | None = None
        self._alarms: IO[str] | None = None
        self._summary: Path | None = None
        if out is not None:
            make_folder(out)
            self._summary = out / f"{name}_live.json"
            self._steps = self._opened(out / f"{name}_probability.tsv", PROBABILITY_HEADER)
            self._alarms = self._opened(out / f"{name}_alarms.tsv", _ALARMS)
        if form == "tsv" and show != "none":
            self._write("kind\tonset\tprobability\tstate\n")

    def _opened(self, path: Path, header: str) -> IO[str]:
        try:
            # a line at a time is on its way to the disk; never over what is there
            file = self._files.enter_context(path.open("x", encoding="utf-8", buffering=1))
            file.write(header)
        except FileExistsError:
            raise UsageError(
                f"'{path}' is there already; type another --out, or move it away."
            ) from None
        except OSError as error:
            raise MemcellError(f"cannot write '{path}': {error.strerror or error}") from error
        return file

    def step(self, start: float, probability: float, state: bool) -> None:
        """Write a step."""
        if self._steps is not None:
            self._steps.write(probability_row(start, probability, state))
        if self._show == "steps":
            self._line("step", onset=start, probability=probability, state=int(state))

    def alarm_over(self, onset: float, duration: float, first: float, probability: float) -> None:
        """Write an alarm that is over, its row of the table too."""
        if self._alarms is not None:
            row = f"{onset:.3f}\t{duration:.3f}\talarm\t{first:.3f}\t{probability:.6f}\n"
            self._alarms.write(row)
        self.event("alarm_end", onset=onset, duration=duration)

    def event(self, kind: str, **values: Any) -> None:
        """Write anything but a step."""
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
            self._write(json.dumps({"kind": kind, **values}) + "\n")
            return
        onset, p, state = (values.get(n) for n in ("onset", "probability", "state"))
        cells = [kind, *("" if v is None else repr(v) for v in (onset, p, state))]
        self._write("\t".join(cells) + "\n")

    def _write(self, text: str) -> None:
        self._to.write(text)
        self._to.flush()

    def status(self, text: str) -> None:
        """Show how it goes, on a terminal."""
        self._status.show(text)

    def end(self, begun: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        """Write the summary and close the files."""
        self.event("end", **summary)
        self.close()
        if self._summary is not None:
            content = {**begun, "summary": dict(summary)}
            write_atomic(self._summary, json.dumps(content, indent=2) + "\n")

    def close(self) -> None:
        """Close the files, whatever happened."""
        self._status.clear()
        self._files.close()


class Status:
    """One line on the terminal that is written over, where there is a terminal."""

    def __init__(self) -> None:
        self._on, self._width, self._next = sys.stderr.isatty(), 0, 0.0

    def show(self, text: str) -> None:
        """Show a line, a few times a second at most."""
        if not self._on or time.perf_counter() < self._next:
            return
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width, self._next = len(text), time.perf_counter() + _EVERY

    def clear(self) -> None:
        """Take the line away, before something else is written."""
        if self._on and self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._width = 0
