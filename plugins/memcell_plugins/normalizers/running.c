/* Running statistics of a line of ages, folded in one pass: `RunningStatistics.accumulate_line`, to the bit.

   Compiled without contraction: what torch rounds twice is rounded twice here. */

/* torch's lerp, which fuses the product and the sum where the machine does. */
INLINE real lerp(real from, real to, real weight) {
  const real small = weight < 0 ? -weight : weight;
  const real part = small < (real)0.5 ? weight : weight - 1, base = small < (real)0.5 ? from : to;
#if !defined(__FMA__)
  return base + part * (to - from);
#elif defined(MEMCELL_DOUBLE)
  return __builtin_fma(part, to - from, base);
#else
  return __builtin_fmaf(part, to - from, base);
#endif
}

/* The mean over rows of x, or, where there is `about`, of (x - about)^2 + y. In torch's order, which is this one for
   widths of whole groups of its vectors: sums of 16 rows, of 16 such sums, up to the fourth. `sums`: 4 rows. */
static void mean_of_rows(long rows, long width, const real *x, const real *y, const real *about, real *sums,
                         real *out) {
  real *level[4] = {sums, sums + width, sums + 2 * width, sums + 3 * width};
  memset(sums, 0, sizeof(real) * 4 * (size_t)width);
  long digits = 0;
  while (1L << digits < rows) digits++;
  const long power = digits / 4 > 4 ? digits / 4 : 4;
  const long step = 1L << power;
  for (long i = 0; i < rows; i++) {
    for (long j = 0; j < width; j++) {
      const real from = x[i * width + j];
      real value = from;
      if (about) {
        const real d = from - about[j];
        value = d * d + y[i * width + j];
      }
      level[0][j] += value;
    }
    const long done = i + 1;
    if (done % step) continue;
    for (long l = 1, block = step; l < 4; l++, block <<= power) {
      for (long j = 0; j < width; j++) level[l][j] += level[l - 1][j], level[l - 1][j] = 0;
      if (done % (block << power)) break;
    }
  }
  for (long j = 0; j < width; j++) {
    real total = level[0][j];
    for (long l = 1; l < 4; l++) total += level[l][j];
    out[j] = total / (real)rows;
  }
}

/* Fold `steps` rows of means and variances into the ages from the first of `ages` on; rows beyond the last
   age share it: their mean and variance together are the last two rows of `room` (6 rows), which are computed
   here where `known` is 0. momentum < 0: plain averages. */
void memcell_running(long steps, long ages, long width, const real *mean, const real *variance, long lanes,
                     double momentum, long trusted, real *running_mean, real *running_variance,
                     int64_t *seen, real *room, long known) {
  const long alone = least(steps, ages - 1), together = steps - alone;
  const long rows = alone + (together > 0);
  const real *late_mean = mean + alone * width, *late_variance = variance + alone * width;
  if (together > 1) {
    if (!known) {
      mean_of_rows(together, width, late_mean, 0, 0, room, room + 4 * width);
      mean_of_rows(together, width, late_mean, late_variance, room + 4 * width, room, room + 5 * width);
    }
    late_mean = room + 4 * width, late_variance = room + 5 * width;
  }
  const long last = together > 1 ? together : 1;
  for (long r = 0; r < rows; r++) seen[r] += r == rows - 1 ? last * lanes : lanes;
  int fixed = momentum >= 0 && lanes >= trusted;
  for (long r = 0; r < rows && fixed; r++) {
    const long n = r == rows - 1 ? last * lanes : lanes;
    fixed = (double)n <= momentum * (double)seen[r];
  }
  for (long r = 0; r < rows; r++) {
    const real n = (real)lanes * (r == rows - 1 ? (real)last : 1);
    real rate = (real)momentum, rest = (real)(1 - momentum);
    if (!fixed) {
      rate = n / (real)seen[r];
      if (momentum >= 0) {
        real share = n / (real)trusted;
        share = (share > 1 ? 1 : share) * (real)momentum;
        rate = rate > share ? rate : share;
      }
      rest = 1 - rate;
    }
    const real *m = r == alone ? late_mean : mean + r * width;
    const real *v = r == alone ? late_variance : variance + r * width;
    real *rm = running_mean + r * width, *rv = running_variance + r * width;
#pragma omp simd
    for (long j = 0; j < width; j++) {
      const real d = m[j] - rm[j];
      rm[j] = lerp(rm[j], m[j], rate);
      rv[j] = lerp(rv[j], d * d * rest + v[j], rate);
    }
  }
}
