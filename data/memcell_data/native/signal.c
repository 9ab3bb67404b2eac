/* Passes over samples that numpy and scipy need many of: decoding, a look at quality, resampling, filtering.

   Every function gives the bits of the numpy or scipy code that it stands for (see `library.py`): numbers are added
   in the same order, and the compiler is told not to contract a product and a sum. What is done at once
   are outputs or channels that do not depend on each other. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 8
#define BIG_ENDIAN_HOST (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
typedef double lanes __attribute__((vector_size(8 * LANES)));
typedef double loose __attribute__((vector_size(8 * LANES), aligned(8)));
typedef double four __attribute__((vector_size(32)));

static inline double lesser(double a, double b) { return a < b ? a : b; }
static inline double greater(double a, double b) { return a > b ? a : b; }

#include "powers.h"
#include "quality.h"

/* Samples of one channel of an EDF (width 2) or BDF (width 3) file, in microvolts.

   `at` is the channel's first byte of the first record, `first` the sample of that record to begin with. */
void memcell_decode(const uint8_t *at, long record_bytes, long per_record, long width, long first,
                    long n, double scale, double offset, double volts, double factor, double *out) {
  while (n > 0) {
    long m = per_record - first < n ? per_record - first : n;
    const uint8_t *p = at + first * width;
    if (width == 2)
      for (long i = 0; i < m; i++) {
        int16_t v;
        memcpy(&v, p + 2 * i, 2);
        if (BIG_ENDIAN_HOST) v = (int16_t)((uint16_t)v << 8 | (uint16_t)v >> 8);
        out[i] = ((v * scale + offset) * volts) * factor;
      }
    else
      for (long i = 0; i < m; i++) {
        int32_t v = (int32_t)((uint32_t)p[3 * i] << 8 | (uint32_t)p[3 * i + 1] << 16 | (uint32_t)p[3 * i + 2] << 24) >> 8;
        out[i] = ((v * scale + offset) * volts) * factor;
      }
    out += m, n -= m, first = 0, at += record_bytes;
  }
}

/* The highest of what each channel spans; the lowest and the highest step of all. */
void memcell_jumps(const double *x, long channels, long n, double *found) {
  found[0] = 0, found[1] = INFINITY, found[2] = -INFINITY;
  for (long c = 0; c < channels; c++) {
    double low, high;
    extremes(x + c * n, n, &low, &high);
    found[0] = greater(high - low, found[0]);
    extreme_steps(x + c * n, n, &low, &high);
    found[1] = lesser(low, found[1]), found[2] = greater(high, found[2]);
  }
}

#define MOST_TAPS 1024
static inline long floored(long a, long b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/* Polyphase resampling: outputs first .. first + n - 1 of x with up - 1 zeros between its samples, low-passed, every
   `down`-th; each leans on `taps` samples, all of which are there.

   `h [up][taps]`: of each phase the taps, latest sample last. `work`: room for `length` + `down` numbers. */
void memcell_resample(const double *x, long channels, long length, long up, long down, const double *h,
                      long taps, long first, long n, double *work, double *out) {
  long column = (length + down - 1) / down;
  for (long c = 0; c < channels; c++, x += length, out += n) {
    /* one row for each place in a turn of `down` samples, so that neighbouring outputs read neighbours */
    const double *from = x;
    if (down > 1) {
      for (long r = 0; r < down; r++)
        for (long i = 0, at = r; at < length; i++, at += down) work[r * column + i] = x[at];
      from = work;
    }
    for (long p = 0; p < up; p++) {
      long low = floored(first - p + up - 1, up), stop = floored(first + n - 1 - p, up) + 1;
      long begin = p * down / up - taps + 1;
      const double *taps_of = h + (p * down % up) * taps;
      long q = low, place[MOST_TAPS]; /* where output 0 of this phase finds the sample of each tap */
      for (long j = 0; j < taps && taps <= MOST_TAPS; j++) {
        long turn = floored(begin + j, down);
        place[j] = (begin + j - turn * down) * column + turn;
      }
      for (; taps <= MOST_TAPS && q + 4 * LANES <= stop; q += 4 * LANES) {
        lanes a = {0}, b = {0}, e = {0}, f = {0};
        for (long j = 0; j < taps; j++) {
          const double *s = from + place[j] + q;
          a = a + *(const loose *)s * taps_of[j];
          b = b + *(const loose *)(s + LANES) * taps_of[j];
          e = e + *(const loose *)(s + 2 * LANES) * taps_of[j];
          f = f + *(const loose *)(s + 3 * LANES) * taps_of[j];
        }
        double row[4 * LANES], *to = up == 1 ? out + q - first : row;
        memcpy(to, &a, sizeof a);
        memcpy(to + LANES, &b, sizeof b);
        memcpy(to + 2 * LANES, &e, sizeof e);
        memcpy(to + 3 * LANES, &f, sizeof f);
        if (up > 1)
          for (int k = 0; k < 4 * LANES; k++) out[p + up * (q + k) - first] = row[k];
      }
      for (; q < stop; q++) {
        double sum = 0;
        const double *s = x + begin + down * q;
        for (long j = 0; j < taps; j++) sum = sum + s[j] * taps_of[j];
        out[p + up * q - first] = sum;
      }
    }
  }
}

/* Second-order sections along each channel, in place: transposed direct form II, as scipy's `sosfilt`.

   `sections [s][6]`, a0 of which is 1; `state [s][channels][2]`. Four channels go together. */
void memcell_sections(double *x, long channels, long n, const double *sections, long count, double *state) {
  for (long c = 0; c < channels; c += 4) {
    long wide = channels - c < 4 ? channels - c : 4;
    double *row[4];
    for (long k = 0; k < 4; k++) row[k] = x + (c + (k < wide ? k : 0)) * n;
    for (long s = 0; s < count; s++) {
      const double *b = sections + 6 * s;
      four b0 = {b[0], b[0], b[0], b[0]}, b1 = {b[1], b[1], b[1], b[1]}, b2 = {b[2], b[2], b[2], b[2]};
      four a1 = {b[4], b[4], b[4], b[4]}, a2 = {b[5], b[5], b[5], b[5]}, z0 = {0}, z1 = {0};
      double *z = state + 2 * (s * channels + c);
      for (long k = 0; k < wide; k++) z0[k] = z[2 * k], z1[k] = z[2 * k + 1];
      for (long i = 0; i < n; i++) {
        four now = {row[0][i], row[1][i], row[2][i], row[3][i]};
        four next = b0 * now + z0;
        z0 = b1 * now - a1 * next + z1;
        z1 = b2 * now - a2 * next;
        for (long k = wide - 1; k >= 0; k--) row[k][i] = next[k];
      }
      for (long k = 0; k < wide; k++) z[2 * k] = z0[k], z[2 * k + 1] = z1[k];
    }
  }
}

/* Steps less a running mean, divided by a running spread: `memcell_eeg.features.normalize` says how.

   `mean`, `spread [f]`; `block [longest][f]` holds the steps of the block so far. `place`: steps before the block, its
   steps, how many of them are done. `rule`: memory, prior steps, the largest distance in spreads, sigma per
   mean distance, the least spread. */
void memcell_normalize(const double *x, long n, long f, double *mean, double *spread, double *block,
                       int64_t *place, long longest, const double *rule, double *out) {
  for (long i = 0; i < n; i++, x += f, out += f) {
    double *row = block + place[2] * f;
    for (long k = 0; k < f; k++) {
      row[k] = x[k] - mean[k];
      out[k] = row[k] / spread[k];
    }
    if (++place[2] < place[1]) continue;
    long steps = place[1];
    double past = (double)(place[0] + steps), memory = rule[0];
    double of_mean = past < memory ? past : memory, of_spread = past - 1 + rule[1];
    if (of_spread > memory) of_spread = memory;
    for (long k = 0; k < f; k++) {
      double far = rule[2] * spread[k], sum = 0, size = 0;
      for (long s = 0; s < steps; s++) {
        double d = block[s * f + k];
        d = d > -far ? d : -far;
        d = d < far ? d : far;
        sum = s ? sum + d : d;
        size = s ? size + fabs(d) : fabs(d);
      }
      mean[k] += sum / of_mean;
      spread[k] += (rule[3] * size - (double)steps * spread[k]) / of_spread;
      if (!(spread[k] > rule[4])) spread[k] = rule[4];
    }
    place[0] += steps, place[2] = 0;
    steps = (long)(place[0] / 10);
    if (steps > longest) steps = longest;
    place[1] = steps > 1 ? steps : 1;
  }
}
