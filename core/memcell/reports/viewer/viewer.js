// One recording to scroll and zoom: state, pictures, buttons, keys, pointers, and the list of events.

/** Longest view with a waveform, s; longer ones show its envelope. */
const WAVEFORM = 20 * 60;
const SHORTEST = 1;
const ROWS = 200;

class Viewer {
  constructor(root) {
    this.root = root;
    this.about = JSON.parse(this.find("data").textContent);
    this.duration = this.about.duration;
    this.from = 0;
    this.to = this.duration;
    this.event = -1;
    this.gain = 1;
    this.listed = -1;
    this.canvas = this.find("canvas");
    this.overview = this.find("overview");
    this.screen = this.find("screen");
  }

  find(name) {
    return this.root.querySelector(`.viewer-${name}`);
  }

  blob(name) {
    return this.root.querySelector(`[data-blob="${name}"]`)?.textContent ?? "";
  }

  async integers(name, rows) {
    return integersOf(await inflated(bytesOf(this.blob(name))), rows);
  }

  /** Unpack what every view needs, then draw. */
  async open() {
    const { signals, lines } = this.about;
    this.lines = await Promise.all(
      lines.map(async (line, i) => {
        const [times, values] = await this.integers(`line${i}`, 2);
        return { ...line, times, values };
      }),
    );
    const [starts, ends] = await this.integers("recorded", 2);
    this.gaps = gapsBetween(starts, ends, this.duration);
    if (signals) {
      this.envelope = await this.integers("envelope", 2 * signals.channels.length);
      this.chunks = new Chunks(this.blob("wave"), signals, () => this.draw());
      this.spectrum = 0;
      await this.readSpectrogram();
    }
    this.listen();
    this.show(0, this.duration);
  }

  async readSpectrogram() {
    const { frequencies } = this.about.signals;
    const rows = await this.integers(`spectrogram${this.spectrum}`, frequencies);
    const columns = Array.from(rows[0], (_, t) => rows.map((row) => row[t]));
    const known = rows.flatMap((row) => Array.from(row)).filter((v) => v > -99).sort((a, b) => a - b);
    this.range = [known[Math.floor(known.length * 0.05)] ?? 0, (known[Math.floor(known.length * 0.99)] ?? 1) + 1];
    this.night = spectrogramImage(columns, frequencies, ...this.range);
    this.near = null;
  }

  // ---- where one is

  /** Show a stretch of time, kept within the recording. */
  show(from, to) {
    const length = Math.min(this.duration, Math.max(Math.min(SHORTEST, this.duration), to - from));
    this.from = Math.min(Math.max(0, from), this.duration - length);
    this.to = this.from + length;
    this.draw();
    this.say();
  }

  zoom(factor, at = (this.from + this.to) / 2) {
    this.show(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }

  pan(share) {
    const by = share * (this.to - this.from);
    this.show(this.from + by, this.to + by);
  }

  /** Show so many seconds around the selected event if it is in view, or around the middle. */
  last(seconds) {
    const event = this.about.events[this.event];
    const seen = event && event[0] < this.to && event[0] + event[1] > this.from;
    const middle = seen ? event[0] + event[1] / 2 : (this.from + this.to) / 2;
    this.show(middle - seconds / 2, middle + seconds / 2);
  }

  /** Select an event and show it, with as much around it as is shown now, up to 5 minutes. */
  go(i) {
    const event = this.about.events[i];
    if (!event) return;
    this.event = i;
    const now = this.to - this.from;
    const length = Math.max(now > 300 ? 30 : now, 1.6 * event[1]);
    const middle = event[0] + event[1] / 2;
    this.list(Math.floor(i / ROWS));
    this.show(middle - length / 2, middle + length / 2);
  }

  /** Return the event before (-1) or after (1) the selected one, or the middle of the view. */
  neighbour(direction) {
    const { events } = this.about;
    if (this.event >= 0) return this.event + direction;
    const middle = (this.from + this.to) / 2;
    const whole = this.to - this.from >= this.duration;
    if (whole) return direction > 0 ? 0 : events.length - 1;
    const after = events.findIndex((e) => e[0] > middle);
    if (direction > 0) return after;
    return after < 0 ? events.length - 1 : after - 1;
  }

  // ---- words

  /** Say where one is, for the eye at once and for the ear when one has stopped moving. */
  say() {
    const words = `${clock(this.from)} to ${clock(this.to)} of ${clock(this.duration)}: ${lasting(this.to - this.from)}`;
    const { events } = this.about;
    const inside = events.filter((e) => e[0] < this.to && e[0] + e[1] > this.from).length;
    const count = `${inside} of ${events.length} ${events.length === 1 ? "event" : "events"} in view`;
    const text = `${words}; ${count}${this.selected()}.`;
    this.canvas.setAttribute("aria-label", `${this.contents()}. ${text}`);
    clearTimeout(this.saying);
    this.saying = setTimeout(() => {
      this.find("place").textContent = text;
    }, 150);
  }

  selected() {
    const event = this.about.events[this.event];
    if (!event) return "";
    const peak = event[3] === null ? "" : `, probability up to ${event[3].toFixed(2)}`;
    const kind = this.about.kinds[event[2]];
    const number = `event ${this.event + 1} of ${this.about.events.length}`;
    return `; ${number}${kind ? ` (${kind})` : ""}: ${clock(event[0], true)}, lasts ${lasting(event[1])}${peak}`;
  }

  contents() {
    const { signals, levels } = this.about;
    const shown = [
      ...(signals ? [signals.channels.join(", "), `spectrogram of ${signals.channels[this.spectrum]}`] : []),
      ...this.lines.map((line) => line.name),
      ...this.about.bars.map((bar) => bar.name),
      ...(levels ? [levels.title] : []),
    ];
    return `Along time: ${shown.join("; ")}`;
  }

  // ---- pictures

  draw() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.theme = themeOf(this.root);
      this.drawPanels();
      this.drawOverview();
      this.root.dataset.drawn ??= performance.now().toFixed(0);
    });
  }

  /** Return a context of a canvas in its points, whatever the screen's density; its width; the room for names. */
  context(canvas, height) {
    const width = this.screen.clientWidth;
    const density = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * density), Math.round(height * density)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    canvas.style.height = `${height}px`;
    const g = canvas.getContext("2d");
    g.setTransform(density, 0, 0, density, 0, 0);
    g.clearRect(0, 0, width, height);
    const narrow = width < 520;
    g.font = `${narrow ? 11 : 12}px system-ui, sans-serif`;
    return [g, width, narrow ? 66 : 84];
  }

  panels(narrow) {
    const { signals, levels, bars } = this.about;
    const row = narrow ? 38 : 54;
    const found = [];
    if (signals) {
      found.push({ h: row * signals.channels.length + 18, draw: (...a) => this.drawSignals(...a) });
      found.push({ h: narrow ? 70 : 90, draw: (...a) => this.drawSpectrogram(...a) });
    }
    if (this.lines.length) found.push({ h: narrow ? 60 : 76, draw: (...a) => this.drawLines(...a) });
    for (const bar of bars) found.push({ h: 16, draw: (...a) => this.drawBar(bar, ...a) });
    if (levels) found.push({ h: narrow ? 64 : 80, draw: (...a) => this.drawStages(...a) });
    return found;
  }

  drawPanels() {
    const narrow = this.screen.clientWidth < 520;
    const panels = this.panels(narrow);
    const height = panels.reduce((sum, p) => sum + p.h + 8, 0) + 24;
    const [g, width, left] = this.context(this.canvas, height);
    this.scale = new TimeScale(this.from, this.to, left, width - left - 6);
    let y = 4;
    for (const panel of panels) {
      const box = { x: left, y, w: this.scale.width, h: panel.h };
      drawGrid(g, box, this.scale, this.theme);
      panel.draw(g, box);
      y += panel.h + 8;
    }
    this.drawSelected(g, { x: left, y: 2, w: this.scale.width, h: y - 6 });
    drawAxis(g, { x: left, y: y - 4, w: this.scale.width, h: 20 }, this.scale, this.theme);
  }

  clipped(g, box, draw) {
    g.save();
    g.beginPath();
    g.rect(box.x, box.y, box.w, box.h);
    g.clip();
    draw();
    g.restore();
  }

  drawSelected(g, box) {
    const event = this.about.events[this.event];
    if (!event || event[0] > this.to || event[0] + event[1] < this.from) return;
    this.clipped(g, box, () => {
      g.strokeStyle = this.theme.link;
      g.lineWidth = 2;
      const x = this.scale.x(event[0]);
      g.strokeRect(x, box.y + 1, Math.max(2, this.scale.x(event[0] + event[1]) - x), box.h - 2);
    });
  }

  /** Return the samples of a channel in view, NaN where they are not (yet) there, and where the others are. */
  samples(channel) {
    const { rate, chunkSeconds } = this.about.signals;
    const first = Math.max(0, Math.floor(this.from / chunkSeconds));
    const last = Math.min(this.about.signals.lengths.length - 1, Math.floor(this.to / chunkSeconds));
    const size = rate * chunkSeconds;
    const out = new Float32Array((last - first + 1) * size).fill(NaN);
    const missing = [];
    for (let i = first; i <= last; i++) {
      const rows = this.chunks.rows(i);
      if (rows) out.set(rows[channel].subarray(0, size), (i - first) * size);
      else missing.push([i * chunkSeconds, (i + 1) * chunkSeconds]);
    }
    const start = first * chunkSeconds;
    for (const [a, b] of this.gaps) {
      const from = Math.max(0, Math.round((a - start) * rate));
      const to = Math.min(out.length, Math.round((b - start) * rate));
      if (to > from) out.fill(NaN, from, to);
    }
    return { start, out, missing };
  }

  drawSignals(g, box) {
    const { channels, apart, unit, rate, envelopeSteps, binSeconds } = this.about.signals;
    const row = (box.h - 18) / channels.length;
    const near = this.to - this.from <= WAVEFORM;
    const spacing = (near ? 1 : 2) * (apart / this.gain); // a night's extremes are larger than what is usual
    g.fillStyle = this.theme.soft;
    g.textAlign = "left";
    g.textBaseline = "top";
    const what = near ? "" : "; full colour: usual, pale: extremes";
    g.fillText(`rows ${Number(spacing.toPrecision(3))} ${unit} apart${what}`, box.x, box.y);
    const field = { ...box, y: box.y + 16, h: box.h - 16 };
    this.clipped(g, field, () => this.shade(g, field));
    drawGaps(g, field, this.scale, this.gaps, this.theme);
    channels.forEach((name, c) => {
      const middle = box.y + 18 + row * (c + 0.5);
      const y = (value) => middle - (value / spacing) * row;
      drawName(g, name, box, middle, this.theme.ink);
      this.clipped(g, field, () => {
        g.fillStyle = g.strokeStyle = this.theme.ink;
        g.lineWidth = 1;
        const found = near ? this.samples(c) : { missing: [[this.from, this.to]] };
        if (near) drawSamples(g, found.out, found.start, rate, this.scale, y);
        const [low, height] = [this.envelope[2 * c], this.envelope[2 * c + 1]];
        for (const span of found.missing) {
          const own = { y: middle - 0.49 * row, h: 0.98 * row, x: box.x, w: box.w };
          this.clipped(g, own, () => drawEnvelope(g, low, height, envelopeSteps[c], binSeconds, this.scale, span, y));
        }
      });
    });
  }

  /** Put the events behind the signals. */
  shade(g, box) {
    for (const bar of this.about.bars.filter((b) => b.behind)) {
      g.globalAlpha = 0.22;
      g.fillStyle = this.theme[bar.colour];
      drawSpans(g, bar.spans, this.scale, box.y, box.h);
    }
    g.globalAlpha = 1;
  }

  drawSpectrogram(g, box) {
    const { channels, frequencies, frequencyStep, columnSeconds } = this.about.signals;
    const near = this.to - this.from <= WAVEFORM ? this.nearSpectrogram() : null;
    const image = near ?? { canvas: this.night, from: 0, to: this.night.width * columnSeconds };
    this.clipped(g, box, () => {
      g.imageSmoothingEnabled = false;
      const [x, end] = [this.scale.x(image.from), this.scale.x(image.to)];
      g.drawImage(image.canvas, x, box.y, end - x, box.h);
    });
    drawGaps(g, box, this.scale, this.gaps, this.theme);
    const top = (frequencies - 1) * frequencyStep;
    drawName(g, channels[this.spectrum], box, box.y + box.h / 2, this.theme.ink);
    drawName(g, `${top} Hz`, box, box.y + 7, this.theme.soft);
    drawName(g, "0 Hz", box, box.y + box.h - 6, this.theme.soft);
  }

  /** Return a spectrogram made of the waveform in view; null until all of that is there. */
  nearSpectrogram() {
    const { rate, frequencies, windowSeconds } = this.about.signals;
    const key = `${this.from} ${this.to} ${this.spectrum}`;
    if (this.near?.key === key) return this.near;
    const { start, out, missing } = this.samples(this.spectrum);
    if (missing.some(([a, b]) => !this.gaps.some(([c, d]) => c <= a && d >= Math.min(b, this.duration)))) return null;
    const hop = Math.max(Math.round(rate / 8), Math.round(((this.to - this.from) / 300) * rate));
    const a = Math.max(0, Math.floor((this.from - start - windowSeconds) * rate));
    const b = Math.min(out.length, Math.ceil((this.to - start + windowSeconds) * rate));
    const columns = spectrogramOf(out.subarray(a, b), rate, windowSeconds, frequencies, hop);
    // a column stands for the time around the middle of its window
    const from = start + a / rate + windowSeconds / 2 - hop / rate / 2;
    const canvas = spectrogramImage(columns, frequencies, ...this.range);
    this.near = { key, canvas, from, to: from + (columns.length * hop) / rate };
    return this.near;
  }

  drawLines(g, box) {
    const y = (value) => box.y + box.h - 2 - value * (box.h - 4);
    drawGaps(g, box, this.scale, this.gaps, this.theme);
    drawName(g, this.lines.length > 1 ? "probability" : this.lines[0].name, box, box.y + box.h / 2, this.theme.ink);
    drawName(g, "1", box, y(1) + 5, this.theme.soft);
    drawName(g, "0", box, y(0) - 5, this.theme.soft);
    this.clipped(g, box, () => {
      for (const line of [...this.lines].reverse()) { // the first one on top
        g.strokeStyle = g.fillStyle = this.theme[line.colour];
        g.lineWidth = 1.5;
        g.setLineDash(line.dash);
        drawLine(g, line, box, this.scale, y);
        if (line.threshold === null) continue;
        g.strokeStyle = this.theme.ink;
        g.lineWidth = 1;
        g.setLineDash([4, 3]);
        g.beginPath();
        g.moveTo(box.x, y(line.threshold));
        g.lineTo(box.x + box.w, y(line.threshold));
        g.stroke();
      }
    });
  }

  drawBar(bar, g, box) {
    drawName(g, bar.name, box, box.y + box.h / 2, this.theme.ink);
    drawGaps(g, box, this.scale, this.gaps, this.theme);
    g.fillStyle = this.theme[bar.colour];
    drawSpans(g, bar.spans, this.scale, box.y + 2, box.h - 4);
  }

  drawStages(g, box) {
    drawGaps(g, box, this.scale, this.gaps, this.theme);
    drawLevels(g, this.about.levels, box, this.scale, this.theme);
  }

  /** Draw the whole recording, small: the first line, the events, and a frame around what is in view. */
  drawOverview() {
    const [g, width, left] = this.context(this.overview, 44);
    const scale = new TimeScale(0, this.duration, left, width - left - 6);
    this.whole = scale;
    const box = { x: left, y: 2, w: scale.width, h: 40 };
    drawName(g, "whole", box, 22, this.theme.soft);
    drawGaps(g, box, scale, this.gaps, this.theme);
    const line = this.lines[0];
    if (line) {
      g.fillStyle = g.strokeStyle = this.theme[line.colour];
      drawLine(g, line, box, scale, (value) => 30 - value * 27);
    }
    const found = this.about.bars.find((b) => b.behind);
    if (found) {
      g.fillStyle = this.theme[found.colour];
      drawSpans(g, found.spans, scale, 33, 8);
    }
    const [a, b] = [scale.x(this.from), scale.x(this.to)];
    g.strokeStyle = this.theme.link;
    g.lineWidth = 2;
    g.strokeRect(Math.max(left, a - 1), 2, Math.max(4, b - a), 40);
  }
}

/** Return what lies between the recorded stretches (ms), in seconds. */
function gapsBetween(starts, ends, duration) {
  const gaps = [];
  let last = 0;
  for (let i = 0; i < starts.length; i++) {
    if (starts[i] / 1000 - last > 0.002) gaps.push([last, starts[i] / 1000]);
    last = Math.max(last, ends[i] / 1000);
  }
  if (starts.length && duration - last > 0.02) gaps.push([last, duration]);
  return gaps;
}

/** Return the page's colours, light or dark as it is now. */
function themeOf(element) {
  const style = getComputedStyle(element);
  const names = ["ink", "soft", "line", "gap", "link", "truth", "unlabelled", "s0", "s1", "s2", "s3", "s4", "s5"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim() || "gray"]));
}
