/* Matrix products with a packed right factor.

   C[M, N] (+)= A[M, K] W[K, N]: W lies packed in panels of up to four vectors of columns, row after row,
   so that a tile of C (rows x one panel) stays in registers over all of K. Every element of C is one sum
   over k in rising order whatever the tile, so a row's result does not depend on the rows beside it. */
#include "base.h"

/* WIDE: most vectors of a panel. The heights of tiles: as many sums as there are registers for. */
#if VECTOR_BYTES == 64
#define WIDE 4
#else
#define WIDE 2
#endif
#define UNROLL _Pragma("GCC unroll 16")

static void part_of_tile(long rows, long columns, const real *whole, long ld, real *c, long ldc, long add) {
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < columns; j++)
      c[i * ldc + j] = add ? c[i * ldc + j] + whole[i * ld + j] : whole[i * ld + j];
}

/* One tile. Elements of A: a[i * by_row + k * by_depth]. */
INLINE void tile(const long rows, const long vectors, long depth, const real *a, long by_row,
                 long by_depth, const real *b, real *c, long ldc, long add, long columns) {
  vector sum[14][4]; /* what is used of it stays in registers */
  UNROLL for (long i = 0; i < rows; i++) UNROLL for (long v = 0; v < vectors; v++) sum[i][v] = (vector){0};
  for (long k = 0; k < depth; k++) {
    vector w[4];
    UNROLL for (long v = 0; v < vectors; v++) w[v] = *(const vector *)(b + (k * vectors + v) * LANES);
    UNROLL for (long i = 0; i < rows; i++) {
      real x = a[i * by_row + k * by_depth];
      UNROLL for (long v = 0; v < vectors; v++) sum[i][v] += x * w[v];
    }
  }
  if (columns == vectors * LANES) {
    UNROLL for (long i = 0; i < rows; i++) UNROLL for (long v = 0; v < vectors; v++) {
      vector *out = (vector *)(c + i * ldc + v * LANES);
      if (add) sum[i][v] += *out;
      *out = sum[i][v];
    }
    return;
  }
  real whole[14 * 4 * 16]; /* `sum` itself is only indexed by constants, or it would lie in memory */
  UNROLL for (long i = 0; i < rows; i++) UNROLL for (long v = 0; v < vectors; v++)
      *(vector *)(whole + (i * vectors + v) * LANES) = sum[i][v];
  part_of_tile(rows, columns, whole, vectors * LANES, c, ldc, add);
}

#define TILE(M, V)                                                                                     \
  static void rows_##M##_##V(long depth, const real *a, long ld, const real *b, real *c, long ldc,     \
                             long add, long columns) {                                                 \
    tile(M, V, depth, a, ld, 1, b, c, ldc, add, columns);                                              \
  }                                                                                                    \
  static void columns_##M##_##V(long depth, const real *a, long ld, const real *b, real *c, long ldc,  \
                                long add, long columns) {                                              \
    tile(M, V, depth, a, 1, ld, b, c, ldc, add, columns);                                              \
  }
typedef void tile_function(long, const real *, long, const real *, real *, long, long, long);

#define ENTRY(M, V) {M, rows_##M##_##V, columns_##M##_##V}
struct height {
  long rows;
  tile_function *by_rows, *by_columns;
};

/* Heights by vectors, the tallest first; a shorter one is taken where fewer rows are left. */
#if VECTOR_BYTES == 64
TILE(14, 1) TILE(8, 1) TILE(4, 1) TILE(2, 1) TILE(1, 1)
TILE(12, 2) TILE(8, 2) TILE(4, 2) TILE(2, 2) TILE(1, 2)
TILE(8, 3) TILE(4, 3) TILE(2, 3) TILE(1, 3)
TILE(6, 4) TILE(5, 4) TILE(4, 4) TILE(3, 4) TILE(2, 4) TILE(1, 4)
static const struct height heights[5][7] = {
    {{0}},
    {ENTRY(14, 1), ENTRY(8, 1), ENTRY(4, 1), ENTRY(2, 1), ENTRY(1, 1)},
    {ENTRY(12, 2), ENTRY(8, 2), ENTRY(4, 2), ENTRY(2, 2), ENTRY(1, 2)},
    {ENTRY(8, 3), ENTRY(4, 3), ENTRY(2, 3), ENTRY(1, 3)},
    {ENTRY(6, 4), ENTRY(5, 4), ENTRY(4, 4), ENTRY(3, 4), ENTRY(2, 4), ENTRY(1, 4)}};
#else
TILE(8, 1) TILE(4, 1) TILE(2, 1) TILE(1, 1)
TILE(6, 2) TILE(4, 2) TILE(2, 2) TILE(1, 2)
static const struct height heights[3][7] = {{{0}},
                                            {ENTRY(8, 1), ENTRY(4, 1), ENTRY(2, 1), ENTRY(1, 1)},
                                            {ENTRY(6, 2), ENTRY(4, 2), ENTRY(2, 2), ENTRY(1, 2)}};
#endif

/* Vectors of the panel that begins where `left` columns are left. */
INLINE long panel(long left) { return least(WIDE, (left + LANES - 1) / LANES); }

long packed_size(long depth, long columns) { return (columns + LANES - 1) / LANES * LANES * depth; }

void pack(long depth, long columns, const real *w, long ld, long transposed, real *packed, long start,
          long total) {
  for (long j = 0; j < columns;) {
    long width = panel(columns - j) * LANES, used = least(width, columns - j);
    real *to = packed + start * width;
    if (transposed) {
      for (long k = 0; k < depth; k++)
        for (long i = 0; i < used; i++) to[k * width + i] = w[(j + i) * ld + k];
    } else {
      for (long k = 0; k < depth; k++) memcpy(to + k * width, w + k * ld + j, sizeof(real) * (size_t)used);
    }
    if (used < width)
      for (long k = 0; k < depth; k++) memset(to + k * width + used, 0, sizeof(real) * (size_t)(width - used));
    packed += width * total;
    j += used;
  }
}

/* The tile for so many rows: of nearly the same height throughout rather than tall ones and a rest. */
INLINE const struct height *height_for(long vectors, long rows) {
  const struct height *h = heights[vectors];
  long tiles = (rows + h->rows - 1) / h->rows, even = (rows + tiles - 1) / tiles;
  while (h->rows > rows || (h[1].rows >= even && h[1].rows)) h++;
  return h;
}

void multiply(long rows, long columns, long depth, const real *a, long lda, const real *packed, real *c,
              long ldc, long add) {
  for (long j = 0; j < columns;) {
    long vectors = panel(columns - j), used = least(vectors * LANES, columns - j);
    for (long r = 0; r < rows;) {
      const struct height *h = height_for(vectors, rows - r);
      h->by_rows(depth, a + r * lda, lda, packed, c + r * ldc + j, ldc, add, used);
      r += h->rows;
    }
    packed += vectors * LANES * depth;
    j += used;
  }
}

/* C[M, N] += A^T B: A[K, M] as it lies, B[K, N] packed. */
void outer(long rows, long columns, long depth, const real *a, long lda, const real *packed, real *c,
           long ldc) {
  for (long j = 0; j < columns;) {
    long vectors = panel(columns - j), used = least(vectors * LANES, columns - j);
    for (long r = 0; r < rows;) {
      const struct height *h = height_for(vectors, rows - r);
      h->by_columns(depth, a + r, lda, packed, c + r * ldc + j, ldc, 1, used);
      r += h->rows;
    }
    packed += vectors * LANES * depth;
    j += used;
  }
}

const struct kernels all = {packed_size, pack, multiply, outer};
const struct kernels *kernels(void) { return &all; }
