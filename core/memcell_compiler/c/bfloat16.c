/* Matrix products of bfloat16 numbers by `vdpbf16ps`, summed in float32; compiled behind kernels.c
   and rounding.c, in the same unit.

   A program calls them as it calls those of float32: what it hands over and what it gets back is float32.
   Its weights are packed in bfloat16 by `bfloat16_weights`, two rows in one: a real of a panel holds the
   numbers of rows 2k and 2k + 1 of its column, which one instruction multiplies and adds to a float32 sum.
   Left factors are rounded when they are read. In a product whose left factor lies transposed (a gradient of
   parameters) both factors are made anew at each step, lie in float32, and are rounded here.

   Only this file knows how a weight that it packed lies; amx.c has its own two tables, and its own way. */

/* Pairs of a left factor that are rounded at a time (64 KiB), and those of a right one of one panel. */
#define LEFT 16384
#define DEEP 2048
#define RIGHT 128

/* Round `depth` numbers that lie side by side; an odd one is paired with zero. */
INLINE void round_row(long depth, const real *a, uint32_t *to) {
  for (long k = 0; k < depth; k += 32) {
    const long left = depth - k;
    const __mmask32 here = left >= 32 ? 0xffffffffu : (1u << left) - 1;
    const __m512 low = _mm512_maskz_loadu_ps((__mmask16)here, a + k);
    const __m512 high = left > 16 ? _mm512_maskz_loadu_ps((__mmask16)(here >> 16), a + k + 16) : _mm512_setzero_ps();
    const long pairs = least(16, (left + 1) / 2);
    _mm512_mask_storeu_epi32(to + k / 2, (__mmask16)((1u << pairs) - 1), (__m512i)_mm512_cvtne2ps_pbh(high, low));
  }
}

/* Round `columns` numbers of each of `depth` rows: pairs of rows, `width` of them from one to the next. */
INLINE void round_rows(long depth, long columns, const real *a, long ld, uint32_t *to, long width) {
  for (long k = 0; k < depth; k += 2, a += 2 * ld, to += width)
    for (long i = 0; i < columns; i += 16) {
      const __mmask16 here = columns - i >= 16 ? 0xffff : (__mmask16)((1u << (columns - i)) - 1);
      const __m512 even = _mm512_maskz_loadu_ps(here, a + i);
      const __m512 odd = k + 1 < depth ? _mm512_maskz_loadu_ps(here, a + ld + i) : _mm512_setzero_ps();
      _mm512_mask_storeu_epi32(to + i, here, paired(even, odd));
    }
}

/* A part of the depth, rounded: its pairs, and the right factor of the panel that is at hand. */
struct rounded {
  long pairs;
  const uint32_t *a, *w;
};

/* One tile of C, as `tile` of kernels.c; by_row and by_depth: from one pair of the left factor to the next. */
INLINE void pairs_tile(const long rows, const long vectors, const long by_depth, long count,
                       const struct rounded *parts, long by_row, real *c, long ldc, long add, long columns) {
  __m512 sum[14][4];
  real whole[14 * 4 * 16];
  const long full = columns == vectors * 16;
  const real *from = c;
  long ld = ldc;
  if (add && !full) {
    for (long i = 0; i < rows; i++)
      for (long k = 0; k < vectors * 16; k++) whole[i * vectors * 16 + k] = k < columns ? c[i * ldc + k] : 0;
    from = whole, ld = vectors * 16;
  }
  if (add) {
    UNROLL for (long i = 0; i < rows; i++) UNROLL for (long v = 0; v < vectors; v++)
        sum[i][v] = _mm512_loadu_ps(from + i * ld + v * 16);
  } else {
    UNROLL for (long i = 0; i < rows; i++) UNROLL for (long v = 0; v < vectors; v++)
        sum[i][v] = _mm512_setzero_ps();
  }
  for (const struct rounded *part = parts; part < parts + count; part++) {
    const uint32_t *a = part->a, *b = part->w;
    for (long k = 0; k < part->pairs; k++) {
      __m512bh w[4];
      UNROLL for (long v = 0; v < vectors; v++) w[v] = (__m512bh)_mm512_loadu_si512(b + (k * vectors + v) * 16);
      UNROLL for (long i = 0; i < rows; i++) {
        const __m512bh x = (__m512bh)_mm512_set1_epi32((int)a[i * by_row + k * by_depth]);
        UNROLL for (long v = 0; v < vectors; v++) sum[i][v] = _mm512_dpbf16_ps(sum[i][v], x, w[v]);
      }
    }
  }
  if (full) {
    UNROLL for (long i = 0; i < rows; i++) UNROLL for (long v = 0; v < vectors; v++)
        _mm512_storeu_ps(c + i * ldc + v * 16, sum[i][v]);
    return;
  }
  UNROLL for (long i = 0; i < rows; i++) UNROLL for (long v = 0; v < vectors; v++)
      _mm512_storeu_ps(whole + (i * vectors + v) * 16, sum[i][v]);
  for (long i = 0; i < rows; i++)
    for (long k = 0; k < columns; k++) c[i * ldc + k] = whole[i * vectors * 16 + k];
}

typedef void pairs_function(long, const struct rounded *, long, long, real *, long, long, long);
#define PAIRS(M, V)                                                                                     \
  static void pairs_##M##_##V(long count, const struct rounded *parts, long by_row, long by_depth, real *c, \
                              long ldc, long add, long columns) {                                       \
    if (by_depth == 1)                                                                                  \
      pairs_tile(M, V, 1, count, parts, by_row, c, ldc, add, columns);                                  \
    else                                                                                                \
      pairs_tile(M, V, by_depth, count, parts, 1, c, ldc, add, columns);                                \
  }
PAIRS(14, 1) PAIRS(8, 1) PAIRS(4, 1) PAIRS(2, 1) PAIRS(1, 1)
PAIRS(12, 2) PAIRS(8, 2) PAIRS(4, 2) PAIRS(2, 2) PAIRS(1, 2)
PAIRS(8, 3) PAIRS(4, 3) PAIRS(2, 3) PAIRS(1, 3)
PAIRS(6, 4) PAIRS(5, 4) PAIRS(4, 4) PAIRS(3, 4) PAIRS(2, 4) PAIRS(1, 4)
/* In the order of `heights`. */
static pairs_function *const pairs_tiles[5][6] = {
    {0},
    {pairs_14_1, pairs_8_1, pairs_4_1, pairs_2_1, pairs_1_1},
    {pairs_12_2, pairs_8_2, pairs_4_2, pairs_2_2, pairs_1_2},
    {pairs_8_3, pairs_4_3, pairs_2_3, pairs_1_3},
    {pairs_6_4, pairs_5_4, pairs_4_4, pairs_3_4, pairs_2_4, pairs_1_4}};

/* All rows of one panel: from row to row of the left factor `by_row` pairs. */
INLINE void pairs_panel(long rows, long vectors, long count, struct rounded *parts, long by_row,
                        long by_depth, real *c, long ldc, long add, long used) {
  for (long r = 0; r < rows;) {
    const struct height *h = height_for(vectors, rows - r);
    pairs_tiles[vectors][h - heights[vectors]](count, parts, by_row, by_depth, c + r * ldc, ldc, add, used);
    for (long i = 0; i < count; i++) parts[i].a += h->rows * by_row;
    r += h->rows;
  }
}

long pairs_size(long depth, long columns) { return packed_size((depth + 1) / 2, columns); }

void pack_pairs(long depth, long columns, const real *w, long ld, long transposed, real *packed, long start,
                long total) {
  (void)start, (void)total; /* weights are packed whole */
  const long pairs = (depth + 1) / 2;
  for (long j = 0; j < columns;) {
    const long width = panel(columns - j) * 16, used = least(width, columns - j);
    uint32_t *to = (uint32_t *)packed;
    if (used < width) memset(to, 0, sizeof(uint32_t) * (size_t)(width * pairs));
    if (transposed) {
      for (long i = 0; i < used; i++) {
        const real *row = w + (j + i) * ld;
        for (long k = 0; k < depth; k += 32) {
          uint32_t some[16];
          const long here = least(32, depth - k);
          round_row(here, row + k, some);
          for (long q = 0; q < (here + 1) / 2; q++) to[(k / 2 + q) * width + i] = some[q];
        }
      }
    } else {
      round_rows(depth, used, w + j, ld, to, width);
    }
    packed += width * pairs;
    j += used;
  }
}

/* C (+)= A W for a few rows and some of the depth. */
static void few_rows(long rows, long columns, long count, const struct segment *parts, long pairs, real *c,
                     long ldc, long add) {
  uint32_t left[LEFT + 16] __attribute__((aligned(64)));
  struct rounded each[count];
  for (long i = 0, at = 0; i < count; at += (parts[i].depth + 1) / 2, i++)
    for (long r = 0; r < rows; r++) round_row(parts[i].depth, parts[i].a + r * parts[i].lda, left + r * pairs + at);
  for (long j = 0; j < columns; j += PANEL) {
    const long vectors = panel(columns - j), used = least(vectors * 16, columns - j);
    for (long i = 0, at = 0; i < count; at += each[i].pairs, i++) {
      const long whole = (parts[i].total + 1) / 2;
      const real *w = parts[i].packed + j * whole + parts[i].start / 2 * vectors * 16;
      each[i] = (struct rounded){(parts[i].depth + 1) / 2, left + at, (const uint32_t *)w};
    }
    pairs_panel(rows, vectors, count, each, pairs, 1, c + j, ldc, add, used);
  }
}

/* C (+)= A^T R for some of the depth, which lies in pairs of rows: left[k][row], and R in float32 panels. */
static void few_steps(long rows, long columns, const struct segment *part, long from, long depth, real *c,
                      long ldc) {
  const long wide = least(rows, LEFT / RIGHT), pairs = (depth + 1) / 2;
  uint32_t left[LEFT] __attribute__((aligned(64))), right[RIGHT * PANEL] __attribute__((aligned(64)));
  for (long r = 0; r < rows; r += wide) {
    const long here = least(wide, rows - r);
    round_rows(depth, here, part->a + from * part->lda + r, part->lda, left, wide);
    for (long j = 0; j < columns; j += PANEL) {
      const long vectors = panel(columns - j), width = vectors * 16;
      round_rows(depth, width, part->packed + j * part->total + (part->start + from) * width, width, right, width);
      struct rounded one = {pairs, left, right};
      pairs_panel(here, vectors, 1, &one, 1, wide, c + r * ldc + j, ldc, 1, least(width, columns - j));
    }
  }
}

void combine_pairs(long rows, long columns, long count, const struct segment *parts, long turned, real *c,
                   long ldc, long add) {
  if (turned) {
    for (long r = 0; r < rows && !add; r++) memset(c + r * ldc, 0, sizeof(real) * (size_t)columns);
    for (long i = 0; i < count; i++)
      for (long k = 0; k < parts[i].depth; k += 2 * RIGHT)
        few_steps(rows, columns, parts + i, k, least(2 * RIGHT, parts[i].depth - k), c, ldc);
    return;
  }
  for (long i = 0; i < count;) { /* as many parts as fit, or a piece of one */
    if (parts[i].depth > 2 * DEEP) {
      for (long k = 0; k < parts[i].depth; k += 2 * DEEP) {
        struct segment piece = parts[i];
        piece.depth = least(2 * DEEP, parts[i].depth - k), piece.a += k, piece.start += k;
        const long pairs = (piece.depth + 1) / 2;
        for (long r = 0; r < rows; r += LEFT / DEEP) {
          struct segment some = piece;
          some.a += r * piece.lda;
          few_rows(least(LEFT / DEEP, rows - r), columns, 1, &some, pairs, c + r * ldc, ldc, add);
        }
        add = 1;
      }
      i++;
      continue;
    }
    long n = 0, pairs = 0;
    while (i + n < count && pairs + (parts[i + n].depth + 1) / 2 <= DEEP) pairs += (parts[i + n++].depth + 1) / 2;
    const long most = LEFT / (pairs + !pairs);
    const long blocks = (rows + most - 1) / most, block = blocks ? (rows + blocks - 1) / blocks : 0;
    for (long r = 0; r < rows; r += block) {
      struct segment some[n];
      for (long q = 0; q < n; q++) some[q] = parts[i + q], some[q].a += r * parts[i + q].lda;
      few_rows(least(block, rows - r), columns, n, some, pairs, c + r * ldc, ldc, add);
    }
    add = 1, i += n;
  }
}

void multiply_pairs(long rows, long columns, long depth, const real *a, long lda, const real *packed, real *c,
                    long ldc, long add) {
  const struct segment whole = {depth, a, lda, packed, 0, depth};
  combine_pairs(rows, columns, 1, &whole, 0, c, ldc, add);
}

/* For a program's loop, which packs only what it multiplies transposed; and for packing its weights. */
const struct kernels in_bfloat16 = {pairs_size, pack, multiply_pairs, combine_pairs};
const struct kernels of_weights = {pairs_size, pack_pairs, multiply_pairs, combine_pairs};
const struct kernels *bfloat16_kernels(void) { return &in_bfloat16; }
const struct kernels *bfloat16_weights(void) { return &of_weights; }
