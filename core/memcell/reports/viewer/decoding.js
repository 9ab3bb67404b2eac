// What `memcell.reports.viewer.coding` packed, unpacked again: only what is looked at, when it is looked at.

/** Return the bytes of a base64 text. */
function bytesOf(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

/** Return deflated bytes as they were. */
async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Return a signed integer of an unsigned one: 0, -1, 1, -2 of 0, 1, 2, 3. */
function unzigzag(z) {
  return z % 2 ? -(z + 1) / 2 : z / 2;
}

/** Return rows of integers: groups of 7 bits, the lowest first; a row by its differences. */
function integersOf(bytes, rows) {
  let count = 0;
  for (let i = 0; i < bytes.length; i++) if (bytes[i] < 128) count++;
  const n = count / rows;
  const out = [];
  let at = 0;
  for (let r = 0; r < rows; r++) {
    const row = new Int32Array(n);
    let value = 0;
    for (let i = 0; i < n; i++) {
      let z = 0;
      let place = 1;
      while (bytes[at] > 127) {
        z += (bytes[at++] - 128) * place;
        place *= 128;
      }
      z += bytes[at++] * place;
      value += unzigzag(z);
      row[i] = value;
    }
    out.push(row);
  }
  return out;
}

/**
 * Return the samples of a chunk, a row a channel: their number (two bytes), a byte for each block of each row (its
 * step and its order of differencing), then the residuals.
 */
function samplesOf(bytes, channels, rate, blockSeconds) {
  const block = rate * blockSeconds;
  const n = bytes[0] + 256 * bytes[1];
  const blocks = Math.ceil(n / block);
  const out = [];
  let at = 2 + channels * blocks;
  for (let c = 0; c < channels; c++) {
    const row = new Float32Array(n);
    for (let k = 0; k < blocks; k++) {
      const head = bytes[2 + c * blocks + k];
      const step = 2 ** ((head & 63) / 3 - 4);
      const order = head >> 6;
      const sums = new Float64Array(order + 1);
      const end = Math.min(n, (k + 1) * block);
      for (let i = k * block; i < end; i++) {
        let z = bytes[at++];
        if (z === 255) {
          z = bytes[at] + 256 * bytes[at + 1];
          at += 2;
        }
        sums[0] = unzigzag(z);
        for (let j = 1; j <= order; j++) sums[j] += sums[j - 1];
        row[i] = sums[order] * step;
      }
    }
    out.push(row);
  }
  return out;
}

/** The minutes of a waveform, unpacked as they are asked for; the last ones looked at are kept. */
class Chunks {
  constructor(text, signals, arrived) {
    this.text = text;
    this.lengths = signals.lengths;
    this.signals = signals;
    this.arrived = arrived;
    this.kept = new Map();
    this.offsets = [0];
    for (const length of signals.lengths) this.offsets.push(this.offsets.at(-1) + 4 * Math.ceil(length / 3));
  }

  /** Return the rows of a minute; null where they are not there, or not yet. */
  rows(i) {
    const found = this.kept.get(i);
    if (found === undefined && this.lengths[i]) this.fetch(i);
    return found || null;
  }

  async fetch(i) {
    this.kept.set(i, null);
    try {
      const bytes = bytesOf(this.text.slice(this.offsets[i], this.offsets[i + 1]));
      const { channels, rate, blockSeconds } = this.signals;
      this.kept.set(i, samplesOf(await inflated(bytes), channels.length, rate, blockSeconds));
    } catch {
      this.lengths[i] = 0; // damaged: the envelope stays
    }
    for (const old of this.kept.keys()) {
      if (this.kept.size <= 64) break;
      if (this.kept.get(old)) this.kept.delete(old);
    }
    this.arrived();
  }
}
