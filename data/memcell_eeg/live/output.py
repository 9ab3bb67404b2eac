"""Everything that leaves a live stream: lines and tables, LSL outlets, commands, a sign of life.

What is found is said in one order: the marker first, since a receiver acts on it, then the command, then the
line and its row, which may have to wait for a disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from memcell.applications.streaming import StreamRequest
from memcell_eeg.live.clock import NO_TIMES, NoClock, PlayedClock, SampleClock, StreamClock
from memcell_eeg.live.commands import Commands, check_program, split
from memcell_eeg.live.events import EventWriter, StepForm
from memcell_eeg.live.options import LiveConfig, SourceConfig
from memcell_eeg.live.outlets import (
    ALIVE,
    ALIVE_NO_SIGNAL,
    MARKERS,
    OFF,
    ON,
    Outlets,
    check_lsl,
    lsl_clock,
)
from memcell_eeg.live.source import LiveSource
from memcell_eeg.task import EegTask


def check_output(options: SourceConfig) -> None:
    """Refuse what cannot be sent or run, before the source is looked for.

    Raises:
        MemcellError: mne-lsl is not installed.
        UsageError: A command's program is not there.
    """
    if options.send:
        check_lsl("send")
    for name, command in options.commands.items():
        check_program(name, command)


class StreamOutput:
    """Says what a stream finds, everywhere that it was asked to.

    Args:
        lines: The event log and the tables.
        clock: The times of samples.
        outlets: Where it is sent; None for nowhere.
        commands: What is run at alarms; None for nothing.
        heartbeat: Seconds between two signs of life; 0 for none.
        facts: Of every alarm, for commands.
    """

    def __init__(
        self,
        lines: EventWriter,
        clock: SampleClock,
        outlets: Outlets | None = None,
        commands: Commands | None = None,
        heartbeat: float = 0.0,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.lines, self.clock = lines, clock
        self._outlets, self._commands = outlets, commands
        self._every, self._due, self._beats = heartbeat, time.monotonic(), 0
        self._facts = dict(facts or {})
        self._raised = NO_TIMES

    @classmethod
    def of(
        cls,
        request: StreamRequest,
        options: SourceConfig,
        source: LiveSource,
        task: EegTask,
        form: StepForm,
        step: float,
    ) -> StreamOutput:
        """Open what the options ask for.

        Args:
            request: Of the stream.
            options: Of the stream.
            source: The signal.
            task: What is detected.
            form: What a step has.
            step: Length of a step, s.

        Raises:
            UsageError: There is another LSL stream of an outlet's name, or results of this name.
        """
        outlets = None
        if options.send:
            name = options.send_name or f"{source.name}-{task.name}"
            model = str(request.facts.get("model_id", ""))
            outlets = Outlets(
                options.send, name, form.name, task.event, step, source.described, model
            )
            request.say(f"sends the LSL streams {' and '.join(outlets.names.values())}")
        clock: SampleClock = NoClock()
        if not source.trusted:
            clock = StreamClock(lambda: source.zero, lsl_clock())
        elif outlets is not None:
            clock = PlayedClock(lsl_clock())
        lines = EventWriter(
            source.name,
            request.out,
            getattr(options, "lines", "steps"),
            options.format,
            to=request.output,
            say=request.say,
            wait=source.trusted,  # a recording can wait for a slow reader
            stop=request.stop,
            form=form,
            timed=isinstance(clock, StreamClock | PlayedClock),
        )
        words = {
            kind: split(kind, command) for kind, command in options.commands.items() if command
        }
        commands = None
        if isinstance(options, LiveConfig) and words:
            commands = Commands(words, options.on_alarm_timeout)
        facts = {"event": task.event, "source": source.name}
        return cls(lines, clock, outlets, commands, options.heartbeat, facts)

    @property
    def sends(self) -> dict[str, Any]:
        """What the first line says of outlets."""
        return {} if self._outlets is None else {"sends": list(self._outlets.names.values())}

    def begin(self, begun: Mapping[str, Any]) -> None:
        """Say the settings."""
        self.lines.begin(begun, self.clock.now())

    def step(self, start: float, value: float, state: bool = False) -> None:
        """Say a step."""
        times = self.clock.at(start)
        if self._outlets is not None:
            self._outlets.step(value, times.lsl)
        self.lines.step(start, value, state, times)

    def alarm(self, onset: float, first: float, probability: float) -> None:
        """Say that an alarm begins."""
        self._raised = times = self.clock.at(onset)
        if self._outlets is not None:
            self._outlets.marker(ON, times.lsl)
        facts = {"onset": round(onset, 6), "first": round(first, 6), "probability": probability}
        self._run("alarm", {**facts, "lsl_time": times.lsl, "time": times.iso})
        self.lines.alarm(onset, first, probability, times)

    def alarm_over(self, onset: float, duration: float, first: float, probability: float) -> None:
        """Say that the alarm is over."""
        played = isinstance(self.clock, PlayedClock)
        end = self.clock.now() if played else self._raised.after(duration)
        if self._outlets is not None:
            self._outlets.marker(OFF, end.lsl)
        facts = {
            "onset": round(onset, 6),
            "duration": round(duration, 6),
            "first": round(first, 6),
            "probability": probability,
        }
        self._run("alarm_end", {**facts, "lsl_time": end.lsl, "time": end.iso})
        self.lines.alarm_over(onset, duration, first, probability, self._raised, end)

    def event(self, kind: str, onset: float | None = None, **values: Any) -> None:
        """Say an event of the signal, at a sample or at this moment."""
        if onset is None:
            self.lines.event(kind, self.clock.now(), **values)
        else:
            self.lines.event(kind, self.clock.at(onset), onset=onset, **values)

    def tick(self, state: Callable[[], Mapping[str, Any]]) -> list[str]:
        """Do what is due: called several times a second; return what the user should be told.

        Args:
            state: Returns what a sign of life says: ``signal`` and what was counted.
        """
        if self._every and time.monotonic() >= self._due:
            self._due += self._every * (1 + (time.monotonic() - self._due) // self._every)
            self._beat(state())
        return [] if self._commands is None else self._commands.news()

    def _beat(self, state: Mapping[str, Any]) -> None:
        self._beats += 1
        now = self.clock.now()
        if self._outlets is not None:
            word = ALIVE if state.get("signal") == "running" else ALIVE_NO_SIGNAL
            self._outlets.marker(word, now.lsl)
        self.lines.heartbeat(state, now)

    def _run(self, kind: str, facts: Mapping[str, Any]) -> None:
        if self._commands is not None:
            self._commands.start(kind, {**self._facts, **facts})

    def end(self, begun: Mapping[str, Any], summary: Mapping[str, Any]) -> tuple[bool, list[str]]:
        """Say the summary; return whether everything was written, and what the user should be told."""
        said = []
        if self._commands is not None:
            self._commands.close()
            said = self._commands.news()
            summary = {**summary, "commands": self._commands.summary()}
        if self._outlets is not None and MARKERS in self._outlets.names:
            summary = {**summary, "markers": self._outlets.sent}
        if self._every:
            summary = {**summary, "heartbeats": self._beats}
            self.lines.heartbeat({"signal": "ended", "steps": summary["steps"]}, self.clock.now())
        return self.lines.end(begun, summary, self.clock.now()), said

    def close(self) -> None:
        """Close files and outlets and end commands, also after an error."""
        if self._commands is not None:
            self._commands.close(0.0)
        if self._outlets is not None:
            self._outlets.close()
            self._outlets = None
        self.lines.close()
