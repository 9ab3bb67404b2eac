/* Matrix products with a packed right factor; compiled behind packing.c, in the same unit.

   C[M, N] (+)= A[M, K] W[K, N]: W lies packed in panels of up to four vectors of columns, row after row,
   so that a tile of C (rows x one panel) stays in registers over all of K. Every element of C is one sum
   over k in rising order whatever the tile, so a row's result does not depend on the rows beside it. */

/* Bytes of a line of the cache. */
#define LINE 64

/* What is asked for while a product is computed: memory would stand idle. */
struct cursor {
  const char *at, *end;
  long line;                 /* 0: nothing is left */
  const struct stream *rest;
};

/* Where the next stream begins; at its own place for ever where there is none. */
static __attribute__((noinline)) struct cursor next(struct cursor ahead) {
  if (!ahead.rest->bytes) return (struct cursor){ahead.at, ahead.at, 0, ahead.rest};
  const char *from = ahead.rest->from;
  return (struct cursor){from, from + ahead.rest->bytes - 1, LINE, ahead.rest + 1};
}

/* One tile: rows r … of C, the panel that begins at column j. */
INLINE void tile(const long rows, const long vectors, const long turned, long count,
                 const struct segment *parts, long r, long j, real *c, long ldc, long add, long columns,
                 struct cursor *cursor) {
  struct cursor ahead = *cursor;
  vector sum[14][4]; /* what is used of it stays in registers */
  real whole[14 * 4 * 16]; /* `sum` itself is only indexed by constants, or it would lie in memory */
  const long full = columns == vectors * LANES;
  const real *from = c;
  long ld = ldc;
  if (add && !full) {
    for (long i = 0; i < rows; i++)
      for (long k = 0; k < vectors * LANES; k++) whole[i * vectors * LANES + k] = k < columns ? c[i * ldc + k] : 0;
    from = whole, ld = vectors * LANES;
  }
  if (add) {
    UNROLL for (long i = 0; i < rows; i++) UNROLL for (long v = 0; v < vectors; v++)
        sum[i][v] = *(const vector *)(from + i * ld + v * LANES);
  } else {
    UNROLL for (long i = 0; i < rows; i++) UNROLL for (long v = 0; v < vectors; v++) sum[i][v] = (vector){0};
  }
  for (const struct segment *part = parts; part < parts + count; part++) {
    const long depth = part->depth, lda = part->lda;
    const long by_row = turned ? 1 : lda, by_depth = turned ? lda : 1;
    const real *a = part->a + r * by_row;
    const real *b = part->packed + j * part->total + part->start * vectors * LANES;
    for (long k = 0; k < depth; k++) {
      if (rows > 2) { /* few rows are read as fast as they are multiplied */
        __builtin_prefetch(ahead.at, 0, 2);
        __builtin_prefetch(ahead.at + ahead.line, 0, 2);
        ahead.at += 2 * ahead.line;
        if (__builtin_expect(ahead.at > ahead.end, 0)) ahead = next(ahead);
      }
      vector w[4];
      UNROLL for (long v = 0; v < vectors; v++) w[v] = *(const vector *)(b + (k * vectors + v) * LANES);
      UNROLL for (long i = 0; i < rows; i++) {
        real x = a[i * by_row + k * by_depth];
        UNROLL for (long v = 0; v < vectors; v++) sum[i][v] += x * w[v];
      }
    }
  }
  *cursor = ahead;
  if (full) {
    UNROLL for (long i = 0; i < rows; i++) UNROLL for (long v = 0; v < vectors; v++)
        *(vector *)(c + i * ldc + v * LANES) = sum[i][v];
    return;
  }
  UNROLL for (long i = 0; i < rows; i++) UNROLL for (long v = 0; v < vectors; v++)
      *(vector *)(whole + (i * vectors + v) * LANES) = sum[i][v];
  for (long i = 0; i < rows; i++)
    for (long k = 0; k < columns; k++) c[i * ldc + k] = whole[i * vectors * LANES + k];
}

#define TILE(M, V)                                                                                     \
  static void rows_##M##_##V(long count, const struct segment *parts, long r, long j, real *c,         \
                             long ldc, long add, long columns, struct cursor *ahead) {                 \
    tile(M, V, 0, count, parts, r, j, c, ldc, add, columns, ahead);                                    \
  }                                                                                                    \
  static void columns_##M##_##V(long count, const struct segment *parts, long r, long j, real *c,      \
                                long ldc, long add, long columns, struct cursor *ahead) {              \
    tile(M, V, 1, count, parts, r, j, c, ldc, add, columns, ahead);                                    \
  }
typedef void tile_function(long, const struct segment *, long, long, real *, long, long, long,
                           struct cursor *);

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

/* The tile for so many rows: of nearly the same height throughout rather than tall ones and a rest. */
INLINE const struct height *height_for(long vectors, long rows) {
  const struct height *h = heights[vectors];
  long tiles = (rows + h->rows - 1) / h->rows, even = (rows + tiles - 1) / tiles;
  while (h->rows > rows || (h[1].rows >= even && h[1].rows)) h++;
  return h;
}

/* How often the tiles of a product go one step deeper. */
INLINE long passes(long rows, long columns, long depth) {
  long tiles = 0;
  for (long r = 0; r < rows; tiles++) r += height_for(WIDE, rows - r)->rows;
  return depth * tiles * ((columns + PANEL - 1) / PANEL);
}

void combine(long rows, long columns, long count, const struct segment *parts, long turned, real *c,
             long ldc, long add) {
  static const struct stream nothing = {0};
  const char *here = (const char *)c;
  struct cursor still = {here, here, 0, &nothing}, ahead = still;
  long depth = 0, wait = 0;
  if (count && parts->ahead) { /* as late as can be: what is asked for too early is gone when it is read */
    for (long i = 0; i < count; i++) depth += parts[i].depth;
    wait = passes(rows, columns, depth);
    for (const struct stream *s = parts->ahead; s->bytes; s++) wait -= s->bytes / (2 * LINE) + 1;
    ahead.rest = parts->ahead;
    ahead = next(ahead);
  }
  for (long j = 0; j < columns; j += PANEL) {
    long vectors = panel(columns - j), used = least(vectors * LANES, columns - j);
    for (long r = 0; r < rows;) {
      const struct height *h = height_for(vectors, rows - r);
      (turned ? h->by_columns : h->by_rows)(count, parts, r, j, c + r * ldc + j, ldc, add, used,
                                            wait > 0 ? &still : &ahead);
      wait -= depth;
      r += h->rows;
    }
  }
}

void multiply(long rows, long columns, long depth, const real *a, long lda, const real *packed, real *c,
              long ldc, long add) {
  const struct segment whole = {depth, a, lda, packed, 0, depth, 0};
  combine(rows, columns, 1, &whole, 0, c, ldc, add);
}

const struct kernels all = {packed_size, pack, multiply, combine, 1};
const struct kernels *kernels(void) { return &all; }
