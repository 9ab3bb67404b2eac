/* What masks do to the rows of a block: the rare part of a step, out of the way of the common one. */
#ifndef MEMCELL_ROWS_H
#define MEMCELL_ROWS_H
#include "base.h"

/* Ask the cache for row r of a record, or for the one of the step after, where the block has ended. */
#define fetch_row(record, r, n, step, width, write)                                                   \
  do {                                                                                                 \
    const real *row_ = (record) + ((r) < (n) ? (r) : (step) + (r) - (n)) * (width);                    \
    for (long q_ = 0; q_ < (width); q_ += 16) __builtin_prefetch(row_ + q_, write, 2);                 \
  } while (0)

/* The same where the kernels do not read ahead while they compute. */
#define fetch_row_alone(...)                                                                           \
  do {                                                                                                 \
    if (!k_->fetches) fetch_row(__VA_ARGS__);                                                          \
  } while (0)

/* Copy rows; both have their own distance from row to row. */
INLINE void copy_rows(long n, long width, const real *from, long ldf, real *to, long ldt) {
  for (long r = 0; r < n; r++) memcpy(to + r * ldt, from + r * ldf, sizeof(real) * (size_t)width);
}

INLINE void add_rows(long n, long width, const real *from, long ldf, real *to, long ldt) {
  for (long r = 0; r < n; r++)
    for (long j = 0; j < width; j++) to[r * ldt + j] += from[r * ldf + j];
}

/* Rows whose flag is `which` are taken from another place. */
static void choose_rows(long n, long width, const uint8_t *flag, uint8_t which, const real *from,
                        long ldf, real *to, long ldt) {
  for (long r = 0; r < n; r++)
    if (flag[r] == which) memcpy(to + r * ldt, from + r * ldf, sizeof(real) * (size_t)width);
}

/* Rows whose flag is `which` are added to another place, and become 0 here: a gradient goes there. */
static void move_rows(long n, long width, const uint8_t *flag, uint8_t which, real *from, long ldf,
                      real *to, long ldt) {
  for (long r = 0; r < n; r++)
    if (flag[r] == which) {
      for (long j = 0; j < width; j++) to[r * ldt + j] += from[r * ldf + j];
      memset(from + r * ldf, 0, sizeof(real) * (size_t)width);
    }
}
#endif
