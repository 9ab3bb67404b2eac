/* A look at the quality of samples: what stands still, what they span, how they move. */

/* Lowest and highest of all lanes. */
static inline void folded(double *l, double *h, double *low, double *high) {
  for (int w = LANES; w; w /= 2)
    for (int k = 0; k < w; k++) l[k] = lesser(l[k + w], l[k]), h[k] = greater(h[k + w], h[k]);
  *low = l[0], *high = h[0];
}

/* Lowest and highest of n numbers, none of them NaN. */
static void extremes(const double *x, long n, double *low, double *high) {
  double l[2 * LANES], h[2 * LANES];
  for (int k = 0; k < 2 * LANES; k++) l[k] = INFINITY, h[k] = -INFINITY;
  long i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES)
    for (int k = 0; k < 2 * LANES; k++) l[k] = lesser(x[i + k], l[k]), h[k] = greater(x[i + k], h[k]);
  for (; i < n; i++) l[0] = lesser(x[i], l[0]), h[0] = greater(x[i], h[0]);
  folded(l, h, low, high);
}

/* Lowest and highest of the n - 1 differences of neighbours. */
static void extreme_steps(const double *x, long n, double *low, double *high) {
  double l[2 * LANES], h[2 * LANES];
  for (int k = 0; k < 2 * LANES; k++) l[k] = INFINITY, h[k] = -INFINITY;
  long i = 0;
  for (; i + 2 * LANES <= n - 1; i += 2 * LANES)
    for (int k = 0; k < 2 * LANES; k++) {
      double d = x[i + k + 1] - x[i + k];
      l[k] = lesser(d, l[k]), h[k] = greater(d, h[k]);
    }
  for (; i < n - 1; i++) {
    double d = x[i + 1] - x[i];
    l[0] = lesser(d, l[0]), h[0] = greater(d, h[0]);
  }
  folded(l, h, low, high);
}

/* Whether n numbers span at most the limit; most often a few of them span more already. */
static int spans(const double *x, long n, double limit) {
  double low, high;
  if (n > 2 * LANES) {
    extremes(x, 2 * LANES, &low, &high);
    if (high - low > limit) return 0;
  }
  extremes(x, n, &low, &high);
  return high - low <= limit;
}

/* The same of the differences of neighbours. */
static int steps_span(const double *x, long n, double limit) {
  double low, high;
  if (n > 2 * LANES + 1) {
    extreme_steps(x, 2 * LANES + 1, &low, &high);
    if (high - low > limit) return 0;
  }
  extreme_steps(x, n, &low, &high);
  return high - low <= limit;
}

/* Whether all numbers are finite. */
long memcell_finite(const double *x, long n) {
  double worst[LANES] = {0};
  long i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int k = 0; k < LANES; k++) worst[k] += x[i + k] * 0.0; /* NaN from then on */
  double sum = 0;
  for (; i < n; i++) sum += x[i] * 0.0;
  for (int k = 0; k < LANES; k++) sum += worst[k];
  return sum == 0.0;
}

/* Whether a stretch of `half` samples hardly moves, by its values or, if asked, by its steps, or the differences of
   a whole stretch of `rest` are zero. All numbers are finite. */
long memcell_still(const double *x, long n, long half, double limit, long steps, long rest) {
  for (long at = 0; at + half <= n; at += half)
    if (spans(x + at, half, limit) || (steps && steps_span(x + at, half, limit))) return 1;
  for (long at = 0; at + rest < n; at += rest) {
    long i = 0;
    while (i < rest && x[at + i + 1] - x[at + i] == 0) i++;
    if (i == rest) return 1;
  }
  return 0;
}

/* Whether the next n samples of some channels are finite and, with the `held` ones before them, nowhere still.

   `tails [channels][most]` ends with the held samples, and gets the last `most` of all in their place where
   nothing is still; `room [2 most + 1]`. `rules [channels][2]`: limit and steps of `memcell_still`; a limit below
   zero for a channel that may be still. `low`, `high`: of all samples that are no longer held. */
long memcell_quiet(const double *x, long channels, long channel, long n, double *tails, long held, long most,
                   long half, const double *rules, long rest, double *room, double *low, double *high) {
  for (long c = 0; c < channels; c++)
    if (!memcell_finite(x + c * channel, n)) return 0;
  long joined = n < most + 1 ? n : most + 1, left = held + n < most ? held + n : most;
  for (long c = 0; c < channels; c++) {
    const double *row = x + c * channel, *rule = rules + 2 * c;
    if (rule[0] < 0) continue;
    memcpy(room, tails + c * most + most - held, held * sizeof(double));
    memcpy(room + held, row, joined * sizeof(double));
    if (memcell_still(room, held + joined, half, rule[0], rule[1] != 0, rest)) return 0;
    if (joined < n && memcell_still(row, n, half, rule[0], rule[1] != 0, rest)) return 0;
  }
  for (long c = 0; c < channels; c++) {
    const double *row = x + c * channel;
    double *tail = tails + c * most, l, h, a, b;
    long out = held + n - left, of_tail = out < held ? out : held;
    extremes(tail + most - held, of_tail, &l, &h);
    extremes(row, out - of_tail, &a, &b);
    low[c] = lesser(a, l), high[c] = greater(b, h);
    if (n < most) memmove(tail, tail + n, (most - n) * sizeof(double));
    long new = n < most ? n : most;
    memcpy(tail + most - new, row + n - new, new * sizeof(double));
  }
  return 1;
}

/* Of each channel: lowest and highest sample; how many differences from the sample before are not zero, and finite;
   the sum of their sizes, and the least of them. `last [channels]`: the sample before the first one, NaN for
   none; gets the last one. `found [channels][5]`. */
void memcell_moves(const double *x, long channels, long channel, long n, double *last, double *found) {
  for (long c = 0; c < channels; c++, x += channel, found += 5) {
    double l[LANES], h[LANES], count[LANES] = {0}, sum[LANES] = {0}, least[LANES];
    for (int k = 0; k < LANES; k++) least[k] = l[k] = INFINITY, h[k] = -INFINITY;
    double d = fabs(x[0] - last[c]);
    if (d > 0 && d < INFINITY) count[0] = 1, sum[0] = d, least[0] = d;
    long i = 0;
    for (; i + LANES <= n - 1; i += LANES)
      for (int k = 0; k < LANES; k++) {
        double here = x[i + k], size = fabs(x[i + k + 1] - here);
        size = size < INFINITY ? size : 0;
        count[k] += size > 0 ? 1.0 : 0.0;
        sum[k] += size;
        least[k] = lesser(size > 0 ? size : INFINITY, least[k]);
        l[k] = lesser(here, l[k]), h[k] = greater(here, h[k]);
      }
    for (; i < n; i++) {
      l[0] = lesser(x[i], l[0]), h[0] = greater(x[i], h[0]);
      double size = i < n - 1 ? fabs(x[i + 1] - x[i]) : 0;
      if (size > 0 && size < INFINITY) count[0] += 1, sum[0] += size, least[0] = lesser(size, least[0]);
    }
    for (int k = 1; k < LANES; k++) {
      count[0] += count[k], sum[0] += sum[k], least[0] = lesser(least[k], least[0]);
      l[0] = lesser(l[k], l[0]), h[0] = greater(h[k], h[0]);
    }
    found[0] = l[0], found[1] = h[0], found[2] = count[0], found[3] = sum[0], found[4] = least[0];
    last[c] = x[n - 1];
  }
}

/* Which rows span more than the limit; returns how many. */
long memcell_wide(const double *x, long rows, long width, double limit, uint8_t *wide) {
  long found = 0;
  for (long r = 0; r < rows; r++) {
    double low, high;
    extremes(x + r * width, width, &low, &high);
    wide[r] = high - low > limit;
    found += wide[r];
  }
  return found;
}
