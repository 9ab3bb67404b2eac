/* All threads of a window on one team of the OpenMP runtime that torch itself uses.

   Its workers wait for their next work by spinning. Threads of another pool would share their cores with
   them for some milliseconds after each operation of torch. */
#include "base.h"

typedef void program(const struct window *, real *const *, const real *, real *, long);
typedef void parallel_region(void (*member)(void *), void *data, unsigned threads, unsigned flags);

/* The runtime's entries, found by who calls: this unit is not linked with it. */
struct openmp {
  parallel_region *parallel;
  int (*number)(void);
  int (*count)(void);
};

struct work {
  const struct openmp *openmp;
  program *run;
  const struct window *window;
  real *const *const *arrays; /* of each thread */
  const real *packed;
  real *const *scratch;
  atomic_long missing;
};

static void member(void *data) {
  struct work *work = data;
  const long threads = work->window->threads;
  if (work->openmp->count() < threads) { /* the runtime gave fewer than asked */
    atomic_store(&work->missing, 1);
    return;
  }
  const long i = work->openmp->number();
  if (i < threads) work->run(work->window, work->arrays[i], work->packed, work->scratch[i], i);
}

/* Run a program on w->threads threads; 0, or 1 where there were too few and nothing has run. */
long together(const struct openmp *openmp, program *run, const struct window *w,
              real *const *const *arrays, const real *packed, real *const *scratch) {
  struct work work = {openmp, run, w, arrays, packed, scratch, 0};
  openmp->parallel(member, &work, (unsigned)w->threads, 0);
  return atomic_load(&work.missing);
}
