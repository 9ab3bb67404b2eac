// Panels along one axis of time, each a function of a context, a box and what it shows.

/** Return seconds as h:mm:ss, with tenths where they matter. */
function clock(seconds, tenths = false) {
  const whole = tenths ? Math.round(seconds * 10) / 10 : Math.round(seconds);
  const two = (value) => String(value).padStart(2, "0");
  const rest = tenths ? (whole % 60).toFixed(1).padStart(4, "0") : two(whole % 60);
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${rest}`;
}

/** Return a length of time as people say it. */
function lasting(seconds) {
  if (seconds < 120) return `${Number(seconds.toFixed(1))} s`;
  return seconds < 7200 ? `${Number((seconds / 60).toFixed(1))} min` : `${Number((seconds / 3600).toFixed(2))} h`;
}

const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];

/** A stretch of time on a stretch of the canvas. */
class TimeScale {
  constructor(from, to, left, width) {
    Object.assign(this, { from, to, left, width });
  }

  x(t) {
    return this.left + ((t - this.from) / (this.to - this.from)) * this.width;
  }

  time(x) {
    return this.from + ((x - this.left) / this.width) * (this.to - this.from);
  }

  ticks() {
    const least = ((this.to - this.from) * 80) / this.width;
    const step = TICKS.find((s) => s >= least) ?? 86400;
    const first = Math.ceil(this.from / step - 1e-9);
    const count = Math.floor(this.to / step + 1e-9) - first + 1;
    return { step, at: Array.from({ length: Math.max(0, count) }, (_, i) => (first + i) * step) };
  }
}

/** Draw a name beside a panel, cut where there is no room. */
function drawName(g, words, box, y, colour) {
  g.fillStyle = colour;
  g.textAlign = "right";
  g.textBaseline = "middle";
  const room = box.x - 6;
  let shown = words;
  while (shown.length > 2 && g.measureText(shown).width > room) shown = `${shown.slice(0, -2)}…`;
  g.fillText(shown, box.x - 4, y);
}

/** Draw what was not recorded: a plain field with dashed edges, in every panel. */
function drawGaps(g, box, scale, gaps, theme) {
  g.save();
  g.fillStyle = theme.gap;
  g.strokeStyle = theme.soft;
  g.setLineDash([3, 2]);
  for (const [a, b] of gaps) {
    if (b <= scale.from || a >= scale.to) continue;
    const [x, end] = [Math.max(box.x, scale.x(a)), Math.min(box.x + box.w, scale.x(b))];
    g.fillRect(x, box.y, Math.max(0.5, end - x), box.h);
    if (end - x > 3) g.strokeRect(x + 0.5, box.y + 0.5, end - x - 1, box.h - 1);
  }
  g.restore();
}

function drawGrid(g, box, scale, theme) {
  g.strokeStyle = theme.line;
  g.lineWidth = 1;
  g.beginPath();
  for (const t of scale.ticks().at) {
    const x = Math.round(scale.x(t)) + 0.5;
    g.moveTo(x, box.y);
    g.lineTo(x, box.y + box.h);
  }
  g.stroke();
}

function drawAxis(g, box, scale, theme) {
  const { step, at } = scale.ticks();
  g.fillStyle = theme.soft;
  g.textBaseline = "top";
  for (const t of at) {
    const words = clock(t, step < 1);
    const half = g.measureText(words).width / 2;
    const x = Math.min(box.x + box.w - half, Math.max(box.x + half, scale.x(t)));
    g.textAlign = "center";
    g.fillText(words, x, box.y + 4);
  }
}

/** Draw one row of samples; where there are more than points, the lowest and highest of each point. */
function drawSamples(g, samples, first, rate, scale, y) {
  const perPixel = ((scale.to - scale.from) * rate) / scale.width;
  if (perPixel > 3) return drawExtremes(g, samples, first, rate, scale, y);
  g.beginPath();
  let pen = false;
  for (let i = 0; i < samples.length; i++) {
    const value = samples[i];
    if (Number.isNaN(value)) {
      pen = false;
      continue;
    }
    const x = scale.x(first + i / rate);
    if (pen) g.lineTo(x, y(value));
    else g.moveTo(x, y(value));
    pen = true;
  }
  g.stroke();
}

function drawExtremes(g, samples, first, rate, scale, y) {
  const from = Math.floor(scale.left);
  for (let px = from; px < scale.left + scale.width; px++) {
    const a = Math.max(0, Math.floor((scale.time(px) - first) * rate));
    const b = Math.min(samples.length, Math.ceil((scale.time(px + 1) - first) * rate) + 1);
    let low = Infinity;
    let high = -Infinity;
    for (let i = a; i < b; i++) {
      if (samples[i] < low) low = samples[i];
      if (samples[i] > high) high = samples[i];
    }
    if (high >= low) g.fillRect(px, y(high), 1, Math.max(1, y(low) - y(high)));
  }
}

/**
 * Draw one row of an envelope, `[low, height]` in steps a bin, from one time to another: pale from the lowest to the
 * highest of each point, full from the mean of the lowest to the mean of the highest of its bins.
 */
function drawEnvelope(g, low, height, step, binSeconds, scale, span, y) {
  const start = Math.max(scale.left, scale.x(span[0]));
  const end = Math.min(scale.left + scale.width, scale.x(span[1]));
  for (let px = Math.floor(start); px < end; px++) {
    const a = Math.max(0, Math.floor(scale.time(px) / binSeconds));
    const b = Math.min(low.length, Math.max(a + 1, Math.ceil(scale.time(px + 1) / binSeconds)));
    let [least, most, sum, tall, n] = [Infinity, -Infinity, 0, 0, 0];
    for (let i = a; i < b; i++) {
      if (height[i] < 0) continue;
      if (low[i] < least) least = low[i];
      if (low[i] + height[i] > most) most = low[i] + height[i];
      sum += low[i];
      tall += height[i];
      n++;
    }
    if (!n) continue;
    drawColumn(g, px, y(most * step), y(least * step), 0.3);
    drawColumn(g, px, y(((sum + tall) / n) * step), y((sum / n) * step), 1);
  }
}

function drawColumn(g, x, top, bottom, alpha) {
  g.globalAlpha = alpha;
  g.fillRect(x, top, 1, Math.max(1, bottom - top));
  g.globalAlpha = 1;
}

/** Draw steps of a line from 0 to 1, broken where times are further apart than a step. */
function drawLine(g, line, box, scale, y) {
  const { times, values, step } = line;
  const perPixel = (scale.to - scale.from) / step / scale.width;
  let i = Math.max(0, firstAfter(times, scale.from * 1000) - 1);
  g.beginPath();
  if (perPixel > 1) {
    let before = null; // so that a column meets the one before it
    for (let px = Math.floor(box.x); px < box.x + box.w; px++) {
      const until = scale.time(px + 1) * 1000;
      let [low, high] = [Infinity, -Infinity];
      if (before !== null && i < times.length && times[i] < until) [low, high] = [before, before];
      for (; i < times.length && times[i] < until; i++) {
        if (times[i] + 1000 * step < scale.from * 1000) continue;
        low = Math.min(low, values[i]);
        high = Math.max(high, values[i]);
        before = values[i];
      }
      if (i < times.length && i > 0 && times[i] - times[i - 1] > 1500 * step) before = null;
      if (high >= low) g.rect(px, y(high / 1000), 1, Math.max(1.2, y(low / 1000) - y(high / 1000)));
    }
    g.fill();
    return;
  }
  let last = -Infinity;
  for (; i < times.length && times[i] < scale.to * 1000; i++) {
    const [from, to] = [times[i] / 1000, times[i] / 1000 + step];
    if (from - last > 0.5 * step) g.moveTo(scale.x(from), y(values[i] / 1000));
    g.lineTo(scale.x(from), y(values[i] / 1000));
    g.lineTo(scale.x(to), y(values[i] / 1000));
    last = to;
  }
  g.stroke();
}

/** Return the place of the first value that is larger. */
function firstAfter(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Draw spans of time as bars; none is too short to be seen. */
function drawSpans(g, spans, scale, top, height) {
  for (const [a, b] of spans) {
    if (b < scale.from || a > scale.to) continue;
    const x = Math.max(scale.left, scale.x(a));
    const end = Math.min(scale.left + scale.width, scale.x(b));
    g.fillRect(x, top, Math.max(1.5, end - x), height);
  }
}

/** Draw stages as a staircase, the first level at the top. */
function drawLevels(g, levels, box, scale, theme) {
  const y = (level) => box.y + ((level + 0.5) / levels.names.length) * box.h;
  levels.names.forEach((name, i) => drawName(g, name, box, y(i), theme.soft));
  g.save();
  g.beginPath();
  g.rect(box.x, box.y, box.w, box.h);
  g.clip();
  g.strokeStyle = theme.ink;
  g.lineWidth = 1.5;
  g.beginPath();
  let last = -Infinity;
  for (const [a, b, level] of levels.spans) {
    if (b < scale.from || a > scale.to) continue;
    if (a - last > 0.01) g.moveTo(scale.x(a), y(level));
    g.lineTo(scale.x(a), y(level));
    g.lineTo(scale.x(b), y(level));
    last = b;
  }
  g.stroke();
  g.restore();
}
