/* Elementwise functions, written so that the compiler turns the loop around them into vector code. */
#ifndef MEMCELL_FUNCTIONS_H
#define MEMCELL_FUNCTIONS_H
#include "base.h"

#define ONE ((real)1)
#define ZERO ((real)0)

/* A NaN on either side comes through, as in torch. */
INLINE real m_max(real a, real b) { return a > b || a != a ? a : b; }
INLINE real m_min(real a, real b) { return a < b || a != a ? a : b; }

#ifdef MEMCELL_DOUBLE
#define m_abs fabs
#define m_copysign copysign
#define m_sqrt sqrt
#define m_log log
#define m_log1p log1p
#define m_expm1 expm1
#define m_erf erf
#define m_sin sin
#define m_cos cos
#define m_pow pow
#define m_floor floor
#define m_ceil ceil
#define m_trunc trunc
#define m_rint rint
#define m_fmod fmod
#define m_tan tan
#define m_asin asin
#define m_acos acos
#define m_atan atan
#define m_atan2 atan2
#define m_sinh sinh
#define m_cosh cosh
#define m_asinh asinh
#define m_acosh acosh
#define m_atanh atanh
#define m_exp2 exp2
#define m_log2 log2
#define m_log10 log10
#define m_erfc erfc

/* exp: 2^n e^r with |r| <= ln(2)/2 and the Taylor series of e^r; 1 ulp or so. 0 where the result would be
   subnormal, infinite where it would be larger than the largest number. */
INLINE double m_exp(double x) {
  const double shift = 6755399441055744.0; /* adding it leaves the integer in the low bits */
  double shifted = x * 1.4426950408889634 + shift, n = shifted - shift;
  double r = x - n * 0.6931471803691238;
  r = r - n * 1.9082149292705877e-10;
  double p = 1.0 / 6227020800;
  p = p * r + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  uint64_t power, bits; /* n is added to the exponent of p: 2^1024 is no number, and p may be less than 1 */
  memcpy(&power, &shifted, 8);
  memcpy(&bits, &p, 8);
  bits += power << 52;
  double y;
  memcpy(&y, &bits, 8);
  y = x < -708.39641853226408 ? 0.0 : y;
  return x <= 709.78271289338397 ? y : x + INFINITY; /* NaN stays NaN */
}

/* tanh: from exp, and near 0, where that loses digits, by the series. */
INLINE double m_tanh(double x) {
  double z = x * x;
  double s = -929569.0 / 638512875;
  s = s * z + 21844.0 / 6081075;
  s = s * z - 1382.0 / 155925;
  s = s * z + 62.0 / 2835;
  s = s * z - 17.0 / 315;
  s = s * z + 2.0 / 15;
  s = s * z - 1.0 / 3;
  double near = x + x * z * s;
  double far = 1.0 - 2.0 / (m_exp(2.0 * x) + 1.0);
  return m_copysign(z < 0.01 ? near : far, x); /* of -0 too */
}
#else
#define m_abs fabsf
#define m_copysign copysignf
#define m_sqrt sqrtf
#define m_log logf
#define m_log1p log1pf
#define m_expm1 expm1f
#define m_erf erff
#define m_sin sinf
#define m_cos cosf
#define m_pow powf
#define m_floor floorf
#define m_ceil ceilf
#define m_trunc truncf
#define m_rint rintf
#define m_fmod fmodf
#define m_tan tanf
#define m_asin asinf
#define m_acos acosf
#define m_atan atanf
#define m_atan2 atan2f
#define m_sinh sinhf
#define m_cosh coshf
#define m_asinh asinhf
#define m_acosh acoshf
#define m_atanh atanhf
#define m_exp2 exp2f
#define m_log2 log2f
#define m_log10 log10f
#define m_erfc erfcf

/* exp: 2^n e^r, Cephes' polynomial; 1 ulp or so. 0 where the result would be subnormal, infinite where it
   would be larger than the largest number. */
INLINE float m_exp(float x) {
  const float shift = 12582912.0f; /* adding it leaves the integer in the low bits */
  float shifted = x * 1.44269504f + shift, n = shifted - shift;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  uint32_t power, bits; /* n is added to the exponent of p: 2^128 is no number, and p may be less than 1 */
  memcpy(&power, &shifted, 4);
  memcpy(&bits, &p, 4);
  bits += power << 23;
  float y;
  memcpy(&y, &bits, 4);
  y = x < -87.3365402f ? 0.0f : y;
  return x <= 88.7228317f ? y : x + INFINITY; /* NaN stays NaN */
}

/* tanh: an odd rational function, 2 ulp or so; beyond 7.9 it is 1 in float32. */
INLINE float m_tanh(float x) {
  x = x > 7.9053111f ? 7.9053111f : x;
  x = x < -7.9053111f ? -7.9053111f : x;
  float z = x * x;
  float p = -2.76076847742355e-16f;
  p = p * z + 2.00018790482477e-13f;
  p = p * z - 8.60467152213735e-11f;
  p = p * z + 5.12229709037114e-08f;
  p = p * z + 1.48572235717979e-05f;
  p = p * z + 6.37261928875436e-04f;
  p = p * z + 4.89352455891786e-03f;
  float q = 1.19825839466702e-06f;
  q = q * z + 1.18534705686654e-04f;
  q = q * z + 2.26843463243900e-03f;
  q = q * z + 4.89352518554385e-03f;
  return p / q * x; /* x * p would be denormal, and lose digits, long before x is */
}
#endif

INLINE real m_sigmoid(real x) { return ONE / (ONE + m_exp(-x)); }
/* The remainder with the sign of the divisor, and the quotient that goes with it, as torch rounds them. */
INLINE real m_remainder(real a, real b) {
  const real rest = m_fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
INLINE real m_floor_divide(real a, real b) {
  if (b == 0) return a / b;
  const real rest = m_fmod(a, b);
  real quotient = (a - rest) / b;
  if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
  if (quotient == 0) return m_copysign(ZERO, a / b); /* a / b may be a zero with a sign itself */
  const real whole = m_floor(quotient);
  return quotient - whole > (real)0.5 ? whole + 1 : whole;
}

#endif
