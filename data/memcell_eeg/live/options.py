"""The options of a live stream: where the signal comes from, and what a detector makes alarms of."""

from __future__ import annotations

import math
from dataclasses import dataclass

from memcell.errors import ConfigError
from memcell.plugins.options import option, topics
from memcell_data.renaming import Renaming


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Options of every live stream: its source, and how what it says is written."""

    lsl: str = option(
        "",
        help="Name of a stream of the lab streaming layer (LSL); needs the extra: "
        "pip install 'memcell-rnn[live]'.",
        brief="Name of an LSL stream.",
        topic=topics.SIGNAL,
    )
    file: str = option(
        "",
        help="A recording, played as if it came live.",
        brief="Or a recording, played as if it came live.",
        topic=topics.SIGNAL,
    )
    speed: str = option(
        "1",
        help="How fast a file is played: 1 as it was recorded, 10 ten times as fast, or max.",
        brief="How fast it is played: 1, 10, max.",
        topic=topics.SIGNAL,
    )
    chunk: float = option(
        0.05,
        unit="s",
        low=0.001,
        high=10,
        help="Length of the chunks that a file is played in.",
        topic=topics.SIGNAL,
        advanced=True,
    )
    timeout: float = option(
        10.0,
        unit="s",
        low=0.5,
        high=3600,
        help="How long to search for the stream.",
        topic=topics.SIGNAL,
        advanced=True,
    )
    silence: float = option(
        2.0,
        unit="s",
        low=0.2,
        high=3600,
        help="Without a sample for this long the connection counts as lost; the stream waits for it.",
        topic=topics.SIGNAL,
        advanced=True,
    )
    gap: float = option(
        0.2,
        unit="s",
        low=0.01,
        high=60,
        help="A time stamp further than this from its expected time is a gap: filters and memory are "
        "reset, and the scale of the features is kept. Less is jitter.",
        topic=topics.SIGNAL,
        advanced=True,
    )
    unit: str = option(
        "",
        help="Unit of a stream, or of EDF channels of a file, that do not name their own: uV, mV, V or nV. "
        "Never guessed; all:mV overrides the unit of all channels. For a file, empty"
        " takes that of a BIDS channels.tsv, then the run's own --data.unit.",
        brief="Unit of channels that state none: uV, mV, ...",
        topic=topics.CHANNELS,
    )
    rename: tuple[str, ...] = option(
        (),
        help="Other names for channels, OLD=NEW, several with commas; a * on both sides stands for the same "
        "text: 'O1-M2=O1', 'POL *=*'. Empty takes the --rename that the run was trained with.",
        brief="Other names: 'O1-M2=O1', 'POL *=*'.",
        topic=topics.CHANNELS,
    )
    duration: float = option(
        0.0,
        unit="s",
        low=0,
        help="End after this much signal; 0 for never (Ctrl-C ends it).",
        brief="End after so many seconds.",
        topic=topics.SIGNAL,
    )
    format: str = option(
        "jsonl",
        choices=("jsonl", "tsv"),
        help="Format of these lines.",
        brief="jsonl or tsv.",
        topic=topics.RESULTS,
    )
    send: tuple[str, ...] = option(
        (),
        choices=("markers", "steps"),
        help="Send what is found as LSL streams: 'markers' when alarms begin and end, 'steps' the number of "
        "each step.",
        brief="markers and steps, as LSL streams.",
        topic=topics.RESULTS,
    )
    send_name: str = option(
        "",
        help="What the names of these streams begin with; default: SOURCE-APP.",
        advanced=True,
    )
    heartbeat: float = option(
        0.0,
        unit="s",
        low=0,
        high=3600,
        help="A sign of life so often: a line, a file with --out, a marker with --send markers; 0 for none.",
        brief="A sign of life so often (s).",
        topic=topics.RESULTS,
    )

    def validate(self) -> None:
        """Check combinations of options.

        Raises:
            ConfigError: No source or two, or an invalid speed.
            UsageError: A rule of renaming is none.
        """
        if bool(self.lsl) == bool(self.file):
            given = "both --lsl and --file" if self.lsl else "neither --lsl nor --file"
            raise ConfigError(f"got {given}; type --lsl NAME or --file RECORDING.")
        _ = self.times_real
        Renaming.of(self.rename)
        if self.send_name and not self.send:
            raise ConfigError(
                "'send-name' got a name and nothing is sent; type --send markers,steps."
            )
        if "markers" in self.send and not self.commands and not self.heartbeat:
            raise ConfigError(
                "'send' got 'markers', and there are no alarms here; type --send steps, or a --heartbeat."
            )
        if 0 < self.heartbeat < 0.5:
            raise ConfigError(f"'heartbeat' got {self.heartbeat:g}, expected 0 or .5 s and more.")

    @property
    def commands(self) -> dict[str, str]:
        """The command of each kind of alarm event, as typed; none without alarms."""
        return {}

    @property
    def times_real(self) -> float:
        """Speed of a played file as a multiple of real time; infinite for ``max``.

        Raises:
            ConfigError: ``speed`` is neither a positive number nor ``max``.
        """
        if self.speed == "max":
            return math.inf
        try:
            value = float(self.speed)
        except ValueError:
            value = math.nan
        if not 0 < value <= 1e6:
            raise ConfigError(f"'speed' got '{self.speed}', expected a number above 0, or max.")
        return value


@dataclass(frozen=True, kw_only=True)
class LiveConfig(SourceConfig):
    """Options of a detector's live stream: source, alarms and output."""

    threshold: float | None = option(
        None,
        low=0,
        high=1,
        help="A step is positive from this probability on; default: the threshold of the run.",
        brief="Probability of a positive step.",
        topic=topics.ALARMS,
    )
    alarm_steps: int = option(
        3,
        low=1,
        high=1000,
        help="An alarm requires this many positive steps ...",
        brief="So many positive steps ... (default: {default})",
        topic=topics.ALARMS,
    )
    alarm_of: int = option(
        4,
        low=1,
        high=1000,
        help="... among the last so many; the same number twice is a minimum duration.",
        brief="... of the last so many (default: {default}).",
        topic=topics.ALARMS,
    )
    refractory: float = option(
        5.0,
        unit="s",
        low=0,
        high=3600,
        help="No further alarm for this long after one was raised.",
        brief="No further alarm for so long (default: {default} s).",
        topic=topics.ALARMS,
    )
    lines: str = option(
        "auto",
        choices=("auto", "steps", "alarms", "none"),
        help="What is written to the output as it happens: every step and alarm, or alarms and gaps only; "
        "'auto' is steps into a pipe, alarms on a terminal.",
        brief="What is printed: steps, alarms or none.",
        topic=topics.RESULTS,
    )
    on_alarm: str = option(
        "",
        help="A command to run, without a shell, when an alarm begins; its facts are JSON on its standard "
        "input, and environment variables (MEMCELL_ONSET, ...).",
        brief="A command to run when an alarm begins.",
        topic=topics.ALARMS,
    )
    on_alarm_end: str = option(
        "", help="A command to run when an alarm ends, likewise.", advanced=True
    )
    on_alarm_timeout: float = option(
        10.0,
        unit="s",
        low=0.1,
        high=3600,
        help="Such a command is ended after this long, with all that it started.",
        advanced=True,
    )

    def validate(self) -> None:
        """Check combinations of options.

        Raises:
            ConfigError: As `SourceConfig.validate`, or a debounce that cannot be met.
        """
        super().validate()
        if self.alarm_steps > self.alarm_of:
            raise ConfigError(
                f"'alarm-steps' got {self.alarm_steps}, more than 'alarm-of' ({self.alarm_of}): no alarm "
                f"could be raised; type --alarm-of {self.alarm_steps} or more."
            )
        from memcell_eeg.live.commands import split

        for name, command in self.commands.items():
            split(name, command)

    @property
    def commands(self) -> dict[str, str]:
        """The command of each kind of alarm event, as typed."""
        return {"alarm": self.on_alarm, "alarm_end": self.on_alarm_end}
