/* Where the time of a program goes. Only programs that are written to be timed have this before them. */
#include <time.h>

/* The last section is not the program's: other processes had the core. */
#define SECTIONS 8
#define WAITING 5
#define TAKEN (SECTIONS - 1)
/* An interval of so many ticks (some 50 us) may hold time of other processes: then that is asked for. */
#define LONG_INTERVAL 150000

/* Of one call on one thread: since `last`, time belongs to no section yet. */
struct timer {
  uint64_t first, last, spent[SECTIONS]; /* ticks */
  uint64_t began, wall, own;             /* nanoseconds: at the beginning, and where last asked for */
};

INLINE uint64_t nanoseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A counter that costs little to read; its rate is found from the nanoseconds of the call. */
INLINE uint64_t ticks(void) {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_ia32_rdtsc();
#else
  return nanoseconds(CLOCK_MONOTONIC);
#endif
}

INLINE void timer_begin(struct timer *timer) {
  memset(timer, 0, sizeof(*timer));
  timer->began = timer->wall = nanoseconds(CLOCK_MONOTONIC);
  timer->own = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  timer->first = timer->last = ticks();
}

/* Ticks of a nanosecond. */
INLINE double timer_rate(const struct timer *timer, uint64_t now, uint64_t wall) {
  return (double)(now - timer->first + 1) / (double)(wall - timer->began + 1);
}

/* Return how much of a long interval other processes had. */
static uint64_t timer_taken(struct timer *timer, uint64_t now, uint64_t interval) {
  uint64_t wall = nanoseconds(CLOCK_MONOTONIC), own = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  int64_t lost = (int64_t)(wall - timer->wall) - (int64_t)(own - timer->own);
  uint64_t taken = lost > 0 ? (uint64_t)((double)lost * timer_rate(timer, now, wall)) : 0;
  timer->wall = wall, timer->own = own;
  return taken < interval ? taken : interval;
}

INLINE void timer_add(struct timer *timer, int section) {
  uint64_t now = ticks(), spent = now - timer->last;
  if (spent > LONG_INTERVAL) {
    uint64_t taken = timer_taken(timer, now, spent);
    if (section != WAITING) spent -= taken, timer->spent[TAKEN] += taken;
    now = ticks(); /* asking is nobody's time */
  }
  timer->spent[section] += spent;
  timer->last = now;
}

/* Add a call to the nanoseconds of all threads. */
static void timer_end(const struct timer *timer, atomic_ullong *total) {
  double rate = timer_rate(timer, timer->last, nanoseconds(CLOCK_MONOTONIC));
  for (int i = 0; i < SECTIONS; i++) atomic_fetch_add(total + i, (uint64_t)((double)timer->spent[i] / rate));
}
