/* Powers of bands of windows: taper, Fourier transform of real numbers, sums of squares, 16 windows side by side.

   The transform is FFTPACK's (Swarztrauber 1982) by factors 2 to 5, and every sum in it is made in the order in
   which scipy's makes it (pocketfft, M. Reinecke, BSD-3-Clause), so that the bits are scipy's. Windows may overlap: each
   sample is put in place once. */

typedef float wide __attribute__((vector_size(64)));
typedef float anywhere __attribute__((vector_size(64), aligned(4)));
#define WIDE 16

/* What a pass by one factor is made on: `m` numbers of each of `groups` transforms that are done already, `factor`
   of which make one. */
#define FROM(a, k, c) from[(a) + m * ((k) + groups * (c))]
#define TO(a, b, k) to[(a) + m * ((b) + FACTOR * (k))]
/* Real and imaginary part of a number turned back by the angle of a twiddle. */
#define TURNED(re, im, j)                                                                   \
  const float *w_##re = twiddles + (j) * (m - 1) + i - 2;                                   \
  wide x_##re = FROM(i - 1, k, (j) + 1), y_##re = FROM(i, k, (j) + 1);                      \
  wide re = w_##re[0] * x_##re + w_##re[1] * y_##re, im = w_##re[0] * y_##re - w_##re[1] * x_##re

#define FACTOR 2
static void by_two(long m, long groups, const wide *restrict from, wide *restrict to, const float *twiddles) {
  for (long k = 0; k < groups; k++) {
    wide a = FROM(0, k, 0), b = FROM(0, k, 1);
    TO(0, 0, k) = a + b, TO(m - 1, 1, k) = a - b;
    if (m % 2 == 0) TO(0, 1, k) = -FROM(m - 1, k, 1), TO(m - 1, 0, k) = FROM(m - 1, k, 0);
    for (long i = 2; i < m; i += 2) {
      TURNED(r1, i1, 0);
      wide r0 = FROM(i - 1, k, 0), i0 = FROM(i, k, 0);
      TO(i - 1, 0, k) = r0 + r1, TO(m - i - 1, 1, k) = r0 - r1;
      TO(i, 0, k) = i1 + i0, TO(m - i, 1, k) = i1 - i0;
    }
  }
}
#undef FACTOR

#define FACTOR 3
static void by_three(long m, long groups, const wide *restrict from, wide *restrict to, const float *twiddles) {
  const float c1 = -0.5f, s1 = 0.866025403784438646763723170752936183f;
  for (long k = 0; k < groups; k++) {
    wide a = FROM(0, k, 0), b = FROM(0, k, 1), c = FROM(0, k, 2), sum = b + c;
    TO(0, 0, k) = a + sum, TO(0, 2, k) = s1 * (c - b), TO(m - 1, 1, k) = a + c1 * sum;
    for (long i = 2; i < m; i += 2) {
      TURNED(r1, i1, 0);
      TURNED(r2, i2, 1);
      wide r0 = FROM(i - 1, k, 0), i0 = FROM(i, k, 0);
      wide rs = r1 + r2, is = i1 + i2, rd = i1 - i2, id = r2 - r1;
      TO(i - 1, 0, k) = r0 + rs, TO(i, 0, k) = i0 + is;
      wide rc = r0 + c1 * rs, ic = i0 + c1 * is, rt = s1 * rd, it = s1 * id;
      TO(i - 1, 2, k) = rc + rt, TO(m - i - 1, 1, k) = rc - rt;
      TO(i, 2, k) = it + ic, TO(m - i, 1, k) = it - ic;
    }
  }
}
#undef FACTOR

#define FACTOR 4
static void by_four(long m, long groups, const wide *restrict from, wide *restrict to, const float *twiddles) {
  const float half = 0.707106781186547524400844362104849039f;
  for (long k = 0; k < groups; k++) {
    wide a = FROM(0, k, 0), b = FROM(0, k, 1), c = FROM(0, k, 2), d = FROM(0, k, 3);
    wide even = a + c, odd = d + b;
    TO(0, 2, k) = d - b, TO(m - 1, 1, k) = a - c;
    TO(0, 0, k) = even + odd, TO(m - 1, 3, k) = even - odd;
    if (m % 2 == 0) {
      wide p = FROM(m - 1, k, 0), q = FROM(m - 1, k, 1), r = FROM(m - 1, k, 2), s = FROM(m - 1, k, 3);
      wide it = -half * (q + s), rt = half * (q - s);
      TO(m - 1, 0, k) = p + rt, TO(m - 1, 2, k) = p - rt;
      TO(0, 3, k) = it + r, TO(0, 1, k) = it - r;
    }
    for (long i = 2; i < m; i += 2) {
      TURNED(r1, i1, 0);
      TURNED(r2, i2, 1);
      TURNED(r3, i3, 2);
      wide r0 = FROM(i - 1, k, 0), i0 = FROM(i, k, 0);
      wide ra = r3 + r1, rb = r3 - r1, ia = i1 + i3, ib = i1 - i3;
      wide rc = r0 + r2, rd = r0 - r2, ic = i0 + i2, id = i0 - i2;
      TO(i - 1, 0, k) = rc + ra, TO(m - i - 1, 3, k) = rc - ra;
      TO(i, 0, k) = ia + ic, TO(m - i, 3, k) = ia - ic;
      TO(i - 1, 2, k) = rd + ib, TO(m - i - 1, 1, k) = rd - ib;
      TO(i, 2, k) = rb + id, TO(m - i, 1, k) = rb - id;
    }
  }
}
#undef FACTOR

#define FACTOR 5
static void by_five(long m, long groups, const wide *restrict from, wide *restrict to, const float *twiddles) {
  const float c1 = 0.309016994374947424102293417182819059f, s1 = 0.951056516295153572116439333379382143f;
  const float c2 = -0.809016994374947424102293417182819059f, s2 = 0.587785252292473129168705954639072769f;
  for (long k = 0; k < groups; k++) {
    wide a = FROM(0, k, 0), b = FROM(0, k, 1), c = FROM(0, k, 2), d = FROM(0, k, 3), e = FROM(0, k, 4);
    wide be = e + b, eb = e - b, cd = d + c, dc = d - c;
    TO(0, 0, k) = a + be + cd;
    TO(m - 1, 1, k) = a + c1 * be + c2 * cd, TO(0, 2, k) = s1 * eb + s2 * dc;
    TO(m - 1, 3, k) = a + c2 * be + c1 * cd, TO(0, 4, k) = s2 * eb - s1 * dc;
    for (long i = 2; i < m; i += 2) {
      TURNED(r1, i1, 0);
      TURNED(r2, i2, 1);
      TURNED(r3, i3, 2);
      TURNED(r4, i4, 3);
      wide r0 = FROM(i - 1, k, 0), i0 = FROM(i, k, 0);
      wide ra = r1 + r4, ia = i1 + i4, rd = i1 - i4, id = r4 - r1;
      wide rb = r2 + r3, ib = i2 + i3, re = i2 - i3, ie = r3 - r2;
      TO(i - 1, 0, k) = r0 + ra + rb, TO(i, 0, k) = i0 + ia + ib;
      wide rp = r0 + c1 * ra + c2 * rb, ip = i0 + c1 * ia + c2 * ib;
      wide rq = r0 + c2 * ra + c1 * rb, iq = i0 + c2 * ia + c1 * ib;
      wide rt = s1 * rd + s2 * re, it = s1 * id + s2 * ie;
      wide ru = s2 * rd - s1 * re, iu = s2 * id - s1 * ie;
      TO(i - 1, 2, k) = rp + rt, TO(m - i - 1, 1, k) = rp - rt;
      TO(i, 2, k) = it + ip, TO(m - i, 1, k) = it - ip;
      TO(i - 1, 4, k) = rq + ru, TO(m - i - 1, 3, k) = rq - ru;
      TO(i, 4, k) = iu + iq, TO(m - i, 3, k) = iu - iq;
    }
  }
}
#undef FACTOR

/* The sum of the squares of n numbers in the order in which numpy adds (pairwise, eight sums at a time). */
static wide squares(const wide *a, long n) {
  wide sum = {0};
  if (n < 8) {
    for (long i = 0; i < n; i++) sum += a[i] * a[i];
    return sum;
  }
  if (n <= 128) {
    wide s[8];
    for (int k = 0; k < 8; k++) s[k] = a[k] * a[k];
    long i = 8;
    for (; i + 8 <= n; i += 8)
      for (int k = 0; k < 8; k++) s[k] += a[i + k] * a[i + k];
    sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    for (; i < n; i++) sum += a[i] * a[i];
    return sum;
  }
  long half = n / 2;
  half -= half % 8;
  return squares(a, half) + squares(a + half, n - half);
}

/* Sums of the squares of spectra's real and imaginary parts over bands.

   Window r of channel c is the `width` numbers at `x + r * row + c * channel`, times the taper and followed by
   zeros up to `length`. `plan`: how many factors, and these in the order of their passes; `twiddles`: those of
   each pass. Parts of line l are 2 l and 2 l + 1; a band begins at one of `starts` and ends at the next, the last
   at `stop`. `work`: room for 32 (length + 2) + 16 numbers and h (16 + (width - 1) / h), h the lesser of `row` and
   `width`. `out [rows][channels][bands]`. */
void memcell_powers(const float *x, long rows, long row, long channels, long channel, long width,
                    const float *taper, long length, const int64_t *plan, const float *twiddles,
                    const int64_t *starts, long bands, long stop, float *work, float *out) {
  wide *first = (wide *)(((uintptr_t)work + 63) / 64 * 64) + 1, *second = first + length + 2;
  float *turns = (float *)(second + length + 1); /* one row for each place between two windows' beginnings */
  long hop = row < width ? row : width, last = (width - 1) / hop, columns = WIDE + last;
  for (long c = 0; c < channels; c++, x += channel)
    for (long r = 0; r < rows; r += WIDE) {
      long many = rows - r < WIDE ? rows - r : WIDE;
      for (long q = 0; q < columns; q++) {
        const float *at = x + (hop < width ? (r + q) * hop : (r + q) * row);
        long left = q < many ? hop : hop < width ? (many - 1 - q) * hop + width : 0;
        for (long p = 0; p < hop; p++) turns[p * columns + q] = p < left ? at[p] : 0;
      }
      wide *from = first, *to = second;
      for (long i = 0, q = 0, p = 0; i < width; i++) {
        from[i] = *(const anywhere *)(turns + p * columns + q) * taper[i];
        if (++p == hop) p = 0, q++;
      }
      for (long i = width; i < length; i++) from[i] = (wide){0};
      const float *turn = twiddles;
      for (long k = 0, m = 1, groups = length; k < plan[0]; k++) {
        long factor = plan[k + 1];
        groups /= factor;
        (factor == 2 ? by_two : factor == 3 ? by_three : factor == 4 ? by_four : by_five)(m, groups, from, to, turn);
        turn += (factor - 1) * (m - 1);
        m *= factor;
        wide *swap = from;
        from = to, to = swap;
      }
      /* of the first line, and of the last where length is even, the imaginary part is zero and not there */
      from[-1] = from[0], from[0] = (wide){0}, from[length] = (wide){0};
      for (long b = 0; b < bands; b++) {
        const wide *here = from + starts[b] - 1;
        wide sum = here[0] * here[0] + squares(here + 1, (b + 1 < bands ? starts[b + 1] : stop) - starts[b] - 1);
        for (long l = 0; l < many; l++) out[((r + l) * channels + c) * bands + b] = sum[l];
      }
    }
}
