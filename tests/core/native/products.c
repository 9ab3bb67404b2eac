/* Products by the kernels of bfloat16 that stand before this file, of awkward sizes: exact for whole numbers, and
   near those of double for others; nothing beside the result is written. Prints what is wrong, and a hash of all
   bits. Where AMX is there it runs as it is; elsewhere tiles.h stands for the instructions. */
#include <stdio.h>
#include <stdlib.h>

#define UNTOUCHED 7e30f
static uint64_t drawn = 88172645463325252u, hash = 1469598103934665603u;
static double largest;
static long wrong, products;

static uint32_t draw(void) {
  drawn ^= drawn << 13, drawn ^= drawn >> 7, drawn ^= drawn << 17;
  return (uint32_t)(drawn >> 16);
}

static float number(int whole) {
  return whole ? (float)((int)(draw() % 63) - 31) : ((float)(draw() % 2000001) - 1e6f) / 3e5f;
}

static real *room(long n) {
  real *p = aligned_alloc(64, ((size_t)n * sizeof(real) + 127) / 64 * 64);
  for (long i = 0; i < n; i++) p[i] = UNTOUCHED;
  return p;
}

static real *numbers(long n, int whole) {
  real *p = room(n);
  for (long i = 0; i < n; i++) p[i] = number(whole);
  return p;
}

static double rounded(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  u = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000u;
  memcpy(&x, &u, sizeof u);
  return x;
}

/* A result, what it should be, and the sum of the sizes of all that is added up. */
struct result {
  long rows, columns, ld;
  real *c;
  double *wanted, *size;
};

static struct result result(long rows, long columns, long ld, int add, int whole) {
  const size_t n = (size_t)(rows * columns);
  struct result m = {rows, columns, ld, room(rows * ld), calloc(n, sizeof(double)), calloc(n, sizeof(double))};
  for (long r = 0; add && r < rows; r++)
    for (long j = 0; j < columns; j++) {
      m.wanted[r * columns + j] = m.c[r * ld + j] = number(whole);
      m.size[r * columns + j] = fabs(m.c[r * ld + j]);
    }
  return m;
}

static void count(struct result *m, long r, long j, float a, float b) {
  const double each = rounded(a) * rounded(b);
  m->wanted[r * m->columns + j] += each, m->size[r * m->columns + j] += fabs(each);
}

static void judge(const char *what, struct result *m, int whole) {
  long bad = 0;
  for (long r = 0; r < m->rows; r++) {
    for (long j = 0; j < m->ld; j++) {
      const real got = m->c[r * m->ld + j];
      const unsigned char *bytes = (const unsigned char *)&got;
      for (size_t b = 0; b < sizeof got; b++) hash = (hash ^ bytes[b]) * 1099511628211u;
      if (j >= m->columns) {
        bad += got != UNTOUCHED;
        continue;
      }
      const double off = fabs(got - m->wanted[r * m->columns + j]), size = m->size[r * m->columns + j] + 1e-30;
      if (!(off <= (whole ? 0 : 1e-6 * size))) bad++;
      if (off / size > largest) largest = off / size;
    }
  }
  products++, wrong += bad != 0;
  if (bad && wrong < 9) printf("%s, %ld x %ld: %ld numbers are wrong\n", what, m->rows, m->columns, bad);
  free(m->c), free(m->wanted), free(m->size);
}

/* C (+)= A1 W1 + A2 W2 with packed weights. */
static void step(long rows, long columns, long first, long second, int transposed, int add, int whole) {
  const long n = second ? 2 : 1, depths[2] = {first, second};
  struct result m = result(rows, columns, columns + 7, add, whole);
  struct segment parts[2];
  real *a[2], *w[2], *packed[2];
  for (long p = 0; p < n; p++) {
    const long depth = depths[p], lda = depth + 3, ld = transposed ? depth : columns;
    a[p] = numbers(rows * lda, whole), w[p] = numbers(depth * columns, whole);
    packed[p] = room(bfloat16_weights()->packed_size(depth, columns));
    bfloat16_weights()->pack(depth, columns, w[p], ld, transposed, packed[p], 0, depth);
    parts[p] = (struct segment){depth, a[p], lda, packed[p], 0, depth};
    for (long r = 0; r < rows; r++)
      for (long j = 0; j < columns; j++)
        for (long k = 0; k < depth; k++)
          count(&m, r, j, a[p][r * lda + k], w[p][transposed ? j * ld + k : k * ld + j]);
  }
  bfloat16_kernels()->combine(rows, columns, n, parts, 0, m.c, m.ld, add);
  judge("a step's product", &m, whole);
  for (long p = 0; p < n; p++) free(a[p]), free(w[p]), free(packed[p]);
}

/* The left factor in panels, as programs keep what they join. */
static void panels(long rows, long columns, long n, int whole) {
  const long depth = n * PANEL;
  struct result m = result(rows, columns, columns, 0, whole);
  real *a = numbers(rows * depth, whole), *w = numbers(depth * columns, whole);
  real *packed = room(bfloat16_weights()->packed_size(depth, columns));
  struct segment parts[n];
  bfloat16_weights()->pack(depth, columns, w, columns, 0, packed, 0, depth);
  for (long q = 0; q < n; q++) parts[q] = (struct segment){PANEL, a + q * rows * PANEL, PANEL, packed, q * PANEL, depth};
  for (long r = 0; r < rows; r++)
    for (long j = 0; j < columns; j++)
      for (long k = 0; k < depth; k++)
        count(&m, r, j, a[k / PANEL * rows * PANEL + r * PANEL + k % PANEL], w[k * columns + j]);
  bfloat16_kernels()->combine(rows, columns, n, parts, 0, m.c, m.ld, 0);
  judge("a product of panels", &m, whole);
  free(a), free(w), free(packed);
}

/* C (+)= A^T R with both factors in float32, `each` rows of them in a part. */
static void weights(long rows, long columns, long each, long n, int add, int whole) {
  const long depth = each * n, lda = rows + 5;
  struct result m = result(rows, columns, columns + 3, add, whole);
  real *a = numbers(depth * lda, whole), *right = numbers(depth * columns, whole);
  real *packed = room((columns + 15) / 16 * 16 * depth);
  struct segment parts[n];
  for (long q = 0; q < n; q++) {
    bfloat16_kernels()->pack(each, columns, right + q * each * columns, columns, 0, packed, q * each, depth);
    parts[q] = (struct segment){each, a + q * each * lda, lda, packed, q * each, depth};
  }
  for (long r = 0; r < rows; r++)
    for (long j = 0; j < columns; j++)
      for (long k = 0; k < depth; k++) count(&m, r, j, a[k * lda + r], right[k * columns + j]);
  bfloat16_kernels()->combine(rows, columns, n, parts, 1, m.c, m.ld, add);
  judge("a gradient of weights", &m, whole);
  free(a), free(right), free(packed);
}

int main(void) {
#ifdef MEMCELL_TILES_ARE_USED
  if (tiles_refused()) return 2;
#endif
  const long some[] = {1, 2, 15, 16, 17, 31, 32, 33, 47, 64, 70}, n = sizeof some / sizeof *some;
  for (int whole = 0; whole < 2; whole++) {
    for (long i = 0; i < n; i++)
      for (long j = 0; j < n; j++) {
        const long second = (i + j) % 3 ? some[(3 * i + j) % n] : 0;
        step(some[i], some[j], some[(i + 2 * j) % n], second, (i + j) & 1, (i ^ j) & 1, whole);
        weights(some[i], some[j], some[(i + 5 * j) % n], 1 + (i + j) % 3, (i ^ j) & 1, whole);
      }
    /* more than is rounded at a time: of a depth, of parts together, of rows */
    step(3, 5, 1100, 1300, 0, 0, whole), step(40, 33, 1025, 40, 1, 1, whole), step(70, 20, 500, 600, 0, 0, whole);
    weights(300, 70, 33, 16, 1, whole), weights(257, 130, 513, 1, 0, whole);
    panels(32, 100, 3, whole), panels(7, 260, 4, whole), panels(33, 31, 20, whole);
  }
  printf("%ld products, %ld wrong, off by %.1g of what is added up; %016llx\n", products, wrong, largest,
         (unsigned long long)hash);
  return wrong != 0;
}
