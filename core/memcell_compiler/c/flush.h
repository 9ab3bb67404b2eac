/* Subnormal numbers count as zero inside a loop: some cores take 150 cycles for each of them. */
#ifndef MEMCELL_FLUSH_H
#define MEMCELL_FLUSH_H
#include <stdint.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

/* Let this thread's results (FTZ) and operands (DAZ) that are subnormal be zeros; return its control word
   as it was, for `flush_end`. Where the processor has no such mode, nothing happens. */
static inline uint64_t flush_begin(void) {
#if defined(__SSE__)
  const unsigned was = _mm_getcsr();
  _mm_setcsr(was | 0x8040u);
  return was;
#elif defined(__aarch64__)
  uint64_t was;
  __asm__ volatile("mrs %0, fpcr" : "=r"(was));
  __asm__ volatile("msr fpcr, %0" : : "r"(was | (1ull << 24)) : "memory");
  return was;
#else
  return 0;
#endif
}

static inline void flush_end(uint64_t was) {
#if defined(__SSE__)
  _mm_setcsr((unsigned)was);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(was) : "memory");
#else
  (void)was;
#endif
}
#endif
