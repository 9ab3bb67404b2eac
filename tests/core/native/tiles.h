/* The tile instructions of AMX as C, for a CPU that has none: what Intel's manual says that they do, and an end
   of the process where they would raise an exception. amx.c takes it for them where MEMCELL_TILES names it. */
#include <stdio.h>
#include <stdlib.h>

/* What a test sets: why tiles are refused, and a tile that is never added to (-1: none). */
long refused_here = 0, broken_tile = -1;
long tiles_refused(void) { return refused_here; }

struct emulated {
  long configured, rows[8], bytes[8];
  unsigned char data[8][16][64];
};
static _Thread_local struct emulated emulated;

static void fault(const char *what) {
  fprintf(stderr, "a tile instruction would fault: %s\n", what);
  abort();
}

static void emulated_zero(int t) {
  if (!emulated.configured || !emulated.rows[t] || !emulated.bytes[t]) fault("a tile that is not configured");
  memset(emulated.data[t], 0, sizeof emulated.data[t]);
}

static void emulated_configure(const unsigned char *c) {
  memset(&emulated, 0, sizeof emulated);
  if (!c[0]) return;
  if (c[0] != 1) fault("an unknown palette");
  for (int i = 1; i < 16; i++)
    if (c[i]) fault("a reserved byte that is not zero");
  for (int t = 0; t < 16; t++) {
    const long bytes = c[16 + 2 * t] + 256 * c[17 + 2 * t], rows = c[48 + t];
    if (t >= 8 ? bytes || rows : bytes > 64 || rows > 16 || !bytes != !rows) fault("a size of a tile");
    if (t < 8) emulated.bytes[t] = bytes, emulated.rows[t] = rows;
  }
  emulated.configured = 1;
}

static void emulated_load(int t, const void *from, long stride) {
  emulated_zero(t);
  for (long r = 0; r < emulated.rows[t]; r++)
    memcpy(emulated.data[t][r], (const char *)from + r * stride, (size_t)emulated.bytes[t]);
}

static void emulated_store(int t, void *to, long stride) {
  if (!emulated.configured || !emulated.rows[t]) fault("a tile that is not configured");
  for (long r = 0; r < emulated.rows[t]; r++)
    memcpy((char *)to + r * stride, emulated.data[t][r], (size_t)emulated.bytes[t]);
}

static float emulated_number(uint16_t half) {
  const uint32_t whole = (uint32_t)half << 16;
  float number;
  memcpy(&number, &whole, sizeof number);
  return number;
}

/* Numbers of even and of odd places are summed apart, each by fused operations, and then go to c. */
static void emulated_multiply(int c, int a, int b) {
  const struct emulated *e = &emulated;
  if (!e->configured || !e->rows[c] || !e->rows[a] || !e->rows[b]) fault("a tile that is not configured");
  if (e->rows[c] != e->rows[a] || e->bytes[c] != e->bytes[b] || e->bytes[a] != 4 * e->rows[b])
    fault("tiles whose sizes do not fit");
  if (c == a || c == b || a == b) fault("a tile given twice");
  if (c == broken_tile) return;
  for (long r = 0; r < e->rows[c]; r++) {
    float sums[2][16] = {{0}};
    for (long k = 0; k < e->rows[b]; k++) {
      uint16_t left[2], right[32];
      memcpy(left, e->data[a][r] + 4 * k, sizeof left), memcpy(right, e->data[b][k], sizeof right);
      for (int odd = 0; odd < 2; odd++)
        for (int n = 0; n < 16; n++)
          sums[odd][n] = fmaf(emulated_number(left[odd]), emulated_number(right[2 * n + odd]), sums[odd][n]);
    }
    float row[16];
    memcpy(row, e->data[c][r], sizeof row);
    for (int n = 0; n < e->bytes[c] / 4; n++) row[n] += sums[0][n] + sums[1][n];
    memcpy(emulated.data[c][r], row, sizeof row);
  }
}

/* gcc's header has some of them as macros */
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig(c) emulated_configure((const unsigned char *)(c))
#define _tile_release() (emulated.configured = 0)
#define _tile_zero(t) emulated_zero(t)
#define _tile_loadd(t, from, stride) emulated_load(t, from, stride)
#define _tile_stored(t, to, stride) emulated_store(t, to, stride)
#define _tile_dpbf16ps(c, a, b) emulated_multiply(c, a, b)
