/* Matrix products of bfloat16 numbers by the tiles of AMX, summed in float32; compiled behind packing.c and
   rounding.c, in the same unit. They take the place of those of bfloat16.c, and are called in the same way.

   A tile is a register of up to 16 rows of 64 bytes. `_tile_dpbf16ps` adds to 16 x 16 sums the products of 16
   rows of 32 numbers with 16 rows of pairs, those of rows 2k and 2k + 1 of 16 columns. So a factor is cut into
   slabs, 32 of its depth, and lies in memory as tiles of 1 KiB, one after the other: a weight for every 32
   columns slab by slab (two tiles, or one where 16 columns or fewer are left), a left factor for every 16 rows
   slab by slab. Where a depth does not fill its last slab, zeros do; fewer rows or columns than 16 are told the
   tiles, which then neither read nor write more. Each element is one sum over the depth in rising order, slab
   by slab, so a row's result does not depend on the rows beside it.

   Tiles are configured anew by each product and released at its end, for torch's own kernels use them too. */
#ifdef MEMCELL_TILES /* a file that stands for the instructions where a test has none */
#include MEMCELL_TILES
#else
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Return why this process has no tiles: 1, the CPU has none that multiply bfloat16 numbers; 2, the system does
   not keep them for a process; 3, it refuses them to this one, with all its threads; 0 where it has them. */
long tiles_refused(void) {
  enum { OSXSAVE = 1 << 27, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, CONFIG_AND_DATA = 3 << 17 };
  enum { REQUEST = 0x1023, TILE_DATA = 18 };
  unsigned a, b, c, d, low, high;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & AMX_BF16) || !(d & AMX_TILE)) return 1;
  if (!__get_cpuid_count(0x1d, 1, &a, &b, &c, &d)) return 1; /* the first palette: tiles as they are used here */
  if (a >> 16 < 1024 || (b & 0xffff) != 64 || b >> 16 < 8 || (c & 0xffff) < 16) return 1;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE)) return 2;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & CONFIG_AND_DATA) != CONFIG_AND_DATA) return 2;
#ifdef SYS_arch_prctl
  return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) ? 3 : 0;
#else
  return 2;
#endif
}
#endif

/* Reals of a tile; numbers of the depth in a slab; slabs of a left factor that are rounded at a time (64 KiB
   with 32 rows). Of a product whose left factor lies transposed: its rows and the depth that are (128 KiB). */
#define TILE_REALS 256
#define SLAB 32
#define DEEP 32
#define TURNED_ROWS 256
#define TURNED_DEEP 256
/* gcc's loads of tiles and of their configuration do not say that they read memory: what was written for them
   must be there. */
#define WRITTEN() __asm__ volatile("" ::: "memory")

INLINE long slabs_of(long depth) { return (depth + SLAB - 1) / SLAB; }

/* What is set: rows of the left factor's two tiles and columns of the right one's; 0, there is one. */
struct shape {
  long rows[2], columns[2];
};

/* Tiles 0 to 3 are sums (0 and 1 of the first rows, 2 and 3 of the second), 4 and 5 left, 6 and 7 right. */
static void configure(struct shape *set, long rows, long columns) {
  const struct shape s = {{least(rows, 16), least(rows - least(rows, 16), 16)},
                          {least(columns, 16), least(columns - least(columns, 16), 16)}};
  if (!memcmp(set, &s, sizeof s)) return;
  struct {
    uint8_t palette, start, none[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } c = {.palette = 1};
  for (int i = 0; i < 2; i++) {
    for (int j = 0; j < 2; j++)
      if (s.rows[i] && s.columns[j]) {
        c.rows[2 * i + j] = (uint8_t)s.rows[i], c.bytes[2 * i + j] = (uint16_t)(4 * s.columns[j]);
      }
    if (s.rows[i]) c.rows[4 + i] = (uint8_t)s.rows[i], c.bytes[4 + i] = 64;
    if (s.columns[i]) c.rows[6 + i] = 16, c.bytes[6 + i] = (uint16_t)(4 * s.columns[i]);
  }
  WRITTEN();
  _tile_loadconfig(&c);
  *set = s;
}

/* Slabs of both factors that follow each other: so many, and where their tiles lie. */
struct run {
  long slabs;
  const real *left, *right;
};

/* C (+)= all runs, for one or two tiles of rows, `below` reals apart, and one or two of columns. */
INLINE void sum_runs(const long two_rows, const long two_columns, long count, const struct run *runs, long below,
                     real *c, long ldc, long add) {
  const long bytes = ldc * (long)sizeof(real);
  WRITTEN();
  if (add) {
    _tile_loadd(0, c, bytes);
    if (two_columns) _tile_loadd(1, c + 16, bytes);
    if (two_rows) _tile_loadd(2, c + 16 * ldc, bytes);
    if (two_rows && two_columns) _tile_loadd(3, c + 16 * ldc + 16, bytes);
  } else {
    _tile_zero(0);
    if (two_columns) _tile_zero(1);
    if (two_rows) _tile_zero(2);
    if (two_rows && two_columns) _tile_zero(3);
  }
  for (const struct run *run = runs; run < runs + count; run++) {
    const real *a = run->left, *b = run->right;
    for (long s = 0; s < run->slabs; s++, a += TILE_REALS, b += two_columns ? 2 * TILE_REALS : TILE_REALS) {
      _tile_loadd(4, a, 64);
      _tile_loadd(6, b, 64);
      if (two_columns) _tile_loadd(7, b + TILE_REALS, 64);
      if (two_rows) _tile_loadd(5, a + below, 64);
      _tile_dpbf16ps(0, 4, 6);
      if (two_columns) _tile_dpbf16ps(1, 4, 7);
      if (two_rows) _tile_dpbf16ps(2, 5, 6);
      if (two_rows && two_columns) _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, c, bytes);
  if (two_columns) _tile_stored(1, c + 16, bytes);
  if (two_rows) _tile_stored(2, c + 16 * ldc, bytes);
  if (two_rows && two_columns) _tile_stored(3, c + 16 * ldc + 16, bytes);
}

/* The same, for up to 32 rows and columns. */
static void block(struct shape *set, long rows, long columns, long count, const struct run *runs, long below,
                  real *c, long ldc, long add) {
  configure(set, rows, columns);
  if (rows > 16) {
    if (columns > 16)
      sum_runs(1, 1, count, runs, below, c, ldc, add);
    else
      sum_runs(1, 0, count, runs, below, c, ldc, add);
  } else if (columns > 16) {
    sum_runs(0, 1, count, runs, below, c, ldc, add);
  } else {
    sum_runs(0, 0, count, runs, below, c, ldc, add);
  }
}

/* Round up to 32 numbers that lie side by side; those that are missing are zeros. */
INLINE __m512i rounded_row(const real *a, long left) {
  const __mmask32 here = left >= 32 ? 0xffffffffu : (1u << left) - 1;
  const __m512 low = _mm512_maskz_loadu_ps((__mmask16)here, a);
  const __m512 high = left > 16 ? _mm512_maskz_loadu_ps((__mmask16)(here >> 16), a + 16) : _mm512_setzero_ps();
  return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* Up to 16 numbers of two rows in pairs; a row that is not there (null) is one of zeros. */
INLINE __m512i rounded_pairs(const real *even, const real *odd, long columns) {
  const __mmask16 here = columns >= 16 ? 0xffff : (__mmask16)((1u << columns) - 1);
  return paired(even ? _mm512_maskz_loadu_ps(here, even) : _mm512_setzero_ps(),
                odd ? _mm512_maskz_loadu_ps(here, odd) : _mm512_setzero_ps());
}

/* Store a tile of 16 vectors transposed: 16 x 16 words of 32 bits. */
INLINE void store_transposed(const __m512i *rows, uint32_t *to) {
  __m512i a[16], b[16];
  UNROLL for (long i = 0; i < 8; i++) {
    a[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
    a[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
  }
  UNROLL for (long i = 0; i < 4; i++) UNROLL for (long k = 0; k < 2; k++) {
    b[4 * i + 2 * k] = _mm512_unpacklo_epi64(a[4 * i + k], a[4 * i + 2 + k]);
    b[4 * i + 2 * k + 1] = _mm512_unpackhi_epi64(a[4 * i + k], a[4 * i + 2 + k]);
  }
  UNROLL for (long h = 0; h < 2; h++) UNROLL for (long k = 0; k < 4; k++) {
    a[8 * h + k] = _mm512_shuffle_i32x4(b[8 * h + k], b[8 * h + 4 + k], 0x88);
    a[8 * h + 4 + k] = _mm512_shuffle_i32x4(b[8 * h + k], b[8 * h + 4 + k], 0xdd);
  }
  UNROLL for (long k = 0; k < 8; k++) {
    _mm512_storeu_si512(to + 16 * k, _mm512_shuffle_i32x4(a[k], a[8 + k], 0x88));
    _mm512_storeu_si512(to + 16 * (8 + k), _mm512_shuffle_i32x4(a[k], a[8 + k], 0xdd));
  }
}

long tiles_size(long depth, long columns) { return (columns + 15) / 16 * slabs_of(depth) * TILE_REALS; }

void pack_tiles(long depth, long columns, const real *w, long ld, long transposed, real *packed, long start,
                long total) {
  (void)start, (void)total; /* weights are packed whole */
  for (long j = 0; j < columns; j += 32)
    for (long k = 0; k < depth; k += SLAB)
      for (long i = j; i < least(j + 32, columns); i += 16, packed += TILE_REALS) {
        __m512i rows[16];
        if (transposed) {
          UNROLL for (long r = 0; r < 16; r++)
              rows[r] = i + r < columns ? rounded_row(w + (i + r) * ld + k, depth - k) : _mm512_setzero_si512();
          store_transposed(rows, (uint32_t *)packed);
        } else {
          for (long r = 0; r < 16; r++) {
            const real *even = k + 2 * r < depth ? w + (k + 2 * r) * ld + i : 0;
            const real *odd = k + 2 * r + 1 < depth ? w + (k + 2 * r + 1) * ld + i : 0;
            _mm512_storeu_si512(packed + 16 * r, rounded_pairs(even, odd, columns - i));
          }
        }
      }
}

/* C (+)= A W for rows whose tiles fit, over parts of the depth that do. */
static void few_rows(struct shape *set, long rows, long columns, long count, const struct segment *parts, long slabs,
                     real *c, long ldc, long add) {
  real left[2 * DEEP * TILE_REALS] __attribute__((aligned(64)));
  for (long i = 0, at = 0; i < count; at += slabs_of(parts[i].depth), i++)
    for (long r = 0; r < rows; r++) {
      real *to = left + (r / 16 * slabs + at) * TILE_REALS + r % 16 * 16;
      for (long k = 0; k < parts[i].depth; k += SLAB, to += TILE_REALS)
        _mm512_storeu_si512(to, rounded_row(parts[i].a + r * parts[i].lda + k, parts[i].depth - k));
    }
  const long whole = rows / 32 * 32;
  for (long from = 0, to = whole ? whole : rows; from < rows; from = to, to = rows)
    for (long j = 0; j < columns; j += 32) { /* blocks of 32 rows first: tiles are seldom configured anew */
      const long tiles = columns - j > 16 ? 2 : 1;
      for (long r = from; r < to; r += 32) {
        struct run runs[count];
        for (long i = 0, at = 0; i < count; at += runs[i].slabs, i++)
          runs[i] = (struct run){slabs_of(parts[i].depth), left + (r / 16 * slabs + at) * TILE_REALS,
                                 parts[i].packed + (j / 16 * slabs_of(parts[i].total) +
                                                    parts[i].start / SLAB * tiles) * TILE_REALS};
        block(set, least(32, rows - r), least(32, columns - j), count, runs, slabs * TILE_REALS, c + r * ldc + j, ldc,
              add);
      }
    }
}

/* C (+)= A W over parts that fit together, a piece of rows after the other. */
static void few_parts(struct shape *set, long rows, long columns, long count, const struct segment *parts, long slabs,
                      real *c, long ldc, long add) {
  const long most = DEEP / (slabs + !slabs) * 32;
  for (long r = 0; r < rows; r += most) {
    struct segment some[count];
    for (long i = 0; i < count; i++) some[i] = parts[i], some[i].a += r * parts[i].lda;
    few_rows(set, least(most, rows - r), columns, count, some, slabs, c + r * ldc, ldc, add);
  }
}

/* A row of both factors of a product whose left one lies transposed. */
struct pair {
  const real *left;
  const struct segment *part;
  long row;
};

/* Where a row of the right factor lies, in its float32 panel; null behind the last one. */
INLINE const real *right_row(const struct pair *pairs, long k, long depth, long panel_start, long width) {
  if (k >= depth) return 0;
  const struct segment *part = pairs[k].part;
  return part->packed + panel_start * part->total + pairs[k].row * width;
}

/* C += A^T R over up to TURNED_DEEP rows of both. */
static void few_steps(struct shape *set, long rows, long columns, long depth, const struct pair *pairs, real *c,
                      long ldc) {
  real left[TURNED_ROWS * TURNED_DEEP / 2] __attribute__((aligned(64)));
  real right[TURNED_DEEP * 32 / 2] __attribute__((aligned(64)));
  const long slabs = slabs_of(depth);
  for (long r = 0; r < rows; r += TURNED_ROWS) {
    const long here = least(TURNED_ROWS, rows - r);
    for (long i = 0; i < here; i += 16)
      for (long s = 0; s < slabs; s++) {
        __m512i found[16];
        UNROLL for (long q = 0; q < 16; q++) {
          const long k = s * SLAB + 2 * q;
          found[q] = rounded_pairs(k < depth ? pairs[k].left + r + i : 0,
                                   k + 1 < depth ? pairs[k + 1].left + r + i : 0, here - i);
        }
        store_transposed(found, (uint32_t *)(left + (i / 16 * slabs + s) * TILE_REALS));
      }
    for (long j = 0; j < columns; j += 32) {
      const long start = j / PANEL * PANEL, width = panel(columns - start) * LANES;
      const long used = least(32, columns - j), tiles = used > 16 ? 2 : 1;
      real *to = right;
      for (long s = 0; s < slabs; s++)
        for (long v = 0; v < tiles; v++)
          for (long q = 0; q < 16; q++, to += 16) {
            const long k = s * SLAB + 2 * q, at = j - start + 16 * v;
            const real *even = right_row(pairs, k, depth, start, width), *odd = right_row(pairs, k + 1, depth, start, width);
            _mm512_storeu_si512(to, rounded_pairs(even ? even + at : 0, odd ? odd + at : 0, 16));
          }
      for (long i = 0; i < here; i += 32) {
        const struct run run = {slabs, left + i / 16 * slabs * TILE_REALS, right};
        block(set, least(32, here - i), used, 1, &run, slabs * TILE_REALS, c + (r + i) * ldc + j,
              ldc, 1);
      }
    }
  }
}

static void turned_tiles(struct shape *set, long rows, long columns, long count, const struct segment *parts, real *c,
                         long ldc) {
  struct pair pairs[TURNED_DEEP];
  long depth = 0;
  for (const struct segment *part = parts; part < parts + count; part++)
    for (long k = 0; k < part->depth; k++) {
      pairs[depth++] = (struct pair){part->a + k * part->lda, part, part->start + k};
      if (depth == TURNED_DEEP) few_steps(set, rows, columns, depth, pairs, c, ldc), depth = 0;
    }
  if (depth) few_steps(set, rows, columns, depth, pairs, c, ldc);
}

void combine_tiles(long rows, long columns, long count, const struct segment *parts, long turned, real *c, long ldc,
                   long add) {
  struct shape set = {{0, 0}, {0, 0}};
  if (turned) {
    for (long r = 0; r < rows && !add; r++) memset(c + r * ldc, 0, sizeof(real) * (size_t)columns);
    turned_tiles(&set, rows, columns, count, parts, c, ldc);
    _tile_release();
    return;
  }
  for (long i = 0; i < count;) { /* as many parts as fit, or a piece of one */
    if (slabs_of(parts[i].depth) > DEEP) {
      for (long k = 0; k < parts[i].depth; k += DEEP * SLAB, add = 1) {
        struct segment piece = parts[i];
        piece.depth = least(DEEP * SLAB, piece.depth - k), piece.a += k, piece.start += k;
        few_parts(&set, rows, columns, 1, &piece, slabs_of(piece.depth), c, ldc, add);
      }
      i++;
      continue;
    }
    long n = 0, slabs = 0;
    while (i + n < count && slabs + slabs_of(parts[i + n].depth) <= DEEP) slabs += slabs_of(parts[i + n++].depth);
    few_parts(&set, rows, columns, n, parts + i, slabs, c, ldc, add);
    add = 1, i += n;
  }
  _tile_release();
}

void multiply_tiles(long rows, long columns, long depth, const real *a, long lda, const real *packed, real *c,
                    long ldc, long add) {
  const struct segment whole = {depth, a, lda, packed, 0, depth};
  combine_tiles(rows, columns, 1, &whole, 0, c, ldc, add);
}

/* For a program's loop, which packs only what it multiplies transposed; and for packing its weights. */
const struct kernels in_bfloat16 = {tiles_size, pack, multiply_tiles, combine_tiles};
const struct kernels of_weights = {tiles_size, pack_tiles, multiply_tiles, combine_tiles};
const struct kernels *bfloat16_kernels(void) { return &in_bfloat16; }
const struct kernels *bfloat16_weights(void) { return &of_weights; }
