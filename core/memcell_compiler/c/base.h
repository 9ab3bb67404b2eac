/* What every generated program and the kernels share: the number type, vectors, and a window's description. */
#ifndef MEMCELL_BASE_H
#define MEMCELL_BASE_H
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#ifdef MEMCELL_DOUBLE
typedef double real;
#else
typedef float real;
#endif

/* Bytes of a vector, and how many of them and how many rows a tile of the matrix product has. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES ((long)(VECTOR_BYTES / sizeof(real)))
/* Vectors and columns of a panel: what a packed right factor is cut into. */
#if VECTOR_BYTES == 64
#define WIDE 4
#else
#define WIDE 2
#endif
#define PANEL (WIDE * LANES)
#define ALIGNMENT 64
/* Numbers, rounded up to whole lines of the cache. */
#define ALIGNED(n) (((n) + 15) / 16 * 16)
#define INLINE static inline __attribute__((always_inline))

typedef real vector __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));

/* Memory that will be read or written soon, of which kernels ask the cache while they compute. */
struct stream {
  const void *from;
  long bytes;
};

/* A part of the depth of a product: `depth` columns of the left factor (rows, where it is turned) and the
   rows of the right one from `start`, of `total` that are packed. */
struct segment {
  long depth;
  const real *a;
  long lda;
  const real *packed;
  long start, total;
  const struct stream *ahead; /* of the first part, or null: streams, then one of no bytes */
};

/* Give a product the streams, written stream(address, numbers), that its kernel may ask for. */
#define read_ahead(parts, ...)                                                                         \
  const struct stream ahead_[] = {__VA_ARGS__, {0, 0}};                                                \
  (parts)->ahead = ahead_
#define stream(address, numbers) {(address), (long)sizeof(real) * (numbers)}

/* The matrix kernels, compiled once a machine and handed to programs as pointers. */
struct kernels {
  long (*packed_size)(long depth, long columns);
  /* rows start … start + depth of a right factor of `total` rows */
  void (*pack)(long depth, long columns, const real *w, long ld, long transposed, real *packed,
               long start, long total);
  void (*multiply)(long rows, long columns, long depth, const real *a, long lda, const real *packed,
                   real *c, long ldc, long add);
  /* C (+)= A1 W1 + A2 W2 + …, each element one sum; turned: the left factors lie transposed */
  void (*combine)(long rows, long columns, long count, const struct segment *parts, long turned,
                  real *c, long ldc, long add);
  long fetches; /* 1: combine reads `ahead` */
};

/* Where all threads of a window meet; only programs that mix lanes do. */
struct meeting {
  atomic_long arrived, round;
};

/* One call: sizes, masks, and how the work is cut. Flags are bytes, 0 or 1. */
struct window {
  long steps, lanes, threads;
  long block;                 /* rows that run through all steps together */
  long chunk;                 /* steps whose input and parameter products are done together */
  long ring;                  /* states: 1 keeps two steps, 0 keeps all */
  long phase;                 /* of the ring: which of the two step 0 finds */
  long split;                 /* 1: threads share the columns of each product, 0: the lanes */
  const uint8_t *resets;      /* [steps, lanes], or null where no lane is reset */
  const uint8_t *any_reset;   /* [steps] */
  const uint8_t *valid;       /* [steps, lanes], or null where every lane is valid */
  const uint8_t *all_valid;   /* [steps] */
  const long *returned;       /* [steps + 1]: which returned state is the one after so many steps, or -1 */
  const struct kernels *kernels;
  struct meeting *meeting;
  real *shared;
};

/* Where the state before step t lies. */
INLINE long entry(const struct window *w, long t) { return w->ring ? (t + w->phase) & 1 : t; }

INLINE long least(long a, long b) { return a < b ? a : b; }

INLINE void meet(const struct window *w) {
  if (w->threads == 1) return;
  long round = atomic_load(&w->meeting->round);
  if (atomic_fetch_add(&w->meeting->arrived, 1) == w->threads - 1) {
    atomic_store(&w->meeting->arrived, 0);
    atomic_store(&w->meeting->round, round + 1);
    return;
  }
  for (long spins = 0; atomic_load(&w->meeting->round) == round; spins++)
    if (spins > 2000) sched_yield();
}
#endif
