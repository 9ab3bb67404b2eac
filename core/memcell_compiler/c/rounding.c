/* Rounding to bfloat16, for the kernels that multiply such numbers; compiled before them, in the same unit. */
#include <immintrin.h>

/* Two rows of 16 numbers as 16 pairs. */
INLINE __m512i paired(__m512 even, __m512 odd) {
  const __m512i order =
      _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5,
                       20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}
