#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace octet::quant::test {

/// Kinds of values that calibration meets.
enum class Shape { gaussian, heavy_tail, outlier, skewed, sparse, tiny };
inline constexpr Shape kShapes[] = {Shape::gaussian, Shape::heavy_tail, Shape::outlier,
                                    Shape::skewed,   Shape::sparse,     Shape::tiny};

/// `count` values of one kind; the same for the same seed.
inline std::vector<float> draw(Shape shape, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, 1.0F);
  std::cauchy_distribution<float> cauchy(0.0F, 1.0F);
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    const float value = normal(random);
    switch (shape) {
      case Shape::gaussian:
        values[i] = value;
        break;
      case Shape::heavy_tail:
        values[i] = cauchy(random);
        break;
      case Shape::outlier:
        values[i] = i == 0 ? 3000.0F : value;
        break;
      case Shape::skewed:
        values[i] = std::exp(2 * value);
        break;
      case Shape::sparse:
        values[i] = i % 3 == 0 ? value : 0.0F;
        break;
      case Shape::tiny:
        values[i] = value * 1e-5F;
        break;
    }
  }
  return values;
}

}  // namespace octet::quant::test
