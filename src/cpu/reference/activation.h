#pragma once

#include <cmath>
#include <numbers>
#include <string_view>

#include "tensor/codecs.h"

namespace octet::cpu::reference {

// Activations, computed in double and rounded to float once.

inline float sigmoid(float x) {
  return static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(x))));
}

/// x * sigmoid(1.702 x)
inline float quick_gelu(float x) {
  constexpr auto kFactor = static_cast<double>(1.702F);
  return static_cast<float>(x * (1.0 / (1.0 + std::exp(-kFactor * x))));
}

/// x * Phi(x), with the normal distribution's Phi.
inline float gelu(float x) {
  return static_cast<float>(0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2)));
}

/// The tanh approximation of gelu (Hendrycks and Gimpel, 2016).
inline float gelu_tanh(float x) {
  const double factor = std::sqrt(2.0 / std::numbers::pi);
  const double wide = x;
  return static_cast<float>(0.5 * wide *
                            (1.0 + std::tanh(factor * (wide + 0.044715 * wide * wide * wide))));
}

/// quick_gelu as three operators of an FP16 graph, each rounded, the factor too.
inline float quick_gelu_in_f16(float x) {
  constexpr float kFactor = 1.7021484375F;
  return round_to_f16(x * round_to_f16(sigmoid(round_to_f16(kFactor * x))));
}

using Activation = float (*)(float);

/// By the name an octet.Linear gives it; nullptr for "none".
inline Activation activation_named(std::string_view name) {
  if (name == "quick_gelu") return quick_gelu;
  if (name == "gelu") return gelu;
  if (name == "gelu_tanh") return gelu_tanh;
  return nullptr;
}

}  // namespace octet::cpu::reference
