/* Where the time of a program goes. Only programs that are written to be timed have this before them. */
#include <time.h>

/* The last section is not the program's: other processes had the core. */
#define SECTIONS 8
#define WAITING 5
#define TAKEN (SECTIONS - 1)
/* A lap of so many ticks (some 50 us) may hold time of other processes: then that is asked for. */
#define LONG_LAP 150000

/* Of one call on one thread: since `last`, time belongs to no section yet. */
struct laps {
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

INLINE void laps_begin(struct laps *laps) {
  memset(laps, 0, sizeof(*laps));
  laps->began = laps->wall = nanoseconds(CLOCK_MONOTONIC);
  laps->own = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  laps->first = laps->last = ticks();
}

/* Ticks of a nanosecond. */
INLINE double laps_rate(const struct laps *laps, uint64_t now, uint64_t wall) {
  return (double)(now - laps->first + 1) / (double)(wall - laps->began + 1);
}

/* Return how much of a long lap other processes had. */
static uint64_t laps_taken(struct laps *laps, uint64_t now, uint64_t lap) {
  uint64_t wall = nanoseconds(CLOCK_MONOTONIC), own = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  int64_t lost = (int64_t)(wall - laps->wall) - (int64_t)(own - laps->own);
  uint64_t taken = lost > 0 ? (uint64_t)((double)lost * laps_rate(laps, now, wall)) : 0;
  laps->wall = wall, laps->own = own;
  return taken < lap ? taken : lap;
}

INLINE void lap(struct laps *laps, int section) {
  uint64_t now = ticks(), spent = now - laps->last;
  if (spent > LONG_LAP) {
    uint64_t taken = laps_taken(laps, now, spent);
    if (section != WAITING) spent -= taken, laps->spent[TAKEN] += taken;
    now = ticks(); /* asking is nobody's time */
  }
  laps->spent[section] += spent;
  laps->last = now;
}

/* Add a call to the nanoseconds of all threads. */
static void laps_end(const struct laps *laps, atomic_ullong *total) {
  double rate = laps_rate(laps, laps->last, nanoseconds(CLOCK_MONOTONIC));
  for (int i = 0; i < SECTIONS; i++) atomic_fetch_add(total + i, (uint64_t)((double)laps->spent[i] / rate));
}
