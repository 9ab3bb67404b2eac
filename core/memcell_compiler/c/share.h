/* A product whose columns are shared among threads: few lanes, and weights that one thread reads too slowly. */
#ifndef MEMCELL_SHARE_H
#define MEMCELL_SHARE_H
#include "base.h"

/* As the kernels' combine. Each thread does whole panels, hands them round in `swap` and takes the others';
   `swap` must be another one at the next product, whose meeting says that all have read this one. */
static inline void combine_shared(const struct window *w, long tid, real *swap, long rows, long columns,
                                  long count, struct segment *parts, real *c, long ldc, long add) {
  const long panels = (columns + PANEL - 1) / PANEL;
  const long from = panels * tid / w->threads * PANEL;
  const long to = least(columns, panels * (tid + 1) / w->threads * PANEL);
  for (long i = 0; i < count; i++) parts[i].packed += from * parts[i].total;
  if (from < to) w->kernels->combine(rows, to - from, count, parts, 0, c + from, ldc, add);
  for (long r = 0; r < rows && from < to; r++)
    memcpy(swap + r * columns + from, c + r * ldc + from, sizeof(real) * (size_t)(to - from));
  meet(w);
  for (long r = 0; r < rows; r++) {
    memcpy(c + r * ldc, swap + r * columns, sizeof(real) * (size_t)from);
    if (to < columns && from < to)
      memcpy(c + r * ldc + to, swap + r * columns + to, sizeof(real) * (size_t)(columns - to));
    else if (from >= to)
      memcpy(c + r * ldc, swap + r * columns, sizeof(real) * (size_t)columns);
  }
}
#endif
