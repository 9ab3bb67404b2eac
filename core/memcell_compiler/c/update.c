/* What an update of training needs besides its windows, for a small network: a linear readout with its
   cross-entropy, forwards and back, the norm of all gradients, and a step of Adam. */
#include "base.h"
#include "flush.h"
#include "functions.h"

/* Rows that go through together: their functions are vector code, and their products are added up by
   themselves before they go into the whole sum, which rounds less. */
#define ROWS 64

/* A readout: logits = W h + b, and + S x where there is a linear path. What is not wanted is null. */
struct readout {
  long rows, width, features, classes;
  const real *hidden, *x;                /* [rows, width], [rows, features] */
  const real *weight, *bias, *skip;      /* [classes, width], [classes], [classes, features] */
  const int64_t *target;                 /* [rows]; below 0 is class 0, for a step without a label */
  const real *class_weight, *row_weight; /* [classes], [rows] */
  real *logits, *losses;                 /* [rows, classes], [rows] */
  real *log_p;                           /* kept from forwards to back: for each ROWS rows [classes, ROWS] */
  real *d_logits;                        /* room for [classes, ROWS] */
  real *packed;                          /* room for the weights, [1 + width + features, classes, 16] */
  real *d_hidden;                        /* [rows, width] */
  real *d_weight, *d_bias, *d_skip;
  double total;                          /* of the losses */
};

#ifdef __clang__ /* which takes gcc's number for a part of a loop */
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 4")
#endif

/* Weights of LANES classes, the bias first: [1 + width + features, LANES], zeros beyond the last class. */
static void pack_classes(const struct readout *o, long first, real *packed) {
  const long classes = least(LANES, o->classes - first), features = o->skip ? o->features : 0;
  memset(packed, 0, sizeof(real) * (size_t)((1 + o->width + features) * LANES));
  for (long c = 0; c < classes; c++) {
    real *to = packed + c;
    *to = o->bias[first + c];
    to += LANES;
    for (long j = 0; j < o->width; j++) to[j * LANES] = o->weight[(first + c) * o->width + j];
    to += o->width * LANES;
    for (long j = 0; j < features; j++) to[j * LANES] = o->skip[(first + c) * features + j];
  }
}

/* sums += the products of so many columns of `rows` rows, at most 4, with packed weights. */
INLINE void add_columns(long rows, long columns, const real *from, const real *packed, vector *sums) {
  for (long j = 0; j < columns; j++) {
    const vector w = *(const vector *)(packed + j * LANES);
    UNROLL for (long r = 0; r < rows; r++) sums[r] += from[r * columns + j] * w;
  }
}

/* Logits of `rows` rows, at most 4, for classes from `first`; also to z, [classes, ROWS]. */
INLINE void logits_of(const struct readout *o, long row, long rows, long first, const real *packed,
                      real *z) {
  vector sums[4];
  UNROLL for (long r = 0; r < rows; r++) sums[r] = *(const vector *)packed;
  add_columns(rows, o->width, o->hidden + row * o->width, packed + LANES, sums);
  if (o->skip)
    add_columns(rows, o->features, o->x + row * o->features, packed + (1 + o->width) * LANES, sums);
  const long classes = least(LANES, o->classes - first);
  UNROLL for (long r = 0; r < rows; r++)
    for (long c = 0; c < classes; c++) {
      const real logit = ((const real *)(sums + r))[c];
      o->logits[(row + r) * o->classes + first + c] = logit;
      z[(first + c) * ROWS + r] = logit;
    }
}

/* The logarithm of a number of at least 1, or of what is none; 2 ulp or so. */
INLINE real log_of_sum(real x) {
#ifdef MEMCELL_DOUBLE
  return log(x);
#else
  uint32_t bits;
  memcpy(&bits, &x, 4);
  /* x = 2^e m with m from sqrt(1/2) to sqrt(2) */
  const uint32_t high = (bits - 0x3f3504f3u) & 0xff800000u;
  const real e = (real)((int32_t)high >> 23);
  bits -= high;
  real m;
  memcpy(&m, &bits, 4);
  const real r = m - 1, z = r * r;
  real p = 7.0376836292e-2f;
  p = p * r - 1.1514610310e-1f;
  p = p * r + 1.1676998740e-1f;
  p = p * r - 1.2420140846e-1f;
  p = p * r + 1.4249322787e-1f;
  p = p * r - 1.6668057665e-1f;
  p = p * r + 2.0000714765e-1f;
  p = p * r - 2.4999993993e-1f;
  p = p * r + 3.3333331174e-1f;
  const real y = p * r * z - 2.12194440e-4f * e - 0.5f * z;
  const real found = r + y + 0.693359375f * e;
  return x <= 3.4e38f ? found : x;
#endif
}

INLINE long class_of(int64_t target) { return target < 0 ? 0 : (long)target; }

/* Logits, log-probabilities and weighted losses; returns -1, or the first row whose target is no class. */
long readout_forward(struct readout *o) {
  const long classes = o->classes;
  for (long r = 0; r < o->rows; r++)
    if (o->target[r] >= classes) return r;
  const uint64_t mode = flush_begin();
  const long packed_rows = 1 + o->width + (o->skip ? o->features : 0);
  for (long c = 0; c < classes; c += LANES) pack_classes(o, c, o->packed + c * packed_rows);
  double losses = 0;
  for (long first = 0; first < o->rows; first += ROWS) {
    const long rows = least(ROWS, o->rows - first);
    real *z = o->log_p + first * classes, most[ROWS], sum[ROWS];
    for (long r = 0; r < ROWS; r++) most[r] = -INFINITY, sum[r] = 0;
    if (rows < ROWS) memset(z, 0, sizeof(real) * (size_t)(ROWS * classes));
    for (long c = 0; c < classes; c += LANES) {
      const real *packed = o->packed + c * packed_rows;
      long r = 0;
      for (; r + 4 <= rows; r += 4) logits_of(o, first + r, 4, c, packed, z + r);
      for (; r < rows; r++) logits_of(o, first + r, 1, c, packed, z + r);
    }
    for (long c = 0; c < classes; c++)
#pragma omp simd
      for (long r = 0; r < ROWS; r++) most[r] = m_max(most[r], z[c * ROWS + r]);
    for (long c = 0; c < classes; c++)
#pragma omp simd
      for (long r = 0; r < ROWS; r++) sum[r] += m_exp(z[c * ROWS + r] - most[r]);
#pragma omp simd
    for (long r = 0; r < ROWS; r++) sum[r] = log_of_sum(sum[r]);
    for (long c = 0; c < classes; c++)
#pragma omp simd
      for (long r = 0; r < ROWS; r++) z[c * ROWS + r] = z[c * ROWS + r] - most[r] - sum[r];
    for (long r = 0; r < rows; r++) {
      const long target = class_of(o->target[first + r]);
      const real weight = o->class_weight ? o->class_weight[target] : ONE;
      const real loss = -weight * z[target * ROWS + r] * o->row_weight[first + r];
      o->losses[first + r] = loss;
      losses += (double)loss;
    }
  }
  o->total = losses;
  flush_end(mode);
  return -1;
}

/* d[width] += the sum over rows of d_logits[row] inputs[row]. */
INLINE void add_products(long rows, long width, const real *d_logits, const real *inputs, real *d) {
  long j = 0;
  for (; j + LANES <= width; j += LANES) {
    vector one = {0}, other = {0};
    long r = 0;
    for (; r + 2 <= rows; r += 2) {
      one += d_logits[r] * *(const vector *)(inputs + r * width + j);
      other += d_logits[r + 1] * *(const vector *)(inputs + (r + 1) * width + j);
    }
    if (r < rows) one += d_logits[r] * *(const vector *)(inputs + r * width + j);
    *(vector *)(d + j) += one + other;
  }
  for (; j < width; j++) {
    real sum = 0;
    for (long r = 0; r < rows; r++) sum += d_logits[r] * inputs[r * width + j];
    d[j] += sum;
  }
}

/* Gradients of the summed losses times a share; those of the parameters are added to what is there. */
void readout_backward(const struct readout *o, double share) {
  const uint64_t mode = flush_begin();
  const long classes = o->classes, width = o->width;
  real *d = o->d_logits;
  for (long first = 0; first < o->rows; first += ROWS) {
    const long rows = least(ROWS, o->rows - first);
    const real *log_p = o->log_p + first * classes;
    real d_loss[ROWS];
    for (long r = 0; r < ROWS; r++) d_loss[r] = 0;
    for (long r = 0; r < rows; r++) {
      const long target = class_of(o->target[first + r]);
      const real weight = o->class_weight ? o->class_weight[target] : ONE;
      d_loss[r] = -(o->row_weight[first + r] * (real)share) * weight;
    }
    for (long c = 0; c < classes; c++)
#pragma omp simd
      for (long r = 0; r < ROWS; r++) d[c * ROWS + r] = -m_exp(log_p[c * ROWS + r]) * d_loss[r];
    for (long r = 0; r < rows; r++) d[class_of(o->target[first + r]) * ROWS + r] += d_loss[r];
    for (long r = 0; r < rows; r++) {
      real *d_hidden = o->d_hidden + (first + r) * width;
      long j = 0;
      for (; j + LANES <= width; j += LANES) {
        vector sum = {0};
        for (long c = 0; c < classes; c++)
          sum += d[c * ROWS + r] * *(const vector *)(o->weight + c * width + j);
        *(vector *)(d_hidden + j) = sum;
      }
      for (; j < width; j++) {
        d_hidden[j] = 0;
        for (long c = 0; c < classes; c++) d_hidden[j] += d[c * ROWS + r] * o->weight[c * width + j];
      }
    }
    for (long c = 0; c < classes; c++) {
      const real *mine = d + c * ROWS;
      if (o->d_bias)
        for (long r = 0; r < rows; r++) o->d_bias[c] += mine[r];
      if (o->d_weight)
        add_products(rows, width, mine, o->hidden + first * width, o->d_weight + c * width);
      if (o->d_skip)
        add_products(rows, o->features, mine, o->x + first * o->features,
                     o->d_skip + c * o->features);
    }
  }
  flush_end(mode);
}

/* The norm over all gradients, which are scaled down where it is above the limit. */
double clip(long count, const long *sizes, real *const *gradients, double limit) {
  double squares = 0;
  for (long i = 0; i < count; i++) {
    const real *restrict gradient = gradients[i];
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (long j = 0; j < sizes[i]; j++) sum += (double)gradient[j] * (double)gradient[j];
    squares += sum;
  }
  /* infinite where the numbers' own type has no room for it, as torch's norm is */
  const real norm = m_sqrt((real)squares);
  const double factor = limit / ((double)norm + 1e-6);
  if (!(factor >= 1.0)) /* no number, too, goes into the gradients */
    for (long i = 0; i < count; i++) {
      real *restrict gradient = gradients[i];
#pragma omp simd
      for (long j = 0; j < sizes[i]; j++) gradient[j] *= (real)factor;
    }
  return (double)norm;
}

/* Options of Adam. */
struct adam {
  double rate, beta1, beta2, eps, decay;
  long decoupled;
};

/* One step of Adam (Kingma & Ba 2015), or of AdamW; returns 0 where parameters have had different numbers of
   steps, and nothing has happened then. */
long adam(long count, const long *sizes, real *const *values, real *const *gradients,
          real *const *means, real *const *squares, float *const *steps, const struct adam *o) {
  for (long i = 1; i < count; i++)
    if (*steps[i] != *steps[0]) return 0;
  const double taken = (double)*steps[0] + 1;
  const double correction = 1 - pow(o->beta1, taken), root = sqrt(1 - pow(o->beta2, taken));
  const real size = (real)(-o->rate / correction), divisor = (real)root, eps = (real)o->eps;
  const real fresh = (real)(1 - o->beta1), kept = (real)o->beta2, added = (real)(1 - o->beta2);
  const real shrink = (real)(1 - o->rate * o->decay), decay = (real)o->decay;
  for (long i = 0; i < count; i++) {
    real *restrict value = values[i], *restrict mean = means[i], *restrict square = squares[i];
    const real *restrict gradient = gradients[i];
    if (o->decay != 0 && o->decoupled)
      for (long j = 0; j < sizes[i]; j++) value[j] *= shrink;
    const long decays = o->decay != 0 && !o->decoupled;
#pragma omp simd
    for (long j = 0; j < sizes[i]; j++) {
      const real g = decays ? gradient[j] + decay * value[j] : gradient[j];
      const real m = mean[j] + fresh * (g - mean[j]);
      const real s = kept * square[j] + added * g * g;
      mean[j] = m;
      square[j] = s;
      value[j] += size * (m / (m_sqrt(s) / divisor + eps));
    }
    *steps[i] = (float)taken;
  }
  return 1;
}
