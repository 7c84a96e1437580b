#pragma once

#include <random>
#include <utility>
#include <vector>

#include "tensor/codecs.h"
#include "tensor/tensor.h"

namespace octet::cpu {

/// Normal values times `spread`, rounded to a floating dtype; the same for the same seed.
inline Tensor random_tensor(DType dtype, Shape shape, uint32_t seed, float spread = 1.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0F, spread);
  Tensor values(DType::f32, std::move(shape));
  for (float& value : values.mutable_values<float>()) value = normal(generator);
  return convert(values, dtype);
}

/// The elements of a tensor of any floating dtype as doubles.
inline std::vector<double> as_doubles(const Tensor& tensor) {
  const Tensor floats = convert(tensor, DType::f32);
  const auto values = floats.values<float>();
  return {values.begin(), values.end()};
}

}  // namespace octet::cpu
