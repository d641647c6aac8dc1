// Functions of f32 in arithmetic that compilers make vector instructions of: MLX calls a scalar function for each element on x86-64.
#pragma once
#include <bit>
#include <cstdint>

namespace emily {

// horner is the polynomial with those coefficients, the highest power's first.
template <class... C>
inline float horner(float x, float first, C... rest) {
  float sum = first;
  ((sum = sum * x + rest), ...);
  return sum;
}

inline float clip(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }  // NaN stays

inline float powerOf2(int n) { return std::bit_cast<float>(static_cast<uint32_t>(n + 127) << 23); }

// expOf: 2ⁿ·eʳ with the nearest n to x/ln 2, within 1.5 units in the last place. Coefficients: Cephes' expf.
inline float expOf(float x) {
  constexpr float round = 12582912.0f;  // adding it leaves no fraction
  x = clip(x, -104.0f, 89.0f);          // 0 and infinity
  float shifted = x * 1.44269504088896341f + round, n = shifted - round;
  float r = x - n * 0.693359375f - n * -2.12194440e-4f;
  float y = horner(r, 1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f) * r * r + r + 1;
  int k = static_cast<int>(std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(round)), half = k >> 1;
  return y * powerOf2(half) * powerOf2(k - half);
}

inline float sigmoidOf(float x) { return 1 / (1 + expOf(-x)); }

// erfOf is x + x P(x²) near 0, and 1 - e^R(|x|) further out, with x's sign: within a unit in the last place, as GELU needs it where erf is
// near -1. Coefficients: N. Juffa's erff.
inline float erfOf(float x) {
  float t = __builtin_fabsf(x), s = x * x;
  float r = horner(t, -1.72853470e-5f, 3.83197126e-4f, -3.88396438e-3f, 2.42546219e-2f, -1.06777877e-1f, -6.34846687e-1f, -1.28717512e-1f) * t - t;
  float far = __builtin_copysignf(1 - expOf(r), x);
  float near = horner(s, -5.96761703e-4f, 4.99119423e-3f, -2.67681349e-2f, 1.12819925e-1f, -3.76125336e-1f, 1.28379166e-1f) * x + x;
  return t > 0.927734375f ? far : near;
}

// tanhOf: x P(x²) / Q(x²) over [-7.9, 7.9], outside of which tanh is ±1 in f32. Coefficients: Eigen's ptanh_float.
inline float tanhOf(float x) {
  float c = clip(x, -7.90531110763549805f, 7.90531110763549805f), s = c * c;
  float p = horner(s, -2.76076847742355e-16f, 2.00018790482477e-13f, -8.60467152213735e-11f, 5.12229709037114e-08f, 1.48572235717979e-05f,
                   6.37261928875436e-04f, 4.89352455891786e-03f);
  float q = horner(s, 1.19825839466702e-06f, 1.18534705686654e-04f, 2.26843463243900e-03f, 4.89352518554385e-03f);
  float y = clip(c * p / q, -1, 1);
  return x > -4e-4f && x < 4e-4f ? x : y;
}

}  // namespace emily
