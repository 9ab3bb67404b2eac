"""A live stream from its first sample to its summary."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from memcell.applications.streaming import StreamRequest
from memcell.errors import DataError
from memcell_data.quality.still import FLAT
from memcell_eeg.features.optional import has_optional
from memcell_eeg.features.pipeline import Pipeline
from memcell_eeg.live.alarm import AlarmLogic, AlarmRules, Ended, Raised
from memcell_eeg.live.amplitude import FirstSeconds
from memcell_eeg.live.channels import LiveChannels
from memcell_eeg.live.counts import Counts
from memcell_eeg.live.detector import Detector
from memcell_eeg.live.events import PROBABILITY, StepForm
from memcell_eeg.live.first_signal import FirstSignal
from memcell_eeg.live.gaps import GapFinder, SignalPart
from memcell_eeg.live.opening import opened, pipeline_of_run
from memcell_eeg.live.options import LiveConfig, SourceConfig
from memcell_eeg.live.output import StreamOutput, check_output
from memcell_eeg.live.rate import RateWatch
from memcell_eeg.live.source import LiveSource, SampleChunk, Silent
from memcell_eeg.live.still import SOON, Passed, StillWatch
from memcell_eeg.live.writing import quietly
from memcell_eeg.signal.absent import check_enough
from memcell_eeg.task import EegTask


def stream(request: StreamRequest, task: EegTask, form: StepForm = PROBABILITY) -> int:
    """Run a live stream until the source ends or the user stops it.

    Args:
        request: The source, the network and the options: a `LiveConfig` where there are alarms.
        task: The task of the application.
        form: What the network says of a step.

    Returns:
        1 if a result could not be written, else 0.

    Raises:
        UsageError: The run is of another application, has precomputed features, or looks into the future; or
            results of this name are in the folder already.
        DataError: The source cannot be used.
    """
    options: SourceConfig = request.options
    request = replace(request, say=quietly(request.say))
    pipeline = pipeline_of_run(request, task)
    check_output(options)
    source = opened(options, pipeline, request)
    pipeline = pipeline.at(source.rate, f"stream '{source.name}'")
    try:
        output = StreamOutput.of(request, options, source, task, form, pipeline.step)
        try:
            complete = _Live(request, task, options, pipeline, source, output, form).run()
        finally:
            output.close()
    finally:
        source.close()
    return 0 if complete else 1


class _Live:
    """A running stream."""

    def __init__(
        self,
        request: StreamRequest,
        task: EegTask,
        options: SourceConfig,
        pipeline: Pipeline,
        source: LiveSource,
        output: StreamOutput,
        form: StepForm,
    ) -> None:
        self._request, self._options, self._pipeline = request, options, pipeline
        self._source, self._output, self._rhythm = source, output, task.rhythm
        self._form = form
        self._rules: AlarmRules | None = None
        self._alarm: AlarmLogic | None = None
        if isinstance(options, LiveConfig):
            own = float(request.decision["threshold"])
            self._rules = AlarmRules(
                threshold=own if options.threshold is None else options.threshold,
                need=options.alarm_steps,
                of=options.alarm_of,
                refractory=options.refractory,
                step=pipeline.step,
            )
            self._alarm = AlarmLogic(self._rules)
        self._gaps = GapFinder(source.rate, options.gap)
        self._rate = None if source.trusted else RateWatch(options.lsl, source.rate)
        self._kept: list[int] | None = None  # of the source's rows; None for all
        self._starting: FirstSignal | None = None
        self._optional = has_optional(request.facts)
        if self._optional and not source.trusted:
            self._starting = FirstSignal(source.channels.names, source.rate)
        self._use(source.channels)
        self._counts = Counts(rate=source.rate, alarms=None if self._alarm is None else 0)
        self._last = float("nan")
        self._signal = "silent"  # until the first sample

    def _use(self, channels: LiveChannels) -> None:
        """Detect from these channels of the source, from the next sample on."""
        source, options = self._source, self._options
        self._channels = channels
        self._detector = Detector(self._pipeline, source.rate, self._request.network, channels)
        self._first = (
            None if source.trusted else FirstSeconds(options.lsl, channels.names, source.rate)
        )
        # Flat signal is already removed from a recording.
        self._still = None if source.trusted else StillWatch(channels.names, source.rate)

    def run(self) -> bool:
        """Run until the end and write the summary; return whether everything could be written."""
        begun, complete = self._begun(), True
        try:
            for item in self._source.items(self._request.stop):
                if isinstance(item, Silent):
                    self._silent(item)
                elif item is not None:
                    self._arrived(item)
                    if self._over():
                        break
                self._show()
            if self._starting is not None:
                for chunk in self._starting.rest():
                    self._chunk(chunk)
        finally:
            begun.update(self._of_channels())
            self._no_signal()
            summary = self._counts.summary(self._gaps.jitter)
            complete, said = self._output.end(begun, summary)
            for line in [*said, *self._counts.messages()]:
                self._request.say(line)
        return complete

    def _begun(self) -> dict[str, Any]:
        source, say = self._source, self._request.say
        say(f"{source.described}; steps of {self._pipeline.step:g} s")
        for line in source.channels.lines:
            say(f"note: {line}")
        of_alarms = self._alarms_begun()
        if self._still is not None:
            say(
                f"a channel that is flat for {SOON:g} s delays the steps; after {FLAT:g} s it counts as dead "
                "and raises no alarm"
            )
        if self._request.network.reason:
            say(
                "note: steps run in the eager loop and may differ from memcell predict in the last bits: "
                f"{self._request.network.reason}"
            )
        if knows := self._request.facts.get("knows"):
            say(f"note: what the model knows: {knows}")
        if self._request.facts.get("simulated"):
            say(
                "note: the model was trained on simulated data; what it finds says nothing about people"
            )
        begun = {
            "source": source.described,
            "rate": source.rate,
            **self._of_channels(),
            "model_id": self._request.facts.get("model_id"),
            "trained_on_simulated_data": bool(self._request.facts.get("simulated", False)),
            **({"knows": knows} if knows else {}),
            "step_seconds": self._pipeline.step,
            **of_alarms,
            "filter_delay_seconds": self._pipeline.delay(source.rate, self._rhythm[1]),
            "window_delay_seconds": self._pipeline.extraction_delay,
            "blind_seconds": self._pipeline.blind(source.rate),
        }
        begun.update(self._output.sends)
        self._output.begin(begun)
        return begun

    def _of_channels(self) -> dict[str, Any]:
        """Return the source's channels that are used, and the model's that are left out, for the summary."""
        out = self._channels.left_out
        return {
            "channels": list(self._channels.names),
            **({"left_out": list(out)} if out else {}),
        }

    def _alarms_begun(self) -> dict[str, Any]:
        """Say when an alarm sounds; return its rules, nothing where there are no alarms."""
        if self._rules is None:
            return {}
        source, rules, say = self._source, self._rules, self._request.say
        wave, hertz = self._rhythm
        filters = self._pipeline.delay(source.rate, hertz)
        delay = rules.delay(self._pipeline.onset_delay(source.rate, hertz))
        say(f"{rules}")
        say(
            f"an alarm sounds about {delay:.2f} s after {wave} begins: filters {filters:.3f} s (at {hertz:g} "
            f"Hz), window {self._pipeline.extraction_delay:g} s, half a step {rules.step / 2:g} s, "
            f"debounce {rules.debounce:g} s; computing time is extra and is measured"
        )
        return {
            "threshold": rules.threshold,
            "alarm_steps": rules.need,
            "alarm_of": rules.of,
            "refractory_seconds": rules.refractory,
            "alarm_delay_seconds": delay,
            "debounce_seconds": rules.debounce,
        }

    def _arrived(self, chunk: SampleChunk) -> None:
        """Process a chunk, with those that were held back until it was known which channels live."""
        if self._starting is None:
            self._chunk(chunk)
            return
        ready, dead = self._starting.push(chunk)
        if dead:
            self._leave_out(dead)
        if self._starting.over:
            self._starting = None
        for each in ready:
            self._chunk(each, late=each is chunk)

    def _leave_out(self, dead: Sequence[int]) -> None:
        """Go on without the source's rows that have no signal, where the model can do without so many."""
        wanted = self._pipeline.channels
        names = [self._channels.names[row] for row in dead]
        left = self._channels.without(wanted, dead)
        try:
            check_enough(f"stream '{self._source.name}'", wanted, left.left_out)
        except DataError:
            return  # as for a model that needs them all: they are named, and waited for
        for line in left.lines[len(self._channels.lines) :]:
            self._request.say(f"note: {line}")
        self._kept = [row for row in range(len(self._channels.names)) if row not in dead]
        self._use(left)
        self._output.event("left_out", channels=names)

    def _chunk(self, chunk: SampleChunk, late: bool = True) -> None:
        if self._kept is not None:
            chunk = replace(chunk, values=chunk.values[self._kept])
        before = time.thread_time()
        steps = self._counts.steps
        if told := self._output.clock.saw(float(chunk.stamps[-1])):
            self._request.say(f"note: {told}")
        if chunk.begins:
            if self._still is not None:
                self._samples(self._still.end(), chunk)
            self._gaps.cut()
        if self._still is None:
            self._samples(Passed(values=chunk.values, stamps=chunk.stamps), chunk)
        else:
            self._samples(self._still.push(chunk.values, chunk.stamps), chunk)
        if self._counts.steps > steps and late:
            self._counts.late(time.perf_counter() - chunk.arrived)
        self._counts.cpu += time.thread_time() - before
        self._counts.samples += chunk.values.shape[1]

    def _samples(self, passed: Passed, chunk: SampleChunk) -> None:
        """Process samples; a dead channel ends an alarm."""
        if passed.values.shape[1] == 0:
            return
        self._signal = "flat" if passed.dead else "running"
        arrived = None if self._source.trusted else chunk.arrived
        for part in self._gaps.push(passed.values, passed.stamps, arrived):
            self._part(part, chunk)
        if passed.began:
            self._no_signal()
            first = int(np.isnan(passed.values).any(axis=0).argmax())
            onset = float(passed.stamps[first]) - self._source.zero
            self._output.event("flat", onset, channels=list(passed.dead))
            again = "; started again, the stream runs without it" if self._optional else ""
            self._request.say(
                f"note: channel {', '.join(passed.dead)} is flat (dead or saturated): no step is "
                f"computed until it changes{again}"
            )

    def _watch(self, part: SignalPart) -> None:
        """Check the time stamps against the rate.

        Raises:
            DataError: They have never fitted.
        """
        if self._rate is None:
            return
        if abs(part.jumped) > 1.0 and not self._rate.wrong:  # a smaller jump may be a wrong rate
            direction = "forward" if part.jumped < 0 else "back"
            self._request.say(
                f"note: the sender's clock was set {direction} by {abs(part.jumped):.6g} s; "
                "onsets are not affected"
            )
        before = self._rate.wrong
        if not part.begins:
            self._rate.follows(part.stamps)
            if before and not self._rate.wrong:
                self._request.say("note: the time stamps fit the rate again")
            return
        found = self._rate.begins(part.stamps, part.early)
        if found and self._rate.far and not self._rate.worked:
            raise DataError(found)
        if found:
            self._request.say(f"note: {found} Until they do, results are unreliable.")

    def _part(self, part: SignalPart, chunk: SampleChunk) -> None:
        self._watch(part)
        if part.jumped:
            self._output.clock.jumped(part.jumped)
        if self._first is not None:
            for line in self._first.push(part.values):
                self._request.say(f"note: {line}")
        onset = part.onset - self._source.zero
        if part.begins:
            self._begin(onset, part.missing)
        try:
            found = self._detector.push(part.values, self._gaps.offset)
        except DataError as error:
            self._request.say(f"note: {error} Memory is reset.")
            self._gaps.cut()
            return
        for step in found:
            self._counts.steps += 1
            self._last = step.probability
            self._step(step.start, step.probability)

    def _step(self, start: float, value: float) -> None:
        """Write a step, and the alarm that it raises or ends."""
        if self._alarm is None or self._rules is None:
            self._output.step(start, value)
            return
        self._output.step(start, value, value >= self._rules.threshold)
        change = self._alarm.step(start, value)
        if isinstance(change, Raised):
            self._counts.alarms = (self._counts.alarms or 0) + 1
            self._output.alarm(change.onset, change.first, change.probability)
        elif isinstance(change, Ended):
            self._end_alarm(change)

    def _begin(self, onset: float, missing: float) -> None:
        self._detector.begin(onset, missing if self._counts.segments else None)
        if self._counts.segments:
            self._counts.gaps += 1
            self._no_signal(missing)
            self._output.event("gap", onset, seconds=missing)
        self._counts.segments += 1

    def _no_signal(self, missing: float | None = None) -> None:
        """End an alarm: there are no steps for so many seconds, or nobody knows for how long."""
        if self._alarm is None:
            return
        ended = self._alarm.gap() if missing is None else self._alarm.gap(missing)
        if ended is not None:
            self._end_alarm(ended)

    def _end_alarm(self, ended: Ended) -> None:
        raised = ended.raised
        self._output.alarm_over(raised.onset, ended.duration, raised.first, raised.probability)

    def _silent(self, item: Silent) -> None:
        self._counts.losses += 1
        self._no_signal()
        self._signal = "silent"
        self._output.event("silent", why=item.why)
        self._request.say(f"{item.why}; waiting for it (Ctrl-C ends)")

    def _over(self) -> bool:
        seconds = self._options.duration
        return bool(seconds) and self._counts.seconds >= seconds

    def _show(self) -> None:
        for line in self._output.tick(self._state):
            self._request.say(line)
        c = self._counts
        minutes, seconds = divmod(c.seconds, 60)
        said = f"{self._form.name} {self._last:.3g}"
        if self._alarm is not None:
            state = "ALARM" if self._alarm.on is not None else "quiet"
            said = f"p {self._last:.3f}  {state}  alarms {c.alarms}"
        self._output.lines.status(
            f"{minutes:.0f}:{seconds:02.0f}  steps {c.steps}  {said}  gaps {c.gaps}"
        )

    def _state(self) -> dict[str, Any]:
        """Return what a sign of life says."""
        c = self._counts
        alarms = {} if c.alarms is None else {"alarms": c.alarms}
        return {"signal": self._signal, "steps": c.steps, **alarms}
