/* The learning algorithm of real_time.py, sequence after sequence; see there for the equations.

   Rows of w and of what belongs to it are cells, input gates, output gates; columns are inputs, cells, gates, 1.
   Cell j belongs to block j % blocks. Sequences lie one after the other; of each the last `wanted` steps have targets. */
#include <math.h>
#include <string.h>

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

typedef struct {
  long inputs, cells, blocks, outputs;
  long squash_in, squash_out; /* 4 sigma - 2 rather than sigma; 2 sigma - 1 rather than nothing */
  double rate;
  double *w, *out, *bias, *direct; /* bias and direct may be absent */
  const double *trained;           /* 1 and 0, as w */
  const double *cell_part, *gate_part;
  long *seen;                      /* which inputs are not 0 at this step; workspace, as what follows */
  double *of_cell, *of_in, *v, *act, *s, *h, *read, *slope, *e, *back;
} net;

static void update(net *n) {
  long I = n->inputs, H = n->cells, B = n->blocks, K = n->outputs, R = H + 2 * B, M = I + R + 1;
  for (long j = 0; j < H; j++) {
    double sum = 0;
    for (long k = 0; k < K; k++) sum += n->e[k] * n->out[k * H + j];
    n->back[j] = sum * n->cell_part[j];
  }
  for (long j = 0; j < H; j++) {
    long b = j % B;
    double y_out = n->act[H + B + b];
    double at = y_out * n->slope[j] * n->back[j], gate = y_out * (1 - y_out) * n->read[j] * n->back[j];
    double *cell = n->w + j * M, *in = n->w + (H + b) * M, *shut = n->w + (H + B + b) * M;
    const double *tc = n->trained + j * M, *ti = n->trained + (H + b) * M, *to = n->trained + (H + B + b) * M;
    const double *dc = n->of_cell + j * M, *di = n->of_in + j * M;
    for (long m = 0; m < M; m++) {
      cell[m] += at * dc[m] * tc[m];
      in[m] += at * di[m] * ti[m];
      shut[m] += gate * n->v[m] * to[m];
    }
  }
  for (long k = 0; k < K; k++) {
    for (long j = 0; j < H; j++) n->out[k * H + j] += n->e[k] * n->h[j];
    if (n->bias) n->bias[k] += n->e[k];
  }
}

/* Learn from sequences; errors |target - output| of before each update are written in order. */
void learn(net *n, long sequences, const long *steps, const long *wanted, const double *x, const double *target,
           double *error) {
  long I = n->inputs, H = n->cells, B = n->blocks, K = n->outputs, R = H + 2 * B, M = I + R + 1;
  for (long q = 0; q < sequences; q++) {
    memset(n->of_cell, 0, sizeof(double) * H * M);
    memset(n->of_in, 0, sizeof(double) * H * M);
    memset(n->v, 0, sizeof(double) * M);
    memset(n->s, 0, sizeof(double) * H);
    n->v[M - 1] = 1;
    for (long t = 0; t < steps[q]; t++, x += I) {
      long count = 0;
      memcpy(n->v, x, sizeof(double) * I);
      for (long i = 0; i < I; i++)
        if (x[i] != 0) n->seen[count++] = i;
      for (long r = 0; r < R; r++) {
        const double *row = n->w + r * M;
        double sum = 0;
        for (long i = 0; i < count; i++) sum += row[n->seen[i]] * x[n->seen[i]];
        for (long m = I; m < M; m++) sum += row[m] * n->v[m];
        n->act[r] = sigmoid(sum) * (r < H ? 1.0 : n->gate_part[r - H]);
      }
      for (long j = 0; j < H; j++) {
        double y_in = n->act[H + j % B], y_out = n->act[H + B + j % B], net = n->act[j];
        double g = n->squash_in ? 4 * net - 2 : net;
        double to_cell = y_in * (n->squash_in ? 4 : 1) * net * (1 - net), to_in = g * y_in * (1 - y_in);
        double *dc = n->of_cell + j * M, *di = n->of_in + j * M;
        for (long i = 0; i < count; i++) {
          long m = n->seen[i];
          dc[m] += to_cell * x[m], di[m] += to_in * x[m];
        }
        for (long m = I; m < M; m++) dc[m] += to_cell * n->v[m], di[m] += to_in * n->v[m];
        n->s[j] += y_in * g;
        double half = n->squash_out ? sigmoid(n->s[j]) : 0;
        n->slope[j] = n->squash_out ? 2 * half * (1 - half) : 1;
        n->read[j] = (n->squash_out ? 2 * half - 1 : n->s[j]) * n->cell_part[j];
        n->h[j] = y_out * n->read[j];
      }
      if (t >= steps[q] - wanted[q]) {
        for (long k = 0; k < K; k++) {
          double sum = n->bias ? n->bias[k] : 0;
          for (long j = 0; j < H; j++) sum += n->out[k * H + j] * n->h[j];
          if (n->direct)
            for (long i = 0; i < count; i++) sum += n->direct[k * I + n->seen[i]] * x[n->seen[i]];
          double y = sigmoid(sum), off = target[k] - y;
          error[k] = fabs(off);
          n->e[k] = n->rate * off * y * (1 - y);
        }
        update(n);
        if (n->direct)
          for (long k = 0; k < K; k++)
            for (long i = 0; i < count; i++) n->direct[k * I + n->seen[i]] += n->e[k] * x[n->seen[i]];
        target += K, error += K;
      }
      memcpy(n->v + I, n->h, sizeof(double) * H);
      memcpy(n->v + I + H, n->act + H, sizeof(double) * 2 * B);
    }
  }
}
