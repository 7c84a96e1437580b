#include "data/resample_weights.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace octet::data {
namespace {

double box(double x) {
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

double bilinear(double x) {
  return std::max(1.0 - std::abs(x), 0.0);
}

/// Keys' cubic convolution with a = -1/2, in the order of operations that the reference uses:
/// another order changes last bits of the weights.
double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

/// The window's constants are single precision in the reference.
double hamming(double x) {
  x = std::abs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= std::numbers::pi;
  return std::sin(x) / x * (double{0.54f} + double{0.46f} * std::cos(x));
}

struct Kernel {
  double (*value)(double x);
  double support;  ///< half width, in source pixels when enlarging
};

Kernel kernel_of(ResampleFilter filter) {
  switch (filter) {
    case ResampleFilter::lanczos:
      return {lanczos, 3.0};
    case ResampleFilter::bilinear:
      return {bilinear, 1.0};
    case ResampleFilter::bicubic:
      return {bicubic, 2.0};
    case ResampleFilter::box:
      return {box, 0.5};
    case ResampleFilter::hamming:
      return {hamming, 1.0};
    case ResampleFilter::nearest:
      break;
  }
  throw std::logic_error("internal error: this filter has no weights");
}

/// As the reference rounds, which std::lround does not for every value: the sum of 0.5 and the
/// number below it is 1, and from -1.5 to -0.5 this gives 0.
int rounded(double x) {
  // NOLINTNEXTLINE(bugprone-incorrect-roundings): the reference rounds in this way
  return static_cast<int>(x + 0.5);
}

}  // namespace

ResampleWeights resample_weights(int source, int target, ResampleFilter filter, int first,
                                 int count) {
  const Kernel kernel = kernel_of(filter);
  const double scale = double(source) / target;
  const double widening = std::max(scale, 1.0);
  const double support = kernel.support * widening;
  const double narrowing = 1.0 / widening;
  ResampleWeights weights;
  weights.source_begin = source;
  weights.taps.reserve(static_cast<size_t>(count));
  for (int i = first; i < first + count; ++i) {
    const double center = (i + 0.5) * scale;
    const int begin = std::max(rounded(center - support), 0);
    const int end = std::min(rounded(center + support), source);
    const size_t first_weight = weights.values.size();
    double sum = 0.0;
    for (int x = begin; x < end; ++x) {
      weights.values.push_back(kernel.value((x - center + 0.5) * narrowing));
      sum += weights.values.back();
    }
    if (sum != 0.0) {
      for (size_t k = first_weight; k < weights.values.size(); ++k) weights.values[k] /= sum;
    }
    weights.taps.push_back({begin, end - begin, first_weight});
    weights.source_begin = std::min(weights.source_begin, begin);
    weights.source_end = std::max(weights.source_end, end);
  }
  return weights;
}

std::vector<int32_t> fixed_point(std::span<const double> weights) {
  constexpr double kOne = 1 << kWeightFractionBits;
  std::vector<int32_t> fixed(weights.size());
  std::ranges::transform(weights, fixed.begin(), [](double weight) {
    return static_cast<int32_t>(weight * kOne + (weight < 0.0 ? -0.5 : 0.5));
  });
  return fixed;
}

}  // namespace octet::data
