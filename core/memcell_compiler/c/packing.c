/* Packing the right factor of a product in panels; compiled before the kernels, in the same unit. */
#include "base.h"

/* All loops of a tile wholly, or its sums lie in memory. Clang takes gcc's number for a part of a loop. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
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
