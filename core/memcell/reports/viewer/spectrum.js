// Spectrograms: that of the whole recording comes with the page; of a few minutes it is made of the waveform.

/** Transform real and imaginary parts in place; the length is a power of 2. */
function fourier(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j |= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let length = 2; length <= n; length *= 2) {
    const turn = (-2 * Math.PI) / length;
    for (let i = 0; i < n; i += length) {
      for (let k = 0; k < length / 2; k++) {
        const [c, s] = [Math.cos(turn * k), Math.sin(turn * k)];
        const [a, b] = [i + k, i + k + length / 2];
        const [x, y] = [re[b] * c - im[b] * s, re[b] * s + im[b] * c];
        re[b] = re[a] - x;
        im[b] = im[a] - y;
        re[a] += x;
        im[a] += y;
      }
    }
  }
}

/**
 * Return a spectrogram of samples: columns of decibels at each half hertz, as the page's own has them.
 * A window that holds an unknown sample has no column.
 */
function spectrogramOf(samples, rate, seconds, frequencies, hop) {
  const n = Math.round(seconds * rate);
  const size = 2 ** Math.ceil(Math.log2(n));
  const window = Float64Array.from({ length: n }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / n));
  const energy = window.reduce((sum, w) => sum + w * w, 0);
  const columns = [];
  for (let start = 0; start + n <= samples.length; start += hop) {
    const re = new Float64Array(size);
    for (let i = 0; i < n; i++) re[i] = samples[start + i] * window[i];
    columns.push(Number.isNaN(re.reduce((a, b) => a + b, 0)) ? null : decibels(re, rate, energy, seconds, frequencies));
  }
  return columns;
}

function decibels(re, rate, energy, seconds, frequencies) {
  const im = new Float64Array(re.length);
  fourier(re, im);
  return Float32Array.from({ length: frequencies }, (_, k) => {
    const at = Math.round(((k / seconds) * re.length) / rate);
    return 10 * Math.log10(Math.max(1e-6, (2 * (re[at] ** 2 + im[at] ** 2)) / (rate * energy)));
  });
}

// Anchors of the viridis map, dark to bright: it is read alike by people who see colours differently.
const VIRIDIS = [
  [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99],
  [170, 220, 50], [253, 231, 37],
];

/** Return the colour of a share from 0 to 1. */
function viridis(share) {
  const place = Math.min(0.9999, Math.max(0, share)) * (VIRIDIS.length - 1);
  const [low, high] = [VIRIDIS[Math.floor(place)], VIRIDIS[Math.floor(place) + 1]];
  return low.map((value, i) => value + (high[i] - value) * (place % 1));
}

/** Return a small canvas with a pixel for each column and frequency, the lowest at the bottom. */
function spectrogramImage(columns, frequencies, low, high) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, columns.length);
  canvas.height = frequencies;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, frequencies);
  columns.forEach((column, x) => {
    for (let k = 0; column && k < frequencies; k++) {
      if (column[k] < -99) continue; // not recorded
      const at = 4 * ((frequencies - 1 - k) * canvas.width + x);
      image.data.set([...viridis((column[k] - low) / (high - low)), 255], at);
    }
  });
  context.putImageData(image, 0, 0);
  return canvas;
}
